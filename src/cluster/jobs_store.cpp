#include "cluster/jobs_store.h"

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "cluster/build.h"

namespace halcyon::cluster {

namespace {

using sql::Value;

sql::Expr equals(std::string name, sql::Expr value) {
  return sql::eq(col(std::move(name)), std::move(value));
}
sql::Expr in_lane(std::string lane) { return equals("lane", text(std::move(lane))); }
sql::Expr minus(sql::Expr a, sql::Expr b) {
  return sql::binary(sql::BinaryOp::kSub, std::move(a), std::move(b));
}
sql::Expr is_due() { return sql::binary(sql::BinaryOp::kLe, col("position"), now_ms()); }
// Where a job of this priority stands among those of its topic.
sql::Expr ready_position() { return minus(sql::literal("0"), col("priority")); }

// Repeats the last so that there are few different lengths, and few statements to prepare.
sql::Expr among(std::string name, std::span<const int64_t> ids) {
  std::vector<sql::Expr> list;
  for (int64_t id : ids) list.push_back(number(id));
  while (!list.empty() && list.size() < std::bit_ceil(ids.size())) list.push_back(list.back());
  return sql::make(sql::In{col(std::move(name)), std::move(list), false});
}

int64_t integer(const sql::Rows& rows, size_t row, size_t column) {
  return to_number(rows.cell(row, column));
}
std::optional<int64_t> maybe(const sql::Rows& rows, size_t row, size_t column) {
  return rows.cell(row, column).is_null() ? std::nullopt : to_int64(rows.cell(row, column).text());
}

// At most kLongestError bytes, whole characters.
std::string cut(std::string_view message) {
  if (message.size() > kLongestError) {
    size_t end = kLongestError;
    while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
    message = message.substr(0, end);
  }
  return std::string(message);
}

sql::ColumnSpec counter(std::string name, sql::Type type = sql::Type::kInt64) {
  sql::ColumnSpec spec = not_null(std::move(name), type);
  spec.default_value = Value(int64_t{0});
  return spec;
}

const std::vector<std::string> kInfoColumns{
    "id",       "topic",        "unique_key", "owner",      "error",    "lane",   "priority",
    "attempts", "max_attempts", "run_at",     "created_at", "position", "payload"};

JobInfo info_of(const sql::Rows& rows, size_t row) {
  auto string = [&](size_t column) { return std::string(rows.cell(row, column).text()); };
  JobInfo info;
  info.id = integer(rows, row, 0);
  info.topic = string(1);
  info.unique_key = string(2);
  info.owner = string(3);
  info.error = string(4);
  const std::string lane = string(5);
  info.state = lane == kRunningLane ? JobState::kRunning
               : lane == kDeadLane  ? JobState::kDead
                                    : JobState::kWaiting;
  info.priority = static_cast<int>(integer(rows, row, 6));
  info.attempts = static_cast<int>(integer(rows, row, 7));
  info.max_attempts = static_cast<int>(integer(rows, row, 8));
  info.run_at_ms = integer(rows, row, 9);
  info.created_ms = integer(rows, row, 10);
  if (info.state == JobState::kRunning) info.lease_until_ms = integer(rows, row, 11);
  if (auto payload = json::parse(rows.cell(row, 12).text(), 256)) {
    info.payload = std::move(*payload);
  }
  return info;
}

sql::Expr state_is(JobState state) {
  switch (state) {
    case JobState::kRunning:
      return in_lane(kRunningLane);
    case JobState::kDead:
      return in_lane(kDeadLane);
    case JobState::kWaiting:
      break;
  }
  return sql::make(sql::In{col("lane"), {text(kRunningLane), text(kDeadLane)}, true});
}

Error job_not_found() {
  return Error(Code::kNotFound, "JOB_NOT_FOUND", "There is no such job, or it has ended.");
}

}  // namespace

Error job_lost() {
  return Error(Code::kUnavailable, "JOB_LOST",
               "The claim on this job has ended; another worker has it or will.");
}

Status check_job(const NewJob& job) {
  if (job.topic.empty() || job.topic.size() > kLongestTopic || job.topic.front() == '~') {
    return fail(Error(Code::kInvalidArgument, "INVALID_JOB",
                      "A job's topic has 1 to 128 bytes and does not begin with \"~\".")
                    .with_field("topic"));
  }
  if (job.unique_key.size() > kLongestKey) {
    return fail(
        Error(Code::kInvalidArgument, "INVALID_JOB", "A job's unique key has at most 255 bytes.")
            .with_field("uniqueKey"));
  }
  return {};
}

sql::TableSpec JobStore::spec(const schema::Settings& settings) {
  using sql::Type;
  sql::TableSpec table = table_spec(settings, "jobs");
  sql::ColumnSpec id = not_null("id", Type::kInt64);
  id.primary_key = id.auto_increment = true;
  table.columns = {id,
                   not_null("topic", Type::kText, kLongestTopic),
                   not_null("lane", Type::kText, kLongestTopic),
                   not_null("position", Type::kInt64),
                   not_null("priority", Type::kInt32),
                   not_null("run_at", Type::kInt64),
                   not_null("created_at", Type::kInt64),
                   nullable("unique_key", Type::kText, kLongestKey),
                   counter("grave"),
                   counter("attempts", Type::kInt32),
                   not_null("max_attempts", Type::kInt32),
                   counter("lease_length"),
                   counter("token"),
                   nullable("owner", Type::kText, 36),
                   nullable("error", Type::kText),
                   not_null("payload", Type::kText)};
  table.indexes = {{"", {"lane", "position", "id"}, false},
                   {"", {"topic", "unique_key", "grave"}, true}};
  return table;
}

JobStore::JobStore(sql::Database& db, const schema::Settings& settings)
    : db_(db), table_(sql::table(table_name(settings, "jobs"), "", settings.db_schema)) {}

// --- in ---

sql::Insert JobStore::insert_of(std::span<const NewJob> jobs, int64_t about_now) const {
  sql::Insert insert;
  insert.table = table_;
  insert.columns = {"topic",      "lane",       "position", "priority",    "run_at",
                    "created_at", "unique_key", "payload",  "max_attempts"};
  for (const NewJob& job : jobs) {
    // A time that has come already waits for the next promotion: no clock but the database's tells.
    const bool delayed = job.run_at_ms > 0 || job.delay.count() > 0;
    sql::Expr run_at = job.run_at_ms > 0 ? number(job.run_at_ms)
                       : delayed         ? plus(now_ms(), number(job.delay.count()))
                                         : number(about_now);
    insert.rows.push_back({text(job.topic), text(delayed ? kDelayedLane : job.topic),
                           delayed ? run_at : number(-int64_t{job.priority}), number(job.priority),
                           run_at, number(about_now),
                           job.unique_key.empty() ? sql::param(Value(sql::Null{}, sql::Type::kText))
                                                  : text(job.unique_key),
                           text(json::dump(job.payload)), number(std::max(1, job.max_attempts))});
  }
  return insert;
}

Task<Result<int64_t>> JobStore::insert_keyed(sql::Executor& db, const Context& ctx,
                                             const NewJob& job, int64_t about_now) const {
  sql::Insert insert = insert_of({&job, 1}, about_now);
  // An upsert that changes nothing: it waits for whoever is about to end or make that job.
  insert.conflict_columns = {"topic", "unique_key", "grave"};
  insert.on_conflict_set = {{"unique_key", sql::column("excluded", "unique_key")}};
  insert.returning = {"id"};
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(insert, db.dialect())));
  if (!rows.empty()) co_return integer(rows, 0, 0);
  sql::Select select;
  select.columns = {{col("id"), "id"}};
  select.from = table_;
  select.where =
      sql::all_of({equals("topic", text(job.topic)), equals("unique_key", text(job.unique_key)),
                   equals("grave", number(0))});
  select.for_update = true;
  CO_TRY(sql::Rows found, co_await db.run(ctx, render(select, db.dialect())));
  if (found.empty()) co_return fail(Code::kInternal, "INTERNAL", "The job is not there.");
  co_return integer(found, 0, 0);
}

