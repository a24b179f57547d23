#include "cluster/worker_ids.h"

#include <algorithm>
#include <array>
#include <thread>

#include "base/log.h"
#include "cluster/build.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

constexpr int64_t kHorizon = 120;  // seconds
constexpr size_t kMost = 64, kFirst = 16;
constexpr size_t kShareOfFree = 32;  // at first: one in so many of the free ones
constexpr int64_t kSlewMs = 100;     // how far the clock gives way at one renewal
constexpr milliseconds kTime{3000}, kLook{5000};
constexpr int64_t kQuietLooks = 6;
constexpr std::array<size_t, 4> kListSizes{1, 4, 16, 64};

sql::Expr one_of(sql::Expr what, const std::vector<int64_t>& values) {
  sql::In in{std::move(what), {}, false};
  for (int64_t value : values) in.list.push_back(number(value));
  // Few sizes of lists, few prepared statements.
  while (!in.list.empty() && std::ranges::find(kListSizes, in.list.size()) == kListSizes.end()) {
    in.list.push_back(in.list.back());
  }
  return sql::make(std::move(in));
}

sql::Expr is_free(const Tables& tables, const std::string& alias) {
  auto members = std::make_shared<sql::Select>();
  members->from = tables["members"];
  members->from.alias = "m";
  members->columns = {{sql::column("m", "id"), ""}};
  sql::Expr owner = sql::column(alias, "owner");
  return sql::any_of(
      {sql::is_null(owner), sql::make(sql::InSelect{{owner}, std::move(members), true})});
}

}  // namespace

WorkerIds::WorkerIds(Core& core, Membership& member)
    : core_(core),
      member_(member),
      generator_(std::vector<Snowflake::Worker>{}, 0, [this] { return clock_ms(); }),
      keeper_(std::make_shared<Background>(core.io, [this] { return keeper_step(); })) {}

int64_t WorkerIds::clock_ms() const {
  return member_.now() + offset_.load(std::memory_order_relaxed);
}

int64_t WorkerIds::horizon() const {
  int64_t from = std::max(clock_ms() / 1000 - Snowflake::kEpochSeconds, generator_.second());
  if (!workers_.empty()) {
    int64_t first = workers_.begin()->second;
    for (const auto& [id, usable_from] : workers_) first = std::min(first, usable_from);
    from = std::max(from, first);
  }
  return from + kHorizon;
}

void WorkerIds::use(Workers workers) {
  workers_ = std::move(workers);
  std::vector<Snowflake::Worker> list;
  for (const auto& [id, first] : workers_) list.push_back({id, first});
  generator_.assign(std::move(list));
  held_count_ = static_cast<int64_t>(workers_.size());
}

Task<Status> WorkerIds::begin(const Context& ctx) {
  offset_ = member_.database_now_ms() - member_.now();
  renewed_offset_ = offset_.load();
  looked_at_ = member_.now();
  sql::Select count;
  count.from = core_.tables["worker_ids"];
  count.columns = {{sql::call(sql::Fn::kCount), "n"}};
  count.where = is_free(core_.tables, "t");
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(count, core_.control.dialect())));
  const auto free = static_cast<size_t>(to_number(rows.cell(0, 0)));
  first_count_ = std::clamp<size_t>(free / kShareOfFree, 1, kFirst);
  while (true) {
    CO_TRY_STATUS(co_await take(ctx, first_count_));
    if (!workers_.empty()) break;
    if (ctx.expired()) {
      co_return fail(Code::kUnavailable, "NO_WORKER_ID",
                     "Every worker id is taken: there are too many processes.");
    }
    co_await runtime::sleep_for(milliseconds(20));  // others take theirs at this moment
  }
  co_return co_await reserve(ctx, horizon());
}

