#include "cluster/interests.h"

#include "base/log.h"
#include "cluster/build.h"
#include "cluster/interests_impl.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

const std::string kTopic = "interests";
constexpr milliseconds kPatienceWithWrites{1000};
constexpr milliseconds kLook{5};

}  // namespace

std::vector<sql::TableSpec> interest_tables(const schema::Settings& settings) {
  sql::TableSpec interests = table_spec(settings, "interests");
  interests.columns = {not_null("name", sql::Type::kText, 191),
                       nullable("since_seq", sql::Type::kInt64),
                       not_null("until_ms", sql::Type::kInt64)};
  interests.primary_key = {"name"};
  return {interests};
}

void InterestsImpl::listen() {
  bus_.subscribe(kTopic, [weak = weak_from_this()](const Message& message) -> Task<Status> {
    if (auto self = weak.lock()) co_return co_await self->heard(message);
    co_return Status{};
  });
}

// ---- writers

bool InterestsImpl::wanted(std::string_view name) const {
  if (!any_.load(std::memory_order_acquire)) return false;
  std::shared_lock lock(mutex_);
  const auto it = copies_.find(name);
  return it != copies_.end() && it->second.publish_until > boot_ms();
}

void InterestsImpl::skipped(sql::Transaction& tx, std::vector<std::string> names,
                            std::function<void(std::string)> late) {
  std::shared_ptr<Epoch> epoch;
  {
    std::shared_lock lock(mutex_);
    epoch = epoch_;
  }
  // The transaction keeps the action, and with it the epoch, to its end, whatever that is.
  tx.on_commit([weak = weak_from_this(), epoch = std::move(epoch), names = std::move(names),
                late = std::move(late)] {
    const auto self = weak.lock();
    if (!self || !self->any_.load(std::memory_order_acquire)) return;
    for (const std::string& name : names) {
      if (self->wanted(name)) late(name);
    }
  });
}

// ---- what the members hear

void InterestsImpl::note(const std::string& name, std::optional<int64_t> since, bool fresh) {
  std::unique_lock lock(mutex_);
  Copy& copy = copies_[name];
  const int64_t now = boot_ms();
  copy.publish_until = now + 3 * life();
  if (since) {
    copy.since = *since;
    copy.renew_at = now + life() / 2;
  } else if (fresh) {
    copy.since = 0;
    copy.renew_at = 0;
  }
  any_.store(true, std::memory_order_release);
}

Task<Status> InterestsImpl::heard(const Message& message) {
  if (message.missed) {
    Within ctx(std::chrono::seconds(5));
    co_return co_await load(ctx);
  }
  if (!message.payload.is_object()) co_return Status{};
  const json::Object& payload = message.payload.get_object();
  const std::string name = json::get_string(payload, "name");
  const bool is_new = !wanted(name);
  const json::Value* since = json::find(payload, "since");
  std::optional<int64_t> place;
  if (since != nullptr && since->is_int64()) place = since->get_int64();
  note(name, place, since == nullptr);
  if (is_new) co_await wait_for_older_writes();
  co_return Status{};
}

// Those that looked before `note`. The bus stands still meanwhile, so there is an end to it.
Task<void> InterestsImpl::wait_for_older_writes() {
  std::weak_ptr<Epoch> older;
  {
    std::unique_lock lock(mutex_);
    older = std::exchange(epoch_, std::make_shared<Epoch>());
  }
  const Within patience(kPatienceWithWrites);
  while (!older.expired() && !patience.expired()) co_await runtime::sleep_for(kLook);
}

Task<Status> InterestsImpl::load(const Context& ctx) {
  sql::Select select;
  select.from = core_.tables["interests"];
  for (const char* name : {"name", "since_seq"}) {
    select.columns.push_back({sql::column("t", name), name});
  }
  select.where = greater(plus(sql::column("t", "until_ms"), number(life())), now_ms());
  CO_TRY(sql::Rows rows, co_await core_.db.run(ctx, render(select, core_.db.dialect())));
  for (size_t i = 0; i < rows.size(); ++i) {
    note(std::string(rows.cell(i, 0).text()), std::nullopt, true);
  }
  co_return Status{};
}

