#include <algorithm>
#include <deque>

#include "base/log.h"
#include "cluster/build.h"
#include "cluster/schedules_store.h"

namespace halcyon::cluster {

namespace {

using sql::Value;

constexpr int64_t kSchedulesAtOnce = 100;
constexpr int kLongestName = 160;  // "<name>@<fire time>" is a unique key

sql::Expr number_or_null(std::optional<int64_t> value) {
  return sql::param(value ? Value(*value) : Value(sql::Null{}, sql::Type::kInt64));
}

// What a schedule's times are.
struct Times {
  expr::Cron cron;
  TimeZone zone;
};
Result<Times> times_of(const Schedule& schedule) {
  TRY(expr::Cron cron, expr::Cron::parse(schedule.cron));
  TRY(TimeZone zone, TimeZone::find(schedule.zone));
  return Times{cron, zone};
}

std::optional<int64_t> next_time(const Times& times, const Schedule& schedule, int64_t after) {
  std::optional<int64_t> next = times.cron.next(after, times.zone);
  if (!next || (schedule.until_ms && *next > *schedule.until_ms)) return std::nullopt;
  return next;
}

bool same_times(const Schedule& a, const Schedule& b) {
  return a.cron == b.cron && a.zone == b.zone && a.enabled == b.enabled && a.until_ms == b.until_ms;
}

NewJob job_of(const Schedule& schedule, int64_t fire_ms) {
  NewJob job;
  job.topic = schedule.topic;
  job.payload = json::Object{{"fireAt", fire_ms}, {"payload", schedule.payload}};
  job.unique_key = schedule.name + "@" + std::to_string(fire_ms);
  return job;
}

Status check(const Schedule& schedule) {
  if (schedule.name.empty() || schedule.name.size() > kLongestName) {
    return fail(
        Error(Code::kInvalidArgument, "INVALID_SCHEDULE", "A schedule's name has 1 to 160 bytes.")
            .with_field("name"));
  }
  return check_job(job_of(schedule, 0));
}

Task<Result<int64_t>> database_now(sql::Executor& db, const Context& ctx) {
  sql::Select select;
  select.columns = {{now_ms(), "now"}};
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  co_return to_number(rows.cell(0, 0));
}

}  // namespace

std::vector<int64_t> fire_times(const expr::Cron& cron, const TimeZone& zone, int64_t after,
                                int64_t upto, size_t limit) {
  // Windows that grow backwards from `upto`: what lies before the latest `limit` is not walked
  // through, however long ago `after` is.
  for (int64_t window = 60'000;; window *= 8) {
    const int64_t from = std::max(after, upto - window);
    std::deque<int64_t> found;
    for (auto at = cron.next(from, zone); at && *at <= upto; at = cron.next(*at, zone)) {
      found.push_back(*at);
      if (found.size() > limit) found.pop_front();
    }
    if (from == after || found.size() == limit) return {found.begin(), found.end()};
  }
}

sql::TableSpec ScheduleStore::spec(const schema::Settings& settings) {
  using sql::Type;
  sql::TableSpec table = table_spec(settings, "schedules");
  table.columns = {not_null("name", Type::kText, kLongestName),
                   not_null("cron", Type::kText),
                   not_null("zone", Type::kText, 64),
                   not_null("topic", Type::kText, kLongestTopic),
                   not_null("payload", Type::kText),
                   not_null("missed", Type::kInt32),
                   not_null("enabled", Type::kInt32),
                   nullable("until_at", Type::kInt64),
                   nullable("due_at", Type::kInt64),    // NULL: never
                   nullable("last_at", Type::kInt64)};  // NULL: not yet
  table.primary_key = {"name"};
  table.indexes = {{"", {"due_at"}, false}};
  return table;
}

ScheduleStore::ScheduleStore(const JobStore& jobs, const schema::Settings& settings,
                             std::chrono::milliseconds missed_after)
    : jobs_(jobs),
      table_(sql::table(table_name(settings, "schedules"), "", settings.db_schema)),
      missed_after_(missed_after) {}

sql::Select ScheduleStore::select_rows() const {
  sql::Select select;
  for (const char* name : {"name", "cron", "zone", "topic", "payload", "missed", "enabled",
                           "until_at", "due_at", "last_at"}) {
    select.columns.push_back({col(name), name});
  }
  select.from = table_;
  return select;
}

Result<ScheduleStore::Row> ScheduleStore::row_of(const sql::Rows& rows, size_t row) {
  auto string = [&](size_t column) { return std::string(rows.cell(row, column).text()); };
  Row found;
  Schedule& schedule = found.schedule;
  schedule.name = string(0);
  schedule.cron = string(1);
  schedule.zone = string(2);
  schedule.topic = string(3);
  TRY(schedule.payload, json::parse(rows.cell(row, 4).text(), 256));
  schedule.missed = static_cast<Missed>(to_number(rows.cell(row, 5)));
  schedule.enabled = to_number(rows.cell(row, 6)) != 0;
  if (!rows.cell(row, 7).is_null()) schedule.until_ms = to_number(rows.cell(row, 7));
  found.due_ms = to_number(rows.cell(row, 8));
  found.last_ms = to_number(rows.cell(row, 9));
  return found;
}

// --- changes ---

Task<Result<std::optional<ScheduleStore::Row>>> ScheduleStore::locked(
    sql::Transaction& tx, const Context& ctx, const std::string& name) const {
  sql::Select select = select_rows();
  select.where = sql::eq(col("name"), text(name));
  select.for_update = true;
  CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
  if (rows.empty()) co_return std::optional<Row>{};
  CO_TRY(Row row, row_of(rows, 0));
  co_return std::optional<Row>(std::move(row));
}

Task<Status> ScheduleStore::write(sql::Transaction& tx, const Context& ctx,
                                  const Schedule& schedule, std::optional<int64_t> due_ms) const {
  sql::Update update;
  update.table = table_;
  update.set = {{"cron", text(schedule.cron)},
                {"zone", text(schedule.zone)},
                {"topic", text(schedule.topic)},
                {"payload", text(json::dump(schedule.payload))},
                {"missed", number(static_cast<int64_t>(schedule.missed))},
                {"enabled", number(schedule.enabled ? 1 : 0)},
                {"until_at", number_or_null(schedule.until_ms)},
                {"due_at", number_or_null(due_ms)}};
  update.where = sql::eq(col("name"), text(schedule.name));
  CO_TRY_STATUS(co_await tx.run(ctx, render(update, tx.dialect())));
  co_return Status{};
}

Task<Status> ScheduleStore::put(const Context& ctx, sql::Transaction& tx, Schedule schedule) {
  CO_TRY_STATUS(check(schedule));
  CO_TRY(Times times, times_of(schedule));
  CO_TRY(std::optional<Row> before, co_await locked(tx, ctx, schedule.name));
  if (!before) {
    // Another may make it at the same time: one of the two makes the row, both then lock it.
    sql::Insert insert;
    insert.table = table_;
    insert.columns = {"name", "cron", "zone", "topic", "payload", "missed", "enabled"};
    insert.rows = {
        {text(schedule.name), text(""), text(""), text(""), text("null"), number(0), number(0)}};
    insert.ignore_conflicts = true;
    CO_TRY_STATUS(co_await tx.run(ctx, render(insert, tx.dialect())));
    CO_TRY(before, co_await locked(tx, ctx, schedule.name));
  }
  std::optional<int64_t> due;
  if (before && same_times(before->schedule, schedule)) {
    if (before->due_ms > 0) due = before->due_ms;
  } else if (schedule.enabled) {
    CO_TRY(int64_t now, co_await database_now(tx, ctx));
    // Never a time that has fired, though the database's clock may have gone back.
    due = next_time(times, schedule, std::max(now, before ? before->last_ms : 0));
  }
  CO_TRY_STATUS(co_await write(tx, ctx, schedule, due));
  if (changed_) tx.on_commit([changed = changed_] { changed(); });
  co_return Status{};
}

Task<Status> ScheduleStore::put(const Context& ctx, Schedule schedule) {
  co_return co_await jobs_.db().in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
    co_return co_await put(ctx, tx, schedule);
  });
}