Task<Result<WorkerIds::Workers>> WorkerIds::take_rows(sql::Transaction& tx, const Context& ctx,
                                                      size_t count, int64_t until) {
  sql::Select select;
  select.from = core_.tables["worker_ids"];
  select.columns = {{sql::column("t", "worker"), "worker"},
                    {sql::column("t", "reserved_until"), "reserved_until"}};
  select.where = is_free(core_.tables, "t");
  select.order_by = {{sql::column("t", "reserved_until"), false, sql::Nulls::kDefault},
                     {sql::column("t", "worker"), false, sql::Nulls::kDefault}};
  select.limit = static_cast<int64_t>(count);
  select.for_update = true;
  select.skip_locked = true;
  CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
  Workers taken;
  std::vector<int64_t> ids;
  for (size_t i = 0; i < rows.size(); ++i) {
    ids.push_back(to_number(rows.cell(i, 0)));
    taken.emplace(ids.back(), to_number(rows.cell(i, 1)) + 1);
  }
  if (ids.empty()) co_return taken;
  sql::Update update;
  update.table = core_.tables["worker_ids"];
  sql::Case later;
  later.when = {{less(col("reserved_until"), number(until)), number(until)}};
  later.otherwise = col("reserved_until");
  update.set = {{"owner", text(member_.holder())}, {"reserved_until", sql::make(std::move(later))}};
  update.where = one_of(col("worker"), ids);
  CO_TRY(sql::Rows done, co_await tx.run(ctx, render(update, tx.dialect())));
  co_return taken;
}

Task<Status> WorkerIds::take(const Context& ctx, size_t count) {
  const int64_t until = std::max(reserved_until_, horizon());
  if (!workers_.empty() && until > reserved_until_) CO_TRY_STATUS(co_await reserve(ctx, until));
  CO_TRY(Workers taken, co_await sql::transact<Workers>(
                            core_.control, ctx, [&](sql::Transaction& tx) -> Task<Result<Workers>> {
                              co_return co_await take_rows(tx, ctx, count, until);
                            }));
  if (taken.empty()) co_return Status{};
  Workers all = workers_;
  all.merge(taken);
  use(std::move(all));
  reserved_until_ = until;
  generator_.extend(until);
  co_return Status{};
}

Task<Result<sql::Rows>> WorkerIds::owned(const Context& ctx) {
  sql::Select select;
  select.from = core_.tables["worker_ids"];
  select.columns = {{sql::column("t", "worker"), "worker"}};
  select.where = sql::eq(sql::column("t", "owner"), text(member_.holder()));
  co_return co_await core_.control.run(ctx, render(select, core_.control.dialect()));
}

Task<Status> WorkerIds::reserve(const Context& ctx, int64_t until) {
  sql::Update update;
  update.table = core_.tables["worker_ids"];
  update.set = {{"reserved_until", number(until)}};
  update.where = sql::all_of(
      {sql::eq(col("owner"), text(member_.holder())), less(col("reserved_until"), number(until))});
  CO_TRY(sql::Rows done, co_await core_.control.run(ctx, render(update, core_.control.dialect())));
  CO_TRY(sql::Rows rows, co_await owned(ctx));
  Workers ours;
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t id = to_number(rows.cell(i, 0));
    auto it = workers_.find(id);
    // One that we took without hearing of it is good after what is reserved now.
    ours.emplace(id, it == workers_.end() ? until + 1 : it->second);
  }
  // First leave out what others have taken meanwhile, then go on.
  use(std::move(ours));
  reserved_until_ = until;
  generator_.extend(until);
  co_return Status{};
}

void WorkerIds::renewed(int64_t database_now_ms) {
  renewed_offset_ = database_now_ms - member_.now();
  keeper_->wake();
}