Task<Result<std::vector<int64_t>>> JobStore::insert(sql::Executor& db, const Context& ctx,
                                                    const std::vector<NewJob>& jobs,
                                                    int64_t about_now) const {
  std::vector<int64_t> ids(jobs.size());
  std::vector<size_t> keyed, plain;
  for (size_t i = 0; i < jobs.size(); ++i)
    (jobs[i].unique_key.empty() ? plain : keyed).push_back(i);
  // In one order everywhere, so that two transactions do not wait for each other.
  std::ranges::sort(keyed, {},
                    [&](size_t i) { return std::tie(jobs[i].topic, jobs[i].unique_key); });
  for (size_t i : keyed) {
    CO_TRY(ids[i], co_await insert_keyed(db, ctx, jobs[i], about_now));
  }
  for (size_t from = 0; from < plain.size(); from += kJobsAtOnce) {
    std::vector<NewJob> some;
    const size_t end = std::min(plain.size(), from + kJobsAtOnce);
    for (size_t i = from; i < end; ++i) some.push_back(jobs[plain[i]]);
    sql::Insert insert = insert_of(some, about_now);
    insert.returning = {"id"};
    CO_TRY(sql::Rows rows, co_await db.run(ctx, render(insert, db.dialect())));
    std::vector<int64_t> made;
    for (size_t r = 0; r < rows.size(); ++r) made.push_back(integer(rows, r, 0));
    if (made.empty()) {  // MySQL tells the first of the statement's consecutive ids
      for (size_t i = 0; i < some.size(); ++i) {
        made.push_back(rows.last_insert_id + static_cast<int64_t>(i));
      }
    }
    std::ranges::sort(made);  // the counter goes up in the order of the rows
    for (size_t i = from; i < end; ++i) ids[plain[i]] = made[i - from];
  }
  co_return ids;
}

