#include "schema/store.h"

#include <algorithm>

#include "base/time.h"
#include "schema/names.h"
#include "sql/ddl.h"

namespace halcyon::schema {

namespace {

constexpr int64_t kLeaseMs = 30'000;

sql::Expr text(std::string value) { return sql::param(sql::Value(std::move(value))); }
sql::Expr number(int64_t value) { return sql::param(sql::Value(value)); }
sql::Expr id_is_one() { return sql::eq(sql::column("", "id"), number(1)); }

sql::ColumnSpec state_column(std::string name, sql::Type type, int length = 0) {
  sql::ColumnSpec spec;
  spec.name = std::move(name);
  spec.type.type = type;
  spec.type.length = length;
  if (type == sql::Type::kText && length == 0) spec.type.text_size = "long";
  return spec;
}

json::Object row_json(const StoredCollection& row) {
  return {{"key", row.key}, {"sort", row.sort}, {"options", row.options}};
}
json::Object row_json(const StoredField& row) {
  return {{"key", row.key},
          {"collection", row.collection},
          {"parentKey", row.parent_key},
          {"reverseKey", row.reverse_key},
          {"sort", row.sort},
          {"options", row.options}};
}

std::string to_text(const StoredModel& model, const std::string& note) {
  json::Array collections, fields;
  for (const auto& row : model.collections) collections.push_back(row_json(row));
  for (const auto& row : model.fields) fields.push_back(row_json(row));
  return json::dump(json::Object{{"collections", collections}, {"fields", fields}, {"note", note}});
}

const json::Object& options_of(const json::Object& row) {
  static const json::Object none;
  const json::Object* options = json::get_object(row, "options");
  return options == nullptr ? none : *options;
}

Result<StoredModel> from_text(std::string_view content, std::string& note) {
  TRY(json::Value value, json::parse(content, 256));
  StoredModel model;
  if (!value.is_object()) return model;
  note = json::get_string(value.get_object(), "note");
  if (const json::Array* rows = json::get_array(value.get_object(), "collections")) {
    for (const auto& item : *rows) {
      const json::Object& row = item.as_object();
      StoredCollection made;
      made.key = json::get_string(row, "key");
      made.sort = json::get_int(row, "sort");
      made.options = options_of(row);
      model.collections.push_back(std::move(made));
    }
  }
  if (const json::Array* rows = json::get_array(value.get_object(), "fields")) {
    for (const auto& item : *rows) {
      const json::Object& row = item.as_object();
      StoredField made;
      made.key = json::get_string(row, "key");
      made.collection = json::get_string(row, "collection");
      made.parent_key = json::get_string(row, "parentKey");
      made.reverse_key = json::get_string(row, "reverseKey");
      made.sort = json::get_int(row, "sort");
      made.options = options_of(row);
      model.fields.push_back(std::move(made));
    }
  }
  return model;
}

// One row of a meta table: field name -> value; `options` holds every key without a column.
using Row = std::vector<std::pair<std::string, sql::Value>>;

sql::Value text_or_null(const json::Object& options, std::string_view key) {
  const json::Value* value = json::find(options, key);
  if (value == nullptr || !value->is_string()) return sql::Value(sql::Null{}, sql::Type::kText);
  return sql::Value(json::as_view(*value));
}

sql::Value rest_of(const json::Object& options, std::initializer_list<std::string_view> columns) {
  json::Object rest = options;
  for (std::string_view column : columns) {
    // A column holds texts and flags only; anything odder stays in `options`.
    const json::Value* value = json::find(options, column);
    if (value != nullptr && (value->is_string() || value->is_bool() || value->is_null())) {
      rest.erase(column);
    }
  }
  return sql::Value(json::dump(rest), sql::Type::kJson);
}

Row columns_of(const StoredCollection& row) {
  const json::Object& options = row.options;
  return {{"key", sql::Value(row.key)},
          {"name", sql::Value(row.name())},
          {"title", text_or_null(options, "title")},
          {"inherit", sql::Value(json::get_bool(options, "inherit"))},
          {"hidden", sql::Value(json::get_bool(options, "hidden"))},
          {"description", text_or_null(options, "description")},
          {"sort", sql::Value(row.sort)},
          {"options", rest_of(options, {"name", "title", "inherit", "hidden", "description"})}};
}

Row columns_of(const StoredField& row) {
  const auto key = [](const std::string& value) {
    return value.empty() ? sql::Value(sql::Null{}, sql::Type::kText) : sql::Value(value);
  };
  const json::Object& options = row.options;
  return {{"key", sql::Value(row.key)},
          {"name", sql::Value(row.name())},
          {"type", text_or_null(options, "type")},
          {"interface", text_or_null(options, "interface")},
          {"description", text_or_null(options, "description")},
          {"collectionName", sql::Value(row.collection)},
          {"parentKey", key(row.parent_key)},
          {"reverseKey", key(row.reverse_key)},
          {"sort", sql::Value(row.sort)},
          {"options", rest_of(options, {"name", "type", "interface", "description"})}};
}

Task<Status> insert_row(sql::Executor& db, const Context& ctx, const Collection& meta, Row row) {
  sql::Insert insert;
  insert.table = meta.table_ref("t");
  std::vector<sql::Expr> values;
  for (auto& [name, value] : row) {
    insert.columns.push_back(meta.find(name)->column);
    values.push_back(sql::param(std::move(value)));
  }
  insert.rows.push_back(std::move(values));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(insert, db.dialect())));
  co_return Status{};
}

