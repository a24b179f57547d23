#include "cluster/bus.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/log.h"
#include "cluster/build.h"
#include "cluster/bus_impl.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

constexpr std::array<size_t, 4> kBatchSizes{1, 8, 64, 512};
constexpr int64_t kAtATime = kBatchSizes.back();
constexpr milliseconds kStatementTime{5000};

Error not_confirmed() {
  return Error(Code::kUnavailable, "NOT_CONFIRMED",
               "The change is made, but not every server has confirmed it yet.");
}

}  // namespace

BusImpl::BusImpl(Core& core, Membership& member)
    : core_(core),
      member_(member),
      sequencer_(std::make_shared<Background>(core.io, [this] { return sequencer_step(); })),
      reader_(std::make_shared<Background>(core.io, [this] { return reader_step(); })) {}

void BusImpl::subscribe(std::string topic, Handler handler) {
  handlers_[std::move(topic)].push_back(std::move(handler));
}

Task<Result<int64_t>> BusImpl::begin(const Context& ctx) {
  CO_TRY(State state, co_await look(core_.control, ctx));
  position_ = state.end;
  end_seen_ = state.end;
  told_position_ = state.end;
  co_return state.end;
}

Task<Status> BusImpl::start(const Context& ctx) {
  started_ = true;
  core_.db.on_hint(kNewsHint, [weak = std::weak_ptr(reader_)] {
    if (auto reader = weak.lock()) reader->wake();
  });
  core_.db.on_hint(kConfirmedHint, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->progress_.notify();
  });
  sequencer_->start();
  reader_->start();
  co_return co_await catch_up(ctx);
}

Task<void> BusImpl::stop() {
  co_await reader_->stop();
  co_await sequencer_->stop();
}

// ---- writing

Task<Status> BusImpl::publish_here(const Context& ctx, sql::Transaction& tx, std::string topic,
                                   std::string payload, Delivery delivery) {
  const bool confirmed = delivery == Delivery::kConfirmed;
  sql::Insert insert;
  insert.table = core_.tables["messages"];
  insert.columns = {"topic", "payload", "sender", "confirmed", "created_ms"};
  insert.rows = {{text(std::move(topic)), text(std::move(payload)), text(member_.holder()),
                  flag(confirmed), now_ms()}};
  insert.returning = {"id"};
  CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(insert, tx.dialect())));
  const int64_t id = rows.empty() ? rows.last_insert_id : to_number(rows.cell(0, 0));
  tx.on_commit([weak = weak_from_this(), &ctx, id, confirmed] {
    if (confirmed) ctx.unconfirmed.push_back(id);
    if (auto self = weak.lock()) self->committed();
  });
  co_return Status{};
}

Task<Status> BusImpl::publish(const Context& ctx, sql::Transaction& tx, std::string topic,
                              json::Value payload, Delivery delivery) {
  return publish_here(ctx, tx, std::move(topic), json::dump(payload), delivery);
}

Task<Status> BusImpl::publish(const Context& ctx, std::string topic, json::Value payload,
                              Delivery delivery) {
  const std::string body = json::dump(payload);
  sql::Database::Body run = [&](sql::Transaction& tx) {
    return publish_here(ctx, tx, topic, body, delivery);
  };
  co_return co_await core_.db.in_transaction(ctx, run);
}

void BusImpl::committed() {
  busy_until_ = boot_ms() + kOftenForMs;
  order_wanted_.fetch_add(1);
  sequencer_->wake();
}

// ---- putting in order

