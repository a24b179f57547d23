#include "cluster/tables.h"

#include <algorithm>

#include "base/snowflake.h"
#include "base/text.h"
#include "cluster/build.h"
#include "cluster/idempotency_store.h"
#include "cluster/interests_impl.h"
#include "cluster/jobs_internal.h"

namespace halcyon::cluster {

using sql::Type;

std::string table_name(const schema::Settings& settings, std::string_view name) {
  return settings.table_prefix + "halcyon_" + std::string(name);
}

sql::TableSpec table_spec(const schema::Settings& settings, std::string_view name) {
  sql::TableSpec spec;
  spec.schema = settings.db_schema;
  spec.name = table_name(settings, name);
  spec.if_not_exists = true;
  return spec;
}

sql::ColumnSpec nullable(std::string name, Type type, int length) {
  sql::ColumnSpec spec;
  spec.name = std::move(name);
  spec.type.type = type;
  spec.type.length = length;
  const bool text = type == Type::kText && length == 0;
  if (text || type == Type::kBytes) spec.type.text_size = "long";
  return spec;
}

sql::ColumnSpec not_null(std::string name, Type type, int length) {
  sql::ColumnSpec spec = nullable(std::move(name), type, length);
  spec.nullable = false;
  return spec;
}

sql::Expr now_ms() { return sql::call(sql::Fn::kEpochMillis, {sql::call(sql::Fn::kNow)}); }
int64_t to_number(sql::Cell cell) { return to_int64(cell.text()).value_or(0); }
bool to_flag(sql::Cell cell) { return cell.text() == "true" || cell.text() == "1"; }

std::vector<sql::TableSpec> core_tables(const schema::Settings& settings) {
  sql::TableSpec members = table_spec(settings, "members");
  members.columns = {not_null("id", Type::kText, 36),
                     not_null("host", Type::kText, 255),
                     not_null("pid", Type::kInt64),
                     not_null("process", Type::kText, 191),
                     not_null("version", Type::kText, 64),
                     not_null("worker_mode", Type::kText, 255),
                     not_null("schema_version", Type::kInt64),
                     not_null("state", Type::kText, 16),
                     not_null("drain_requested", Type::kBoolean),
                     not_null("listening", Type::kBoolean),
                     not_null("started_ms", Type::kInt64),
                     not_null("lease_until_ms", Type::kInt64),
                     not_null("bus_position", Type::kInt64)};
  members.primary_key = {"id"};

  sql::TableSpec messages = table_spec(settings, "messages");
  sql::ColumnSpec id = not_null("id", Type::kInt64);
  id.auto_increment = id.primary_key = true;
  messages.columns = {id,
                      nullable("seq", Type::kInt64),
                      not_null("topic", Type::kText, 191),
                      not_null("payload", Type::kText),
                      not_null("sender", Type::kText, 36),
                      not_null("confirmed", Type::kBoolean),
                      not_null("created_ms", Type::kInt64)};
  messages.indexes = {{"", {"seq"}, false}, {"", {"topic", "seq"}, false}};

  sql::TableSpec counter = table_spec(settings, "counter");
  counter.columns = {not_null("id", Type::kInt64), not_null("seq", Type::kInt64)};
  counter.primary_key = {"id"};

  sql::TableSpec workers = table_spec(settings, "worker_ids");
  workers.columns = {not_null("worker", Type::kInt64), nullable("owner", Type::kText, 36),
                     not_null("reserved_until", Type::kInt64)};
  workers.primary_key = {"worker"};
  workers.indexes = {{"", {"owner"}, false}};

  sql::TableSpec locks = table_spec(settings, "locks");
  locks.columns = {not_null("name", Type::kText, 191), nullable("owner", Type::kText, 36),
                   not_null("token", Type::kInt64), not_null("taken_ms", Type::kInt64)};
  locks.primary_key = {"name"};

  sql::TableSpec facts = table_spec(settings, "facts");
  facts.columns = {not_null("name", Type::kText, 64), not_null("value", Type::kText, 255)};
  facts.primary_key = {"name"};
  return {members, messages, counter, workers, locks, facts};
}

sql::TableRef Tables::operator[](std::string_view name) const {
  return sql::table(table_name(settings_, name), "t", settings_.db_schema);
}

std::vector<sql::TableSpec> Tables::specs() const {
  std::vector<sql::TableSpec> all = core_tables(settings_);
  for (auto& spec : idempotency_tables(settings_)) all.push_back(std::move(spec));
  for (auto& spec : job_tables(settings_)) all.push_back(std::move(spec));
  for (auto& spec : interest_tables(settings_)) all.push_back(std::move(spec));
  return all;
}

// The row of the counter, and one for each worker id.
static Task<Status> insert_rows(sql::Database& db, const Context& ctx, const Tables& tables) {
  sql::Insert counter;
  counter.table = tables["counter"];
  counter.columns = {"id", "seq"};
  counter.rows = {{number(1), number(0)}};
  counter.ignore_conflicts = true;
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(counter, db.dialect())));
  constexpr int64_t kAtATime = 256;
  for (int64_t first = 0; first < Snowflake::kWorkers; first += kAtATime) {
    sql::Insert workers;
    workers.table = tables["worker_ids"];
    workers.columns = {"worker", "reserved_until"};
    for (int64_t i = first; i < first + kAtATime; ++i) {
      workers.rows.push_back({number(i), number(0)});
    }
    workers.ignore_conflicts = true;
    CO_TRY(sql::Rows made, co_await db.run(ctx, render(workers, db.dialect())));
  }
  co_return Status{};
}

Task<Status> Tables::create(sql::Database& db, const Context& ctx) const {
  CO_TRY(auto there, co_await sql::list_tables(db, ctx, settings_.db_schema, false));
  for (const sql::TableSpec& spec : specs()) {
    if (std::ranges::find(there, spec.name) != there.end()) continue;
    CO_TRY_STATUS(co_await sql::ensure_table(db, ctx, spec));
  }
  sql::Select count;
  count.from = (*this)["worker_ids"];
  count.columns = {{sql::call(sql::Fn::kCount), "n"}};
  sql::Select counters;
  counters.from = (*this)["counter"];
  counters.columns = {{sql::column("t", "id"), "id"}};
  CO_TRY(sql::Rows counter, co_await db.run(ctx, render(counters, db.dialect())));
  CO_TRY(sql::Rows workers, co_await db.run(ctx, render(count, db.dialect())));
  if (!counter.empty() && to_number(workers.cell(0, 0)) == Snowflake::kWorkers) co_return Status{};
  co_return co_await insert_rows(db, ctx, *this);
}

}  // namespace halcyon::cluster