Task<Status> update_row(sql::Executor& db, const Context& ctx, const Collection& meta, Row row) {
  sql::Update update;
  update.table = meta.table_ref("t");
  for (auto& [name, value] : row) {
    const std::string& column = meta.find(name)->column;
    if (name == "key") {
      update.where = sql::eq(sql::column("", column), sql::param(std::move(value)));
    } else {
      update.set.push_back({column, sql::param(std::move(value))});
    }
  }
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Status> delete_row(sql::Executor& db, const Context& ctx, const Collection& meta,
                        std::string key) {
  sql::Delete remove;
  remove.table = meta.table_ref("t");
  remove.where = sql::eq(sql::column("", meta.find("key")->column), text(std::move(key)));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(remove, db.dialect())));
  co_return Status{};
}

template <class Stored>
Task<Status> save_rows(sql::Executor& db, const Context& ctx, const Collection& meta,
                       const std::vector<Stored>& before, const std::vector<Stored>& after) {
  StringMap<const Stored*> old;
  for (const Stored& row : before) old.emplace(row.key, &row);
  StringMap<bool> kept;
  for (const Stored& row : after) kept.emplace(row.key, true);
  // Deletes first: a field may be dropped and made anew under its name.
  for (const Stored& row : before) {
    if (!kept.contains(row.key)) CO_TRY_STATUS(co_await delete_row(db, ctx, meta, row.key));
  }
  for (const Stored& row : after) {
    auto it = old.find(row.key);
    if (it == old.end()) {
      CO_TRY_STATUS(co_await insert_row(db, ctx, meta, columns_of(row)));
    } else if (!(*it->second == row)) {
      CO_TRY_STATUS(co_await update_row(db, ctx, meta, columns_of(row)));
    }
  }
  co_return Status{};
}

Task<Result<sql::Rows>> select_all(sql::Executor& db, const Context& ctx, const Collection& meta,
                                   std::vector<std::string> names) {
  sql::Select select;
  select.from = meta.table_ref("t");
  for (const std::string& name : names) {
    select.columns.push_back({sql::column("t", meta.find(name)->column), name});
  }
  select.order_by = {{sql::column("t", meta.find("sort")->column), false, sql::Nulls::kLast},
                     {sql::column("t", meta.find("key")->column), false, sql::Nulls::kLast}};
  co_return co_await db.run(ctx, render(select, db.dialect()));
}

bool is_true(std::string_view cell) { return cell == "true" || cell == "1" || cell == "t"; }

Result<json::Object> read_options(sql::Cell cell) {
  if (cell.is_null()) return json::Object();
  TRY(json::Value value, json::parse(cell.text(), 256));
  return value.is_object() ? std::move(value.get_object()) : json::Object();
}

void put(json::Object& options, std::string_view key, sql::Cell cell) {
  if (!cell.is_null()) options[key] = cell.text();
}

}  // namespace

bool operator==(const StoredCollection& a, const StoredCollection& b) {
  return a.key == b.key && a.sort == b.sort && a.options == b.options;
}
bool operator==(const StoredField& a, const StoredField& b) {
  return a.key == b.key && a.collection == b.collection && a.parent_key == b.parent_key &&
         a.reverse_key == b.reverse_key && a.sort == b.sort && a.options == b.options;
}

Store::Store(Settings settings, std::string owner)
    : settings_(std::move(settings)), owner_(std::move(owner)) {}

sql::TableRef Store::state_table() const {
  return sql::table(settings_.table_prefix + "halcyon_model", "s", settings_.db_schema);
}
sql::TableRef Store::journal_table() const {
  return sql::table(settings_.table_prefix + "halcyon_model_journal", "j", settings_.db_schema);
}

