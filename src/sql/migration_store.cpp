#include "sql/migration_store.h"

#include "base/text.h"

namespace halcyon::sql {

namespace {

constexpr int kShort = 16, kName = 128, kCursor = 255;

Expr number(int64_t value) { return param(Value(value)); }
Expr text(std::string value) { return param(Value(std::move(value))); }
Expr field(std::string name) { return column("", std::move(name)); }
Expr plus(Expr a, Expr b) { return binary(BinaryOp::kAdd, std::move(a), std::move(b)); }
Expr now() { return call(Fn::kEpochMillis, {call(Fn::kNow)}); }

ColumnSpec spec_of(std::string name, Type type, int length = 0) {
  ColumnSpec spec;
  spec.name = std::move(name);
  spec.type.type = type;
  spec.type.length = length;
  return spec;
}

std::string shortened(std::string value, size_t bytes) {
  if (value.size() <= bytes) return value;
  while (bytes > 0 && (static_cast<unsigned char>(value[bytes]) & 0xC0) == 0x80) --bytes;
  value.resize(bytes);
  return value;
}

MigrationState state_of(std::string_view name) {
  for (auto state : {MigrationState::kAnnounced, MigrationState::kRunning}) {
    if (to_text(state) == name) return state;
  }
  return MigrationState::kApplied;
}

std::unexpected<Error> lock_lost() {
  return fail(Code::kUnavailable, "MIGRATION_LOCK_LOST",
              "Another process has taken over the migrations.");
}

}  // namespace

std::string_view to_text(MigrationPhase phase) {
  return phase == MigrationPhase::kExpand ? "expand" : "contract";
}

std::string_view to_text(MigrationState state) {
  switch (state) {
    case MigrationState::kPending:
      return "pending";
    case MigrationState::kAnnounced:
      return "announced";
    case MigrationState::kRunning:
      return "running";
    case MigrationState::kApplied:
      return "applied";
  }
  return "";
}

MigrationStore::MigrationStore(const MigrationOptions& options, std::string owner)
    : prefix_(options.table_prefix),
      schema_(options.schema),
      version_(options.version),
      host_(options.host),
      owner_(std::move(owner)),
      ttl_ms_(options.lock_ttl.count()) {}

TableRef MigrationStore::records() const {
  return table(prefix_ + "halcyon_migrations", "m", schema_);
}
TableRef MigrationStore::lock() const {
  return table(prefix_ + "halcyon_migration_lock", "l", schema_);
}

Task<Result<bool>> MigrationStore::has_tables(Executor& db, const Context& ctx) const {
  for (const TableRef& wanted : {records(), lock()}) {
    CO_TRY(auto there, co_await describe_table(db, ctx, schema_, wanted.name));
    if (!there) co_return false;
  }
  co_return true;
}

Task<Status> MigrationStore::create(Executor& db, const Context& ctx, const TableSpec& spec) const {
  CO_TRY(auto there, co_await describe_table(db, ctx, spec.schema, spec.name));
  if (there) co_return Status{};
  for (std::string& statement_text : create_table(spec, db.dialect())) {
    Statement statement;
    statement.text = std::move(statement_text);
    statement.is_write = true;
    statement.is_slow = true;
    auto done = co_await db.run(ctx, std::move(statement));
    if (done) continue;
    // Another process may have been faster (PostgreSQL reports that in several ways).
    CO_TRY(there, co_await describe_table(db, ctx, spec.schema, spec.name));
    if (!there) co_return std::unexpected(std::move(done).error());
  }
  co_return Status{};
}

Task<Status> MigrationStore::create_tables(Executor& db, const Context& ctx) const {
  TableSpec list;
  list.schema = schema_;
  list.name = records().name;
  list.if_not_exists = true;
  list.columns = {spec_of("number", Type::kInt32),         spec_of("name", Type::kText, kName),
                  spec_of("phase", Type::kText, kShort),   spec_of("state", Type::kText, kShort),
                  spec_of("cursor", Type::kText, kCursor), spec_of("done", Type::kInt64),
                  spec_of("total", Type::kInt64),          spec_of("applied_at_ms", Type::kInt64),
                  spec_of("version", Type::kText, kName)};
  list.primary_key = {"number"};
  CO_TRY_STATUS(co_await create(db, ctx, list));
  TableSpec one;
  one.schema = schema_;
  one.name = lock().name;
  one.if_not_exists = true;
  one.columns = {spec_of("id", Type::kInt32),           spec_of("owner", Type::kText, kName),
                 spec_of("host", Type::kText, kCursor), spec_of("token", Type::kInt64),
                 spec_of("until_ms", Type::kInt64),     spec_of("renewals", Type::kInt64),
                 spec_of("note", Type::kText, kCursor)};
  one.primary_key = {"id"};
  CO_TRY_STATUS(co_await create(db, ctx, one));
  Insert first;
  first.table = lock();
  first.columns = {"id", "token", "until_ms", "renewals"};
  first.rows = {{number(1), number(0), number(0), number(0)}};
  first.ignore_conflicts = true;
  CO_TRY(Rows rows, co_await db.run(ctx, render(first, db.dialect())));
  co_return Status{};
}

Task<Result<MigrationStore::Records>> MigrationStore::read(Executor& db, const Context& ctx) const {
  Select select;
  select.from = records();
  for (const char* name :
       {"number", "name", "phase", "state", "done", "total", "applied_at_ms", "version"}) {
    select.columns.push_back({column("m", name), name});
  }
  CO_TRY(Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  Records found;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto count = [&](size_t at) { return to_int64(rows.cell(i, at).text()).value_or(0); };
    MigrationInfo info;
    info.number = static_cast<int>(count(0));
    info.name = std::string(rows.cell(i, 1).text());
    info.phase = rows.cell(i, 2).text() == to_text(MigrationPhase::kContract)
                     ? MigrationPhase::kContract
                     : MigrationPhase::kExpand;
    info.state = state_of(rows.cell(i, 3).text());
    info.done = count(4);
    info.total = count(5);
    info.applied_at_ms = count(6);
    info.version = std::string(rows.cell(i, 7).text());
    info.known = false;
    found.emplace(info.number, std::move(info));
  }
  co_return found;
}

Task<Status> MigrationStore::resume(const Context& ctx, int number_of, MigrationStep& step) const {
  Select select;
  select.from = records();
  for (const char* name : {"cursor", "done", "total"}) {
    select.columns.push_back({column("m", name), name});
  }
  select.where = eq(column("m", "number"), number(number_of));
  CO_TRY(Rows rows, co_await step.db.run(ctx, render(select, step.db.dialect())));
  if (rows.empty()) co_return Status{};
  step.cursor = std::string(rows.cell(0, 0).text());
  step.done = to_int64(rows.cell(0, 1).text()).value_or(0);
  step.total = to_int64(rows.cell(0, 2).text()).value_or(0);
  co_return Status{};
}

Task<Status> MigrationStore::write(Executor& db, const Context& ctx, const Migration& migration,
                                   MigrationState state, const MigrationStep& step) const {
  const bool applied = state == MigrationState::kApplied;
  Insert insert;
  insert.table = records();
  insert.columns = {"number", "name",  "phase",         "state",  "cursor",
                    "done",   "total", "applied_at_ms", "version"};
  insert.rows = {{number(migration.number), text(shortened(migration.name, kName)),
                  text(std::string(to_text(migration.phase))), text(std::string(to_text(state))),
                  text(step.cursor), number(step.done), number(step.total),
                  applied ? now() : param(Value(Null{}, Type::kInt64)),
                  text(shortened(version_, kName))}};
  insert.conflict_columns = {"number"};
  for (const char* name : {"state", "cursor", "done", "total", "applied_at_ms", "version"}) {
    insert.on_conflict_set.push_back({name, column("excluded", name)});
  }
  CO_TRY(Rows rows, co_await db.run(ctx, render(insert, db.dialect())));
  co_return Status{};
}

Task<Status> MigrationStore::remove(Executor& db, const Context& ctx, int number_of) const {
  Delete query;
  query.table = records();
  query.where = eq(field("number"), number(number_of));
  CO_TRY(Rows rows, co_await db.run(ctx, render(query, db.dialect())));
  co_return Status{};
}

Task<Result<std::optional<int64_t>>> MigrationStore::take(Executor& db, const Context& ctx) const {
  Update update;
  update.table = lock();
  update.set = {{"owner", text(owner_)},
                {"host", text(shortened(host_, kCursor))},
                {"note", text("")},
                {"token", plus(field("token"), number(1))},
                {"until_ms", plus(now(), number(ttl_ms_))}};
  update.where =
      all_of({eq(field("id"), number(1)),
              any_of({is_null(field("owner")), binary(BinaryOp::kLt, field("until_ms"), now())})});
  CO_TRY(Rows taken, co_await db.run(ctx, render(update, db.dialect())));
  if (taken.affected == 0) co_return std::nullopt;
  Select select;
  select.from = lock();
  select.columns = {{column("l", "token"), "token"}};
  select.where = eq(column("l", "owner"), text(owner_));
  CO_TRY(Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  if (rows.empty()) co_return std::nullopt;
  co_return to_int64(rows.cell(0, 0).text());
}

Task<Status> MigrationStore::renew(Executor& db, const Context& ctx, int64_t token) const {
  Update update;
  update.table = lock();
  // `renewals` changes on every call, so that MySQL counts the row as affected.
  update.set = {{"until_ms", plus(now(), number(ttl_ms_))},
                {"renewals", plus(field("renewals"), number(1))}};
  update.where = all_of({eq(field("owner"), text(owner_)), eq(field("token"), number(token))});
  CO_TRY(Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  if (rows.affected == 0) co_return lock_lost();
  co_return Status{};
}

Task<Status> MigrationStore::check(Executor& db, const Context& ctx, int64_t token) const {
  Select select;
  select.from = lock();
  select.columns = {{column("l", "token"), "token"}};
  select.where =
      all_of({eq(column("l", "owner"), text(owner_)), eq(column("l", "token"), number(token)),
              negate(binary(BinaryOp::kLt, column("l", "until_ms"), now()))});
  CO_TRY(Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  if (rows.empty()) co_return lock_lost();
  co_return Status{};
}

Task<Status> MigrationStore::note(Executor& db, const Context& ctx, int64_t token,
                                  std::string value) const {
  Update update;
  update.table = lock();
  update.set = {{"note", text(shortened(std::move(value), kCursor))}};
  update.where = all_of({eq(field("owner"), text(owner_)), eq(field("token"), number(token))});
  CO_TRY(Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Status> MigrationStore::release(Executor& db, const Context& ctx, int64_t token) const {
  Update update;
  update.table = lock();
  update.set = {{"owner", param(Value(Null{}, Type::kText))}, {"note", text("")}};
  update.where = all_of({eq(field("owner"), text(owner_)), eq(field("token"), number(token))});
  CO_TRY(Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Result<LockHolder>> MigrationStore::holder(Executor& db, const Context& ctx) const {
  Select select;
  select.from = lock();
  select.columns = {{column("l", "host"), "host"}, {column("l", "note"), "note"}};
  select.where = is_not_null(column("l", "owner"));
  CO_TRY(Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  LockHolder found;
  if (!rows.empty()) {
    found.host = std::string(rows.cell(0, 0).text());
    found.note = std::string(rows.cell(0, 1).text());
  }
  co_return found;
}

}  // namespace halcyon::sql