Task<Status> ScheduleStore::remove(const Context& ctx, std::string name) {
  sql::Delete remove;
  remove.table = table_;
  remove.where = sql::eq(col("name"), text(name));
  CO_TRY_STATUS(co_await jobs_.db().run(ctx, render(remove, jobs_.db().dialect())));
  co_return Status{};
}

Task<Result<std::vector<ScheduleInfo>>> ScheduleStore::list(const Context& ctx) {
  sql::Select select = select_rows();
  select.order_by = {{col("name"), false, sql::Nulls::kDefault}};
  CO_TRY(sql::Rows rows, co_await jobs_.db().run(ctx, render(select, jobs_.db().dialect())));
  std::vector<ScheduleInfo> all;
  for (size_t r = 0; r < rows.size(); ++r) {
    CO_TRY(Row row, row_of(rows, r));
    all.push_back({std::move(row.schedule), row.due_ms, row.last_ms});
  }
  co_return all;
}

// --- firing ---

sql::Expr ScheduleStore::earliest() const {
  auto select = std::make_shared<sql::Select>();
  select->columns = {{sql::call(sql::Fn::kMin, {col("due_at")}), "at"}};
  select->from = table_;
  return sql::make(sql::ScalarSelect{std::move(select)});
}

sql::Expr ScheduleStore::overdue_count() const {
  auto select = std::make_shared<sql::Select>();
  select->columns = {{sql::call(sql::Fn::kCount), "n"}};
  select->from = table_;
  sql::Expr limit = sql::binary(sql::BinaryOp::kSub, now_ms(), number(missed_after_.count()));
  select->where = sql::binary(sql::BinaryOp::kLt, col("due_at"), std::move(limit));
  return sql::make(sql::ScalarSelect{std::move(select)});
}