Task<Result<size_t>> BusImpl::sequence_some(sql::Transaction& tx, const Context& ctx) {
  sql::Select lock;
  lock.from = core_.tables["counter"];
  lock.columns = {{sql::column("t", "seq"), "seq"}};
  lock.where = sql::eq(sql::column("t", "id"), number(1));
  lock.for_update = true;
  sql::Select unordered;
  unordered.from = core_.tables["messages"];
  unordered.columns = {{sql::column("t", "id"), "id"}};
  unordered.where = sql::is_null(sql::column("t", "seq"));
  unordered.order_by = {{sql::column("t", "id"), false, sql::Nulls::kDefault}};
  unordered.limit = kAtATime;
  CO_TRY(sql::Rows counter, co_await tx.run(ctx, render(lock, tx.dialect())));
  // A statement of its own, so that it sees all that committed before the lock was had.
  CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(unordered, tx.dialect())));
  if (rows.empty() || counter.empty()) co_return 0;
  int64_t seq = to_number(counter.cell(0, 0));
  sql::Case places;
  sql::In these{col("id"), {}, false};
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t id = to_number(rows.cell(i, 0));
    places.when.emplace_back(sql::eq(col("id"), number(id)), number(++seq));
    these.list.push_back(number(id));
  }
  // Filled up to one of few sizes, since each makes a prepared statement; the first match counts.
  while (std::ranges::find(kBatchSizes, places.when.size()) == kBatchSizes.end()) {
    places.when.push_back(places.when.back());
    these.list.push_back(these.list.back());
  }
  sql::Update update;
  update.table = core_.tables["messages"];
  update.set = {{"seq", sql::make(std::move(places))}};
  update.where = sql::make(std::move(these));
  CO_TRY(sql::Rows done, co_await tx.run(ctx, render(update, tx.dialect())));
  sql::Update count;
  count.table = core_.tables["counter"];
  count.set = {{"seq", number(seq)}};
  count.where = sql::eq(col("id"), number(1));
  CO_TRY(sql::Rows counted, co_await tx.run(ctx, render(count, tx.dialect())));
  co_return rows.size();
}

Task<Status> BusImpl::sequence() {
  while (true) {
    Within ctx(kStatementTime);
    CO_TRY(size_t count, co_await sql::transact<size_t>(
                             core_.control, ctx, [&](sql::Transaction& tx) -> Task<Result<size_t>> {
                               co_return co_await sequence_some(tx, ctx);
                             }));
    if (count > 0) {
      reader_->wake();
      core_.db.hint(kNewsHint);
    }
    if (count < static_cast<size_t>(kAtATime)) co_return Status{};
  }
}