Task<Status> JobStore::insert_new(sql::Executor& db, const Context& ctx,
                                  const std::vector<NewJob>& jobs, int64_t about_now) const {
  const std::span<const NewJob> all(jobs);
  for (size_t from = 0; from < all.size(); from += kJobsAtOnce) {
    sql::Insert insert =
        insert_of(all.subspan(from, std::min(kJobsAtOnce, all.size() - from)), about_now);
    insert.ignore_conflicts = true;
    CO_TRY_STATUS(co_await db.run(ctx, render(insert, db.dialect())));
  }
  co_return Status{};
}

// --- work ---

Task<Result<Probe>> JobStore::probe(const Context& ctx, const std::vector<std::string>& topics,
                                    sql::Expr schedule_ms) const {
  auto earliest = [&](const char* lane) {
    auto select = std::make_shared<sql::Select>();
    select->columns = {{sql::call(sql::Fn::kMin, {col("position")}), "at"}};
    select->from = table_;
    select->where = in_lane(lane);
    return sql::make(sql::ScalarSelect{std::move(select)});
  };
  sql::Select query;
  query.columns = {{now_ms(), "now"},
                   {earliest(kDelayedLane), "delayed"},
                   {earliest(kRunningLane), "lease"},
                   {std::move(schedule_ms), "schedule"}};
  for (size_t i = 0; i < topics.size(); ++i) {
    auto select = std::make_shared<sql::Select>();
    select->columns = {{sql::literal("1"), ""}};
    select->from = table_;
    select->where = in_lane(topics[i]);
    sql::Expr found = sql::make(sql::Exists{std::move(select), false});
    query.columns.push_back(
        {sql::make(sql::Case{{{std::move(found), sql::literal("1")}}, sql::literal("0")}),
         "t" + std::to_string(i)});
  }
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(query, db_.dialect())));
  if (rows.empty()) co_return fail(Code::kInternal, "INTERNAL", "The database gave no answer.");
  Probe probe;
  probe.now_ms = integer(rows, 0, 0);
  probe.delayed_ms = maybe(rows, 0, 1);
  probe.lease_ms = maybe(rows, 0, 2);
  probe.schedule_ms = maybe(rows, 0, 3);
  for (size_t i = 0; i < topics.size(); ++i) probe.ready.push_back(integer(rows, 0, 4 + i) == 1);
  co_return probe;
}