// What is needed is reserved first, then the clock goes forward at once; back it goes a little at a
// time, since ids do not go back anyway, and jitter of the network must not make the generator run
// ahead.
Task<Status> WorkerIds::follow_clock(const Context& ctx) {
  const int64_t offset = renewed_offset_;
  const int64_t second = (member_.now() + offset) / 1000 - Snowflake::kEpochSeconds;
  const int64_t until = std::max(second + kHorizon, horizon());
  if (until - reserved_until_ >= kHorizon / 2 || workers_.empty()) {
    CO_TRY_STATUS(co_await reserve(ctx, until));
    if (workers_.empty()) CO_TRY_STATUS(co_await take(ctx, first_count_));
  }
  offset_ = std::max(offset, offset_.load() - kSlewMs);
  co_return Status{};
}

Result<int64_t> WorkerIds::next() {
  int64_t id = 0;
  while (true) {
    switch (generator_.try_next(id)) {
      case Snowflake::Outcome::kMade:
        if (id % Snowflake::kSequences == Snowflake::kSequences / 2) watch_usage();
        return id;
      case Snowflake::Outcome::kTooFast:
        if (!wants_more_.exchange(true)) keeper_->wake();
        std::this_thread::sleep_for(milliseconds(2));
        break;
      case Snowflake::Outcome::kExpired:
        keeper_->wake();
        return fail(lease_lost());
    }
  }
}

void WorkerIds::watch_usage() {
  const bool much = generator_.used_in_second() * 2 >= held_count_ * Snowflake::kSequences;
  if (much && held_count_ < static_cast<int64_t>(kMost) && !wants_more_.exchange(true)) {
    keeper_->wake();
  }
}

Task<milliseconds> WorkerIds::keeper_step() {
  Within ctx(kTime);
  Status status = co_await follow_clock(ctx);
  if (status && wants_more_.exchange(false) && workers_.size() < kMost) {
    status = co_await take(ctx, std::min(workers_.size() * 3, kMost - workers_.size()));
    looked_at_ = member_.now();
    quiet_ = 0;
  } else if (status && member_.now() - looked_at_ >= kLook.count()) {
    status = co_await look_at_usage(ctx);
  }
  if (!status) log_warn("worker ids could not be kept", {{"code", status.error().id}});
  co_return status ? 12 * kLook : milliseconds(500);
}

// Gives back what was taken for a rush that is over.
Task<Status> WorkerIds::look_at_usage(const Context& ctx) {
  const int64_t made = generator_.made(), at = member_.now();
  const int64_t could = held_count_ * Snowflake::kSequences * (at - looked_at_) / 1000;
  quiet_ = (made - made_before_) * 8 < could ? quiet_ + 1 : 0;
  made_before_ = made;
  looked_at_ = at;
  if (workers_.size() <= first_count_ || quiet_ < kQuietLooks) co_return Status{};
  co_return co_await give_back(ctx, first_count_);
}

Task<Status> WorkerIds::give_back(const Context& ctx, size_t keep) {
  Workers kept = workers_, left;
  while (kept.size() > keep) left.insert(kept.extract(std::prev(kept.end())));
  use(std::move(kept));
  const int64_t second = generator_.second();
  std::vector<int64_t> used, unused;
  for (const auto& [id, first] : left) (first <= second ? used : unused).push_back(id);
  sql::Update update;
  update.table = core_.tables["worker_ids"];
  update.set = {{"owner", sql::param(sql::Value(sql::Null{}, sql::Type::kText))}};
  for (const auto* list : {&unused, &used}) {
    if (list == &used) update.set.push_back({"reserved_until", number(second)});
    update.where =
        sql::all_of({sql::eq(col("owner"), text(member_.holder())), one_of(col("worker"), *list)});
    if (list->empty()) continue;
    CO_TRY(sql::Rows rows,
           co_await core_.control.run(ctx, render(update, core_.control.dialect())));
  }
  co_return Status{};
}

Task<void> WorkerIds::release(const Context& ctx) {
  Status status = co_await give_back(ctx, 0);
  if (!status) log_warn("worker ids were not given back", {{"code", status.error().id}});
}

}  // namespace halcyon::cluster