namespace {

// The column is younger than the table.
Task<Status> add_schema_version(sql::Executor& db, const Context& ctx, const sql::TableSpec& spec,
                                const sql::TableInfo& there) {
  const sql::ColumnSpec& wanted = spec.columns.back();
  const auto same = [&](const sql::ColumnSpec& column) { return column.name == wanted.name; };
  if (std::ranges::any_of(there.columns, same)) co_return Status{};
  for (std::string& statement_text : sql::add_column(spec, wanted, db.dialect())) {
    sql::Statement statement;
    statement.text = std::move(statement_text);
    statement.is_write = true;
    statement.is_slow = true;
    auto done = co_await db.run(ctx, std::move(statement));
    if (done) continue;
    CO_TRY(auto now, co_await sql::describe_table(db, ctx, spec.schema, spec.name));
    if (!now || !std::ranges::any_of(now->columns, same)) {
      co_return std::unexpected(std::move(done).error());
    }
  }
  co_return Status{};
}

}  // namespace

Task<Status> Store::create_tables(sql::Executor& db, const Context& ctx) const {
  sql::TableSpec state;
  state.schema = settings_.db_schema;
  state.name = state_table().name;
  state.if_not_exists = true;
  state.columns = {state_column("id", sql::Type::kInt32),
                   state_column("generation", sql::Type::kInt64),
                   state_column("fingerprint", sql::Type::kText, 64),
                   state_column("lock_owner", sql::Type::kText, 64),
                   state_column("lock_until", sql::Type::kInt64),
                   state_column("lock_count", sql::Type::kInt64),
                   state_column("schema_version", sql::Type::kInt32)};
  state.primary_key = {"id"};
  sql::TableSpec journal;
  journal.schema = settings_.db_schema;
  journal.name = journal_table().name;
  journal.if_not_exists = true;
  journal.columns = {
      state_column("id", sql::Type::kInt32), state_column("undoing", sql::Type::kBoolean),
      state_column("done", sql::Type::kInt64), state_column("content", sql::Type::kText)};
  journal.primary_key = {"id"};
  for (const sql::TableSpec* spec : {&state, &journal}) {
    CO_TRY(auto there, co_await sql::describe_table(db, ctx, spec->schema, spec->name));
    if (there && spec == &state) CO_TRY_STATUS(co_await add_schema_version(db, ctx, *spec, *there));
    if (there) continue;
    CO_TRY_STATUS(co_await sql::ensure_table(db, ctx, *spec));
  }
  sql::Insert first;
  first.table = state_table();
  first.columns = {"id", "generation", "fingerprint", "lock_count"};
  first.rows = {{number(1), number(0), text(""), number(0)}};
  first.ignore_conflicts = true;
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(first, db.dialect())));
  co_return Status{};
}

Task<Result<State>> Store::lock(sql::Executor& tx, const Context& ctx) const {
  sql::Update touch;
  touch.table = state_table();
  touch.set = {
      {"lock_count", sql::binary(sql::BinaryOp::kAdd, sql::column("", "lock_count"), number(1))}};
  touch.where = id_is_one();
  CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(touch, tx.dialect())));
  co_return co_await read(tx, ctx);
}

Task<Result<State>> Store::read(sql::Executor& db, const Context& ctx) const {
  sql::Select select;
  select.from = state_table();
  select.columns = {{sql::column("s", "generation"), "generation"},
                    {sql::column("s", "fingerprint"), "fingerprint"},
                    {sql::column("s", "schema_version"), "schema_version"}};
  select.where = sql::eq(sql::column("s", "id"), number(1));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  State state;
  if (!rows.empty()) {
    state.generation = static_cast<uint64_t>(to_int64(rows.cell(0, 0).text()).value_or(0));
    state.fingerprint = std::string(rows.cell(0, 1).text());
    state.schema_version = static_cast<int>(to_int64(rows.cell(0, 2).text()).value_or(0));
  }
  co_return state;
}

Task<Status> Store::write(sql::Executor& db, const Context& ctx, State state) const {
  sql::Update update;
  update.table = state_table();
  update.set = {{"generation", number(static_cast<int64_t>(state.generation))},
                {"fingerprint", text(state.fingerprint)},
                {"schema_version", number(state.schema_version)}};
  update.where = id_is_one();
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Result<bool>> Store::take_lease(sql::Executor& db, const Context& ctx) const {
  sql::Select clock;
  clock.from = state_table();
  clock.columns = {{sql::call(sql::Fn::kNow), "now"}};
  clock.where = sql::eq(sql::column("s", "id"), number(1));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(clock, db.dialect())));
  if (rows.empty()) co_return false;
  CO_TRY(DateValue parsed, parse_date_value(std::string(rows.cell(0, 0).text()) + "Z"));
  const int64_t now = parsed.start;
  sql::Update update;
  update.table = state_table();
  update.set = {
      {"lock_owner", text(owner_)},
      {"lock_until", number(now + kLeaseMs)},
      // Changes on every call, so that MySQL counts the row as affected.
      {"lock_count", sql::binary(sql::BinaryOp::kAdd, sql::column("", "lock_count"), number(1))}};
  update.where = sql::and_also(
      id_is_one(),
      sql::any_of({sql::is_null(sql::column("", "lock_owner")),
                   sql::eq(sql::column("", "lock_owner"), text(owner_)),
                   sql::binary(sql::BinaryOp::kLt, sql::column("", "lock_until"), number(now))}));
  CO_TRY(sql::Rows taken, co_await db.run(ctx, render(update, db.dialect())));
  co_return taken.affected > 0;
}