Task<milliseconds> BusImpl::sequencer_step() {
  const uint64_t wanted = order_wanted_;
  if (wanted == order_done_) co_return milliseconds(60'000);
  Status status = co_await sequence();
  if (!status) {
    log_warn("messages could not be put in order", {{"code", status.error().id}});
    co_return milliseconds(50);
  }
  order_done_ = wanted;
  ordered_.notify();
  co_return milliseconds(60'000);
}

Task<Status> BusImpl::order_now(const Context& ctx) {
  const uint64_t mine = order_wanted_.fetch_add(1) + 1;
  sequencer_->wake();
  while (true) {
    const uint64_t seen = ordered_.version();
    if (order_done_ >= mine) co_return Status{};
    if (ctx.expired()) co_return fail(not_confirmed());
    co_await ordered_.wait(seen, milliseconds(50));
  }
}

// ---- waiting for the others

Task<Result<int64_t>> BusImpl::settle_target(const Context& ctx) {
  const auto& ids = ctx.unconfirmed;
  if (std::ranges::find(ids, 0) != ids.end()) {
    CO_TRY(State state, co_await look(core_.db, ctx));
    co_return state.end;
  }
  sql::Select select;
  select.from = core_.tables["messages"];
  select.columns = {{sql::call(sql::Fn::kMax, {sql::column("t", "seq")}), "seq"}};
  sql::In these{sql::column("t", "id"), {}, false};
  for (int64_t id : ids) these.list.push_back(number(id));
  select.where = sql::make(std::move(these));
  CO_TRY(sql::Rows rows, co_await core_.db.run(ctx, render(select, core_.db.dialect())));
  co_return rows.empty() ? 0 : to_number(rows.cell(0, 0));
}

Task<Result<bool>> BusImpl::all_confirmed(const Context& ctx, int64_t target) {
  if (started_ && position() < target) co_return false;
  sql::Select select;
  select.from = core_.tables["members"];
  select.columns = {{sql::column("t", "id"), "id"},
                    {sql::column("t", "lease_until_ms"), "lease_until_ms"}};
  select.where = sql::all_of(
      {less(sql::column("t", "bus_position"), number(target)), sql::column("t", "listening"),
       sql::negate(sql::eq(sql::column("t", "id"), text(member_.holder())))});
  CO_TRY(sql::Rows rows, co_await core_.db.run(ctx, render(select, core_.db.dialect())));
  bool all = true;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string member(rows.cell(i, 0).text());
    const int64_t until = to_number(rows.cell(i, 1));
    all = false;
    if (member_.is_overdue(member, until)) {
      CO_TRY_STATUS(co_await member_.declare_gone(ctx, std::move(member), until));
    }
  }
  co_return all;
}

Task<Status> BusImpl::settle(const Context& ctx) {
  if (ctx.unconfirmed.empty()) co_return Status{};
  CO_TRY_STATUS(co_await order_now(ctx));
  std::optional<int64_t> target;
  for (int tries = 0;; ++tries) {
    const uint64_t seen = progress_.version();
    Status status;
    if (!target) {
      auto found = co_await settle_target(ctx);
      if (found) target = *found;
      if (!found) status = fail(std::move(found).error());
    }
    if (target) {
      auto all = co_await all_confirmed(ctx, *target);
      if (all && *all) break;
      if (!all) status = fail(std::move(all).error());
    }
    // A database that is away comes back; the change is made in any case.
    if (ctx.expired()) {
      Error error = not_confirmed();
      if (!status) error.internal = status.error().id + " " + status.error().internal;
      co_return fail(std::move(error));
    }
    co_await progress_.wait(seen, milliseconds(std::min(5 + tries, 50)));
  }
  ctx.unconfirmed.clear();
  co_return Status{};
}

// ---- for those who resume

Task<Result<std::vector<Message>>> BusImpl::read_after(const Context& ctx, std::string topic,
                                                       int64_t seq, size_t limit) {
  sql::Select select;
  select.from = core_.tables["messages"];
  for (const char* name : {"seq", "payload", "sender", "created_ms"}) {
    select.columns.push_back({sql::column("t", name), name});
  }
  select.where = sql::all_of({sql::eq(sql::column("t", "topic"), text(topic)),
                              greater(sql::column("t", "seq"), number(seq))});
  select.order_by = {{sql::column("t", "seq"), false, sql::Nulls::kDefault}};
  select.limit = static_cast<int64_t>(limit);
  CO_TRY(sql::Rows rows, co_await core_.db.run(ctx, render(select, core_.db.dialect())));
  // Afterwards, so that what is purged between the two is noticed.
  sql::Select oldest;
  oldest.from = core_.tables["messages"];
  oldest.columns = {{sql::call(sql::Fn::kMin, {sql::column("t", "seq")}), "seq"}};
  CO_TRY(sql::Rows first, co_await core_.db.run(ctx, render(oldest, core_.db.dialect())));
  int64_t kept_from = first.empty() ? 0 : to_number(first.cell(0, 0));
  if (kept_from == 0) {
    CO_TRY(State state, co_await look(core_.db, ctx));
    kept_from = state.end + 1;
  }
  if (seq + 1 < kept_from) {
    co_return fail(Code::kConflict, "SEQUENCE_TOO_OLD",
                   "The messages since then are not kept any more; load everything anew.");
  }
  std::vector<Message> list;
  for (size_t i = 0; i < rows.size(); ++i) {
    Message& message = list.emplace_back();
    message.seq = to_number(rows.cell(i, 0));
    message.topic = topic;
    CO_TRY(message.payload, json::parse(rows.cell(i, 1).text(), 256));
    message.sender = rows.cell(i, 2).text();
    message.created_ms = to_number(rows.cell(i, 3));
  }
  co_return list;
}

}  // namespace halcyon::cluster