Task<Result<sql::Rows>> JobStore::change(const Context& ctx, const Change& change) const {
  sql::Select select;
  select.columns = {{col("id"), "id"}};
  select.from = table_;
  select.where = change.where;
  select.order_by = change.order;
  select.limit = change.limit;
  select.for_update = select.skip_locked = true;
  sql::Update update;
  update.table = table_;
  update.set = change.set;
  if (db_.dialect().has_update_returning()) {
    // In a common table expression, so that the rows are looked for once, whatever the plan.
    auto chosen = std::make_shared<sql::Select>();
    chosen->with.push_back(
        {"chosen", {}, std::make_shared<sql::Select>(std::move(select)), nullptr});
    chosen->columns = {{sql::column("chosen", "id"), ""}};
    chosen->from = sql::table("chosen", "");
    update.where = sql::make(sql::InSelect{{col("id")}, std::move(chosen), false});
    update.returning = change.columns;
    co_return co_await db_.run(ctx, render(update, db_.dialect()));
  }
  select.columns.clear();
  for (const std::string& name : change.columns) select.columns.push_back({col(name), name});
  auto body = [&](sql::Transaction& tx) -> Task<Result<sql::Rows>> {
    CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
    if (rows.empty()) co_return rows;
    std::vector<int64_t> ids;
    for (size_t r = 0; r < rows.size(); ++r) ids.push_back(integer(rows, r, 0));
    sql::Update these = update;
    these.where = among("id", ids);
    CO_TRY_STATUS(co_await tx.run(ctx, render(these, tx.dialect())));
    co_return rows;
  };
  co_return co_await sql::transact<sql::Rows>(db_, ctx, body);
}

Task<Result<std::vector<ClaimedJob>>> JobStore::claim(const Context& ctx,
                                                      const Claim& claim) const {
  Change change;
  change.where = sql::and_also(in_lane(claim.topic), claim.fence);
  change.order = {{col("position"), false, sql::Nulls::kDefault},
                  {col("id"), false, sql::Nulls::kDefault}};
  change.limit = static_cast<int64_t>(claim.limit);
  change.set = {{"lane", text(kRunningLane)},
                {"position", plus(now_ms(), number(claim.lease.count()))},
                {"lease_length", number(claim.lease.count())},
                {"token", number(claim.token)},
                {"owner", text(claim.owner)},
                {"attempts", plus(col("attempts"), sql::literal("1"))}};
  change.columns = {"id", "payload", "priority", "attempts", "max_attempts"};
  CO_TRY(sql::Rows rows, co_await this->change(ctx, change));
  const int uncounted = db_.dialect().has_update_returning() ? 0 : 1;
  std::vector<ClaimedJob> jobs;
  jobs.reserve(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    ClaimedJob& job = jobs.emplace_back();
    job.id = integer(rows, r, 0);
    job.payload = rows.cell(r, 1).text();
    job.priority = static_cast<int>(integer(rows, r, 2));
    job.attempt = static_cast<int>(integer(rows, r, 3)) + uncounted;
    job.max_attempts = static_cast<int>(integer(rows, r, 4));
  }
  // RETURNING has an order of its own.
  std::ranges::sort(jobs, [](const ClaimedJob& a, const ClaimedJob& b) {
    return a.priority != b.priority ? a.priority > b.priority : a.id < b.id;
  });
  co_return jobs;
}

Task<Result<size_t>> JobStore::promote_due(const Context& ctx) const {
  Change change;
  change.where = sql::all_of({in_lane(kDelayedLane), is_due()});
  change.order = {{col("position"), false, sql::Nulls::kDefault},
                  {col("id"), false, sql::Nulls::kDefault}};
  change.limit = kJobsAtOnce;
  change.set = {{"lane", col("topic")}, {"position", ready_position()}};
  change.columns = {"id"};
  CO_TRY(sql::Rows rows, co_await this->change(ctx, change));
  co_return rows.size();
}