// ---- listeners

Task<Result<InterestsImpl::Row>> InterestsImpl::locked_row(sql::Transaction& tx, const Context& ctx,
                                                           const std::string& name) {
  sql::Insert insert;
  insert.table = core_.tables["interests"];
  insert.columns = {"name", "until_ms"};
  insert.rows = {{text(name), number(0)}};
  insert.ignore_conflicts = true;
  CO_TRY(sql::Rows made, co_await tx.run(ctx, render(insert, tx.dialect())));
  sql::Select select;
  select.from = core_.tables["interests"];
  select.columns = {{sql::column("t", "since_seq"), "since_seq"},
                    {sql::column("t", "until_ms"), "until_ms"},
                    {now_ms(), "now"}};
  select.where = sql::eq(sql::column("t", "name"), text(name));
  select.for_update = true;
  CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
  Row row;
  if (rows.empty()) co_return row;
  if (!rows.cell(0, 0).is_null()) row.since = to_number(rows.cell(0, 0));
  row.stands = to_number(rows.cell(0, 1)) > to_number(rows.cell(0, 2));
  co_return row;
}

// The place since which nothing is missing; nullopt: announced just now, nobody knows yet.
Task<Result<std::optional<int64_t>>> InterestsImpl::renew(const Context& ctx,
                                                          const std::string& name) {
  using Since = std::optional<int64_t>;
  auto body = [&](sql::Transaction& tx) -> Task<Result<Since>> {
    CO_TRY(const Row row, co_await locked_row(tx, ctx, name));
    const bool stands = row.stands && row.since;
    sql::Update update;
    update.table = core_.tables["interests"];
    update.set = {{"until_ms", plus(now_ms(), number(2 * life()))}};
    if (!stands) update.set.push_back({"since_seq", sql::param(sql::Value())});
    update.where = sql::eq(col("name"), text(name));
    CO_TRY(sql::Rows done, co_await tx.run(ctx, render(update, tx.dialect())));
    json::Object payload{{"name", name}};
    if (stands) payload["since"] = *row.since;
    CO_TRY_STATUS(co_await bus_.publish(ctx, tx, kTopic, std::move(payload),
                                        stands ? Delivery::kPlain : Delivery::kConfirmed));
    co_return stands ? row.since : Since{};
  };
  co_return co_await sql::transact<Since>(core_.db, ctx, body);
}

// Every member has heard of it: from here on nothing is missing.
Task<Result<int64_t>> InterestsImpl::established(const Context& ctx, const std::string& name) {
  sql::Update update;
  update.table = core_.tables["interests"];
  update.set = {{"since_seq", number(bus_.position())}};
  update.where = sql::all_of({sql::eq(col("name"), text(name)), sql::is_null(col("since_seq"))});
  CO_TRY(sql::Rows done, co_await core_.db.run(ctx, render(update, core_.db.dialect())));
  sql::Select select;
  select.from = core_.tables["interests"];
  select.columns = {{sql::column("t", "since_seq"), "since_seq"}};
  select.where = sql::eq(sql::column("t", "name"), text(name));
  CO_TRY(sql::Rows rows, co_await core_.db.run(ctx, render(select, core_.db.dialect())));
  if (rows.empty()) co_return fail(Code::kInternal, "INTERNAL", "The interest is gone.");
  co_return to_number(rows.cell(0, 0));
}

Task<Result<int64_t>> InterestsImpl::want(const Context& ctx, std::string name) {
  {
    std::shared_lock lock(mutex_);
    const auto it = copies_.find(name);
    if (it != copies_.end() && it->second.since > 0 && it->second.renew_at > boot_ms()) {
      co_return it->second.since;
    }
  }
  // A context of its own: what is confirmed here is no business of the caller's.
  Context mine;
  mine.deadline = ctx.deadline;
  CO_TRY(std::optional<int64_t> since, co_await renew(mine, name));
  if (!since) {
    CO_TRY_STATUS(co_await bus_.settle(mine));
    CO_TRY(since, co_await established(mine, name));
  }
  note(name, *since, false);
  co_return *since;
}

}  // namespace halcyon::cluster