Task<Status> ScheduleStore::fire(sql::Transaction& tx, const Context& ctx, const Row& row,
                                 int64_t now, std::vector<NewJob>& jobs) const {
  const Schedule& schedule = row.schedule;
  Result<Times> times = times_of(schedule);
  std::vector<int64_t> at;
  std::optional<int64_t> due;
  if (!times) {  // a zone that this member's system does not know (any more)
    log_error("a schedule cannot be read",
              {{"schedule", schedule.name}, {"error", times.error().message}});
    due = now + kMinuteMs;  // another member may know it
  } else {
    const int64_t last = schedule.until_ms ? std::min(now, *schedule.until_ms) : now;
    const int64_t missed_until = std::min(last, now - missed_after_.count());
    const size_t missed = schedule.missed == Missed::kAll    ? kMostMissed
                          : schedule.missed == Missed::kOnce ? 1
                                                             : 0;
    if (missed > 0 && row.due_ms <= missed_until) {
      at = fire_times(times->cron, times->zone, row.due_ms - 1, missed_until, missed);
    }
    const int64_t from = std::max(row.due_ms - 1, missed_until);
    auto recent = fire_times(times->cron, times->zone, from, last, SIZE_MAX);
    at.insert(at.end(), recent.begin(), recent.end());
    due = next_time(*times, schedule, now);
  }
  for (int64_t time : at) jobs.push_back(job_of(schedule, time));
  sql::Update update;
  update.table = table_;
  update.set = {{"due_at", number_or_null(due)}};
  if (!at.empty()) update.set.push_back({"last_at", number(at.back())});
  update.where = sql::eq(col("name"), text(schedule.name));
  CO_TRY_STATUS(co_await tx.run(ctx, render(update, tx.dialect())));
  co_return Status{};
}

Task<Result<ScheduleStore::Fired>> ScheduleStore::fire_due(const Context& ctx) {
  auto body = [&](sql::Transaction& tx) -> Task<Result<Fired>> {
    sql::Select select = select_rows();
    select.columns.push_back({now_ms(), "now"});
    select.where = sql::binary(sql::BinaryOp::kLe, col("due_at"), now_ms());
    select.order_by = {{col("due_at"), false, sql::Nulls::kDefault}};
    select.limit = kSchedulesAtOnce;
    select.for_update = select.skip_locked = true;
    CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
    Fired fired;
    std::vector<NewJob> jobs;
    int64_t now = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      CO_TRY(Row row, row_of(rows, r));
      now = to_number(rows.cell(r, 10));
      CO_TRY_STATUS(co_await fire(tx, ctx, row, now, jobs));
    }
    CO_TRY_STATUS(co_await jobs_.insert_new(tx, ctx, jobs, now));
    for (const NewJob& job : jobs) fired.topics.insert(job.topic);
    fired.jobs = jobs.size();
    fired.more = rows.size() == static_cast<size_t>(kSchedulesAtOnce);
    co_return fired;
  };
  co_return co_await sql::transact<Fired>(jobs_.db(), ctx, body);
}

}  // namespace halcyon::cluster