Task<Result<size_t>> JobStore::take_over(const Context& ctx) const {
  auto when_spent = [](sql::Expr spent, sql::Expr otherwise) {
    sql::Expr is_spent = sql::binary(sql::BinaryOp::kGe, col("attempts"), col("max_attempts"));
    return sql::make(sql::Case{{{std::move(is_spent), std::move(spent)}}, std::move(otherwise)});
  };
  Change change;
  change.where = sql::all_of({in_lane(kRunningLane), is_due()});
  change.order = {{col("position"), false, sql::Nulls::kDefault},
                  {col("id"), false, sql::Nulls::kDefault}};
  change.limit = kJobsAtOnce;
  // `lane` last: MySQL sees earlier assignments in later ones.
  change.set = {
      {"error", text("The worker died or lost touch with the database.")},
      {"token", number(0)},
      {"grave", when_spent(col("id"), sql::literal("0"))},
      {"position", when_spent(now_ms(), ready_position())},
      {"lane", when_spent(sql::literal("'" + std::string(kDeadLane) + "'"), col("topic"))}};
  change.columns = {"id"};
  CO_TRY(sql::Rows rows, co_await this->change(ctx, change));
  co_return rows.size();
}

Task<Result<std::vector<int64_t>>> JobStore::renew(const Context& ctx, const std::string& owner,
                                                   std::span<const int64_t> ids) const {
  Change change;
  change.where =
      sql::all_of({among("id", ids), equals("owner", text(owner)), in_lane(kRunningLane)});
  change.set = {{"position", plus(now_ms(), col("lease_length"))}};
  change.columns = {"id"};
  CO_TRY(sql::Rows rows, co_await this->change(ctx, change));
  std::vector<int64_t> renewed;
  for (size_t r = 0; r < rows.size(); ++r) renewed.push_back(integer(rows, r, 0));
  co_return renewed;
}

// --- out ---

namespace {

// (token = a AND id IN (...)) OR ...; endings of one claim stand together.
sql::Expr claimed_as(std::span<const JobEnding> endings) {
  std::map<int64_t, std::vector<int64_t>> by_token;
  for (const JobEnding& ending : endings) by_token[ending.token].push_back(ending.id);
  std::vector<sql::Expr> any;
  for (const auto& [token, ids] : by_token) {
    any.push_back(sql::all_of({among("id", ids), equals("token", number(token))}));
  }
  return sql::all_of({in_lane(kRunningLane), sql::any_of(std::move(any))});
}

}  // namespace

Task<Result<int64_t>> JobStore::remove_ended(sql::Executor& db, const Context& ctx,
                                             std::span<const JobEnding> endings) const {
  sql::Delete remove;
  remove.table = table_;
  remove.where = claimed_as(endings);
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(remove, db.dialect())));
  co_return rows.affected;
}

Task<Result<int64_t>> JobStore::fail_job(const Context& ctx, const JobFailure& failure) const {
  sql::Expr at = now_ms();
  if (!failure.dead) at = plus(std::move(at), number(failure.pause.count()));
  sql::Update update;
  update.table = table_;
  update.where = claimed_as({&failure.claim, 1});
  update.set = {{"error", text(cut(failure.error))},
                {"token", number(0)},
                {"position", at},
                {"lane", text(failure.dead ? kDeadLane : kDelayedLane)}};
  if (failure.dead) update.set.push_back({"grave", col("id")});
  if (!failure.dead) update.set.push_back({"run_at", std::move(at)});
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(update, db_.dialect())));
  co_return rows.affected;
}

Task<Status> JobStore::give_back(const Context& ctx, std::span<const JobEnding> claims,
                                 bool was_started) const {
  for (size_t from = 0; from < claims.size(); from += kJobsAtOnce) {
    sql::Update update;
    update.table = table_;
    update.where = claimed_as(claims.subspan(from, std::min(kJobsAtOnce, claims.size() - from)));
    update.set = {{"token", number(0)}, {"position", ready_position()}, {"lane", col("topic")}};
    if (!was_started) update.set.push_back({"attempts", minus(col("attempts"), sql::literal("1"))});
    CO_TRY_STATUS(co_await db_.run(ctx, render(update, db_.dialect())));
  }
  co_return Status{};
}