Task<Status> Store::drop_lease(sql::Executor& db, const Context& ctx) const {
  sql::Update update;
  update.table = state_table();
  update.set = {{"lock_owner", sql::param(sql::Value(sql::Null{}, sql::Type::kText))}};
  update.where = sql::and_also(id_is_one(), sql::eq(sql::column("", "lock_owner"), text(owner_)));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Result<std::optional<Journal>>> Store::read_journal(sql::Executor& db,
                                                         const Context& ctx) const {
  sql::Select select;
  select.from = journal_table();
  for (const char* name : {"undoing", "done", "content"}) {
    select.columns.push_back({sql::column("j", name), name});
  }
  select.where = sql::eq(sql::column("j", "id"), number(1));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  if (rows.empty()) co_return std::nullopt;
  Journal journal;
  journal.undoing = is_true(rows.cell(0, 0).text());
  journal.done = to_int64(rows.cell(0, 1).text()).value_or(0);
  CO_TRY(journal.after, from_text(rows.cell(0, 2).text(), journal.note));
  co_return journal;
}

Task<Status> Store::write_journal(sql::Executor& db, const Context& ctx, Journal journal) const {
  sql::Insert insert;
  insert.table = journal_table();
  insert.columns = {"id", "undoing", "done", "content"};
  insert.rows = {{number(1), sql::param(sql::Value(journal.undoing)), number(journal.done),
                  text(to_text(journal.after, journal.note))}};
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(insert, db.dialect())));
  co_return Status{};
}

Task<Status> Store::progress(sql::Executor& db, const Context& ctx, bool undoing,
                             int64_t done) const {
  sql::Update update;
  update.table = journal_table();
  update.set = {{"undoing", sql::param(sql::Value(undoing))}, {"done", number(done)}};
  update.where = id_is_one();
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Status> Store::clear_journal(sql::Executor& db, const Context& ctx) const {
  sql::Delete remove;
  remove.table = journal_table();
  remove.where = id_is_one();
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(remove, db.dialect())));
  co_return Status{};
}

Task<Result<StoredModel>> Store::load(sql::Executor& db, const Context& ctx, const Snapshot& meta) {
  StoredModel model;
  CO_TRY(sql::Rows rows, co_await select_all(db, ctx, *meta.find("collections"),
                                             {"key", "sort", "options", "name", "title",
                                              "description", "inherit", "hidden"}));
  for (size_t i = 0; i < rows.size(); ++i) {
    StoredCollection row;
    row.key = std::string(rows.cell(i, 0).text());
    row.sort = to_int64(rows.cell(i, 1).text()).value_or(0);
    CO_TRY(row.options, read_options(rows.cell(i, 2)));
    put(row.options, "name", rows.cell(i, 3));
    put(row.options, "title", rows.cell(i, 4));
    put(row.options, "description", rows.cell(i, 5));
    if (is_true(rows.cell(i, 6).text())) row.options["inherit"] = true;
    if (is_true(rows.cell(i, 7).text())) row.options["hidden"] = true;
    model.collections.push_back(std::move(row));
  }
  CO_TRY(sql::Rows fields,
         co_await select_all(db, ctx, *meta.find("fields"),
                             {"key", "sort", "options", "name", "type", "interface", "description",
                              "collectionName", "parentKey", "reverseKey"}));
  for (size_t i = 0; i < fields.size(); ++i) {
    StoredField row;
    row.key = std::string(fields.cell(i, 0).text());
    row.sort = to_int64(fields.cell(i, 1).text()).value_or(0);
    CO_TRY(row.options, read_options(fields.cell(i, 2)));
    put(row.options, "name", fields.cell(i, 3));
    put(row.options, "type", fields.cell(i, 4));
    put(row.options, "interface", fields.cell(i, 5));
    put(row.options, "description", fields.cell(i, 6));
    row.collection = std::string(fields.cell(i, 7).text());
    row.parent_key = std::string(fields.cell(i, 8).text());
    row.reverse_key = std::string(fields.cell(i, 9).text());
    model.fields.push_back(std::move(row));
  }
  co_return model;
}

Task<Status> Store::save(sql::Executor& db, const Context& ctx, const Snapshot& meta,
                         const StoredModel& before, const StoredModel& after) {
  CO_TRY_STATUS(co_await save_rows(db, ctx, *meta.find("collections"), before.collections,
                                   after.collections));
  co_return co_await save_rows(db, ctx, *meta.find("fields"), before.fields, after.fields);
}

}  // namespace halcyon::schema
