// Tables and views that others made: looking at them, adopting them, SQL collections.
#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "schema/catalog_impl.h"
#include "schema/introspect.h"
#include "schema/names.h"
#include "sql/ddl.h"

namespace halcyon::schema {

namespace {

constexpr int64_t kSqlRows = 200;

bool is_ours(std::string_view table, const Settings& settings) {
  if (table.starts_with(settings.table_prefix)) table.remove_prefix(settings.table_prefix.size());
  return table.starts_with("halcyon_");
}

std::set<std::string> known_tables(const Snapshot& model) {
  std::set<std::string> out;
  for (const auto& [_, collection] : model.collections) out.insert(to_lower(collection->table));
  return out;
}

// A definition that describes the table as it is.
json::Object adopted_definition(const sql::TableInfo& info) {
  return {{"name", info.name},           {"title", info.name},   {"tableName", info.name},
          {"template", "general"},       {"introspected", true}, {"autoGenId", false},
          {"timestamps", false},         {"createdBy", false},   {"updatedBy", false},
          {"fields", guess_fields(info)}};
}

Status adopt(Edit& edit, const json::Object& definition) {
  const std::string name = json::get_string(definition, "name");
  if (edit.before.find(name) != nullptr) return {};
  StoredCollection row;
  row.key = uid();
  for (const auto& other : edit.model.collections) row.sort = std::max(row.sort, other.sort);
  ++row.sort;
  row.options = definition;
  row.options.erase("fields");
  edit.model.collections.push_back(std::move(row));
  for (const auto& field : *json::get_array(definition, "fields")) {
    TRY_STATUS(add_field(edit, name, field.as_object()));
  }
  return {};
}

// Fields for columns that have none; fields whose column is gone go as well.
Status sync_collection(Edit& edit, const std::string& name, const sql::TableInfo& info) {
  const Collection* known = edit.before.find(name);
  if (known == nullptr) return collection_not_found(name);
  const auto has_column = [&](const Field& field) {
    return std::ranges::any_of(info.columns, [&](const sql::ColumnSpec& column) {
      return iequals(column.name, field.column);
    });
  };
  for (const Field& field : known->fields) {
    if (field.column.empty() || field.key.empty() || has_column(field)) continue;
    TRY_STATUS(remove_field(edit, name, field.name));
  }
  for (const auto& item : guess_fields(info)) {
    json::Object definition = item.as_object();
    const std::string column = json::get_string(definition, "field");
    const bool there = std::ranges::any_of(
        known->fields, [&](const Field& field) { return iequals(field.column, column); });
    if (there) continue;
    definition["introspected"] = true;
    TRY_STATUS(add_field(edit, name, std::move(definition)));
  }
  return {};
}

}  // namespace

Task<Result<json::Array>> Catalog::refresh_main_data_source(const Context& ctx, Unit* unit) {
  CO_TRY(auto tables, co_await sql::list_tables(impl_->db, ctx, impl_->settings.db_schema, false));
  const auto model = snapshot();
  const std::set<std::string> known = known_tables(*model);
  std::vector<json::Object> found;
  for (const std::string& table : tables) {
    if (known.contains(to_lower(table)) || is_ours(table, impl_->settings)) continue;
    if (!check_name("collection", table)) continue;  // a name the API could not address
    CO_TRY(auto info,
           co_await sql::describe_table(impl_->db, ctx, impl_->settings.db_schema, table));
    if (info) found.push_back(adopted_definition(*info));
  }
  std::shared_ptr<const Snapshot> now = model;
  if (!found.empty()) {
    Mutation mutation = [found](Edit& edit) -> Status {
      for (const auto& definition : found) TRY_STATUS(adopt(edit, definition));
      return {};
    };
    CO_TRY(now, co_await impl_->change(ctx, std::move(mutation), unit));
  }
  json::Array out;
  for (const auto& definition : found) {
    const Collection* made = now->find(json::get_string(definition, "name"));
    if (made != nullptr) out.push_back(collection_json(*made, true));
  }
  co_return out;
}

Task<Status> Catalog::sync_fields(const Context& ctx, std::vector<std::string> collections,
                                  Unit* unit) {
  const auto model = snapshot();
  std::vector<std::pair<std::string, sql::TableInfo>> infos;
  for (const std::string& name : collections) {
    const Collection* collection = model->find(name);
    if (collection == nullptr) co_return collection_not_found(name);
    if (collection->is_sql) continue;
    CO_TRY(auto info, co_await sql::describe_table(impl_->db, ctx, collection->table_schema,
                                                   collection->table));
    if (info) infos.emplace_back(name, std::move(*info));
  }
  Mutation mutation = [infos](Edit& edit) -> Status {
    for (const auto& [name, info] : infos) TRY_STATUS(sync_collection(edit, name, info));
    return {};
  };
  CO_TRY(const auto now, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return Status{};
}

Task<Result<json::Array>> Catalog::list_views(const Context& ctx) {
  CO_TRY(auto views, co_await sql::list_tables(impl_->db, ctx, impl_->settings.db_schema, true));
  const auto model = snapshot();
  const std::set<std::string> known = known_tables(*model);
  json::Array out;
  for (const std::string& view : views) {
    if (known.contains(to_lower(view))) continue;  // connected already
    out.push_back({{"name", view}, {"schema", impl_->settings.db_schema}});
  }
  co_return out;
}

Task<Result<json::Object>> Catalog::get_view(const Context& ctx, std::string name) {
  CO_TRY(auto info, co_await sql::describe_table(impl_->db, ctx, impl_->settings.db_schema, name));
  if (!info) {
    co_return fail(Code::kNotFound, "VIEW_NOT_FOUND",
                   fmt::format("There is no view \"{}\".", is_valid_utf8(name) ? name : ""));
  }
  co_return json::Object{
      {"name", name}, {"fields", fields_by_name(guess_fields(*info))}, {"sources", json::Array()}};
}

Task<Result<json::Object>> Catalog::execute_sql(const Context& ctx, std::string select) {
  CO_TRY_STATUS(check_select(select));
  sql::Select wrapped;
  wrapped.from.alias = "q";
  wrapped.from.raw_sql = trim_statement(select);
  wrapped.columns = {{sql::literal("q.*"), ""}};
  wrapped.limit = kSqlRows;
  sql::Statement statement = render(wrapped, impl_->db.dialect());
  statement.is_slow = true;
  // In a transaction that is thrown away: whatever a function may write is not kept.
  std::optional<sql::Rows> rows;
  sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
    rows.reset();
    CO_TRY(rows, co_await tx.run(ctx, statement));
    co_return fail(Code::kInternal, "ROLLBACK", "read only");
  };
  Status status = co_await impl_->db.in_transaction(ctx, body);
  if (!rows) co_return std::unexpected(std::move(status).error());
  co_return sql_answer(*rows);
}

}  // namespace halcyon::schema