Task<Result<bool>> JobStore::exists(const Context& ctx, int64_t id) const {
  sql::Select select;
  select.columns = {{col("id"), "id"}};
  select.from = table_;
  select.where = equals("id", number(id));
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(select, db_.dialect())));
  co_return !rows.empty();
}

// --- for people ---

Task<Result<std::vector<JobInfo>>> JobStore::list(const Context& ctx,
                                                  const JobFilter& filter) const {
  sql::Select select;
  for (const std::string& name : kInfoColumns) select.columns.push_back({col(name), name});
  select.from = table_;
  std::vector<sql::Expr> all{sql::binary(sql::BinaryOp::kGt, col("id"), number(filter.after_id))};
  if (!filter.topic.empty()) all.push_back(equals("topic", text(filter.topic)));
  if (filter.state) all.push_back(state_is(*filter.state));
  select.where = sql::all_of(std::move(all));
  select.order_by = {{col("id"), false, sql::Nulls::kDefault}};
  select.limit = static_cast<int64_t>(filter.limit);
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(select, db_.dialect())));
  std::vector<JobInfo> jobs;
  for (size_t r = 0; r < rows.size(); ++r) jobs.push_back(info_of(rows, r));
  co_return jobs;
}

Task<Result<std::map<std::string, TopicStats>>> JobStore::stats(const Context& ctx) const {
  sql::Select select;
  select.columns = {{col("topic"), "topic"},
                    {col("lane"), "lane"},
                    {sql::call(sql::Fn::kCount), "jobs"},
                    {sql::call(sql::Fn::kMin, {col("run_at")}), "oldest"},
                    {sql::call(sql::Fn::kMax, {now_ms()}), "now"}};
  select.from = table_;
  select.group_by = {col("topic"), col("lane")};
  sql::Statement statement = render(select, db_.dialect());
  statement.is_slow = true;  // reads the whole queue
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, std::move(statement)));
  std::map<std::string, TopicStats> topics;
  for (size_t r = 0; r < rows.size(); ++r) {
    TopicStats& topic = topics[std::string(rows.cell(r, 0).text())];
    const std::string_view lane = rows.cell(r, 1).text();
    const int64_t jobs = integer(rows, r, 2);
    if (lane == kRunningLane) {
      topic.running += jobs;
    } else if (lane == kDeadLane) {
      topic.dead += jobs;
    } else {
      topic.waiting += jobs;
      const int64_t age = integer(rows, r, 4) - integer(rows, r, 3);
      topic.oldest_ms = std::max(topic.oldest_ms, age);
    }
  }
  co_return topics;
}

Task<Result<std::string>> JobStore::retry(const Context& ctx, int64_t id) const {
  const sql::Expr is_that = sql::all_of({equals("id", number(id)), in_lane(kDeadLane)});
  sql::Select select;
  select.columns = {{col("topic"), "topic"}};
  select.from = table_;
  select.where = is_that;
  CO_TRY(sql::Rows found, co_await db_.run(ctx, render(select, db_.dialect())));
  if (found.empty()) co_return fail(job_not_found());
  sql::Update update;
  update.table = table_;
  update.set = {{"attempts", number(0)},
                {"grave", number(0)},
                {"run_at", now_ms()},
                {"position", ready_position()},
                {"lane", col("topic")}};
  update.where = is_that;
  auto rows = co_await db_.run(ctx, render(update, db_.dialect()));
  if (!rows && rows.error().id == "UNIQUE_VIOLATION") {
    co_return fail(Code::kConflict, "JOB_EXISTS",
                   "Another job with the same unique key waits or runs.");
  }
  if (!rows) co_return fail(std::move(rows).error());
  if (rows->affected == 0) co_return fail(job_not_found());
  co_return std::string(found.cell(0, 0).text());
}

Task<Status> JobStore::remove(const Context& ctx, int64_t id) const {
  sql::Delete remove;
  remove.table = table_;
  remove.where = equals("id", number(id));
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(remove, db_.dialect())));
  if (rows.affected == 0) co_return fail(job_not_found());
  co_return Status{};
}

}  // namespace halcyon::cluster
