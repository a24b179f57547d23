// What is there, from pg_catalog: information_schema hides what the user does not own.
#include <charconv>
#include <map>

#include "sql/postgres/ddl.h"

namespace halcyon::sql::postgres {

namespace {

// An empty schema is the first of the search path.
constexpr std::string_view kInSchema = " n.nspname = coalesce(nullif($1, ''), current_schema()) ";

constexpr std::string_view kColumns = R"(
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typname, a.atttypmod,
       CAST(a.attnotnull AS integer), pg_get_expr(d.adbin, d.adrelid),
       CAST(a.attidentity <> '' AS integer), c.relkind
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = $2 AND)";

// Indexes of plain columns over all rows, a row per column. Expressions and partial indexes are
// nothing that schema could compare.
constexpr std::string_view kIndexes = R"(
SELECT i.relname, CAST(x.indisprimary AS integer), CAST(x.indisunique AS integer), a.attname
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index x ON x.indrelid = c.oid AND x.indpred IS NULL AND x.indexprs IS NULL
JOIN pg_class i ON i.oid = x.indexrelid
CROSS JOIN LATERAL unnest(CAST(x.indkey AS smallint[])) WITH ORDINALITY AS k(attnum, position)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE k.position <= x.indnkeyatts AND c.relname = $2 AND)";

int to_int(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// typname without the array mark, and the type modifier.
ColumnType map_type(std::string_view name, int modifier) {
  ColumnType type;
  if (name.starts_with('_')) {
    type.native_array = true;
    name.remove_prefix(1);
  }
  if (name == "bool")
    type.type = Type::kBoolean;
  else if (name == "int2" || name == "int4")
    type.type = Type::kInt32;
  else if (name == "int8")
    type.type = Type::kInt64;
  else if (name == "float4")
    type.type = Type::kReal;
  else if (name == "float8")
    type.type = Type::kDouble;
  else if (name == "bytea")
    type.type = Type::kBytes;
  else if (name == "json")
    type.type = Type::kJson;
  else if (name == "jsonb")
    type.type = Type::kJsonb;
  else if (name == "date")
    type.type = Type::kDate;
  else if (name == "time" || name == "timetz")
    type.type = Type::kTime;
  else if (name == "uuid")
    type.type = Type::kUuid;
  else if (name == "timestamp" || name == "timestamptz") {
    type.type = name == "timestamp" ? Type::kTimestamp : Type::kTimestampTz;
    if (modifier >= 0)
      type.precision = modifier;
    else if (type.type == Type::kTimestampTz)
      type.precision = 6;
  } else if (name == "numeric") {
    type.type = Type::kDecimal;
    if (modifier >= 4) {
      type.precision = ((modifier - 4) >> 16) & 0xFFFF;
      type.scale = (modifier - 4) & 0x7FF;
    }
  } else if ((name == "varchar" || name == "bpchar") && modifier >= 4) {
    type.length = modifier - 4;
  }
  return type;
}

// "'abc'::character varying" -> "'abc'", "NULL::text" -> "NULL".
std::string_view without_cast(std::string_view text) {
  size_t end = text.starts_with('\'') ? text.rfind('\'') : 0;
  size_t cast = text.find("::", end);
  return cast == std::string_view::npos ? text : text.substr(0, cast);
}

ColumnSpec map_column(const Rows& rows, size_t row) {
  ColumnSpec column;
  column.name = rows.cell(row, 0).text();
  column.type = map_type(rows.cell(row, 2).text(), to_int(rows.cell(row, 3).text()));
  column.nullable = rows.cell(row, 4).text() == "0";
  column.auto_increment = rows.cell(row, 6).text() == "1";
  Cell initial = rows.cell(row, 5);
  if (initial.is_null()) return column;
  if (initial.text().starts_with("nextval(")) {
    column.auto_increment = true;
  } else if (!parse_default(without_cast(initial.text()), column.type.type, false,
                            column.default_value)) {
    column.default_expression = initial.text();
  }
  return column;
}

void read_indexes(const Rows& rows, TableInfo& info) {
  for (size_t row = 0; row < rows.size(); ++row) {
    std::string column(rows.cell(row, 3).text());
    if (rows.cell(row, 1).text() == "1") {
      info.primary_key.push_back(std::move(column));
      continue;
    }
    std::string_view name = rows.cell(row, 0).text();
    if (info.indexes.empty() || info.indexes.back().name != name) {
      info.indexes.push_back({std::string(name), {}, rows.cell(row, 2).text() == "1"});
    }
    info.indexes.back().columns.push_back(std::move(column));
  }
}

}  // namespace

Task<Result<std::vector<std::string>>> PostgresDdl::list_tables(Executor& db, const Context& ctx,
                                                                std::string schema,
                                                                bool views) const {
  Statement statement;
  statement.text =
      "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
      "c.relkind IN ";
  statement.text += views ? "('v', 'm') AND" : "('r', 'p', 'f') AND";
  statement.text += kInSchema;
  statement.text += "ORDER BY c.relname";
  statement.params = {Value(schema)};
  CO_TRY(Rows rows, co_await db.run(ctx, std::move(statement)));
  std::vector<std::string> names;
  for (size_t row = 0; row < rows.size(); ++row) names.emplace_back(rows.cell(row, 0).text());
  co_return names;
}

Task<Result<std::optional<TableInfo>>> PostgresDdl::describe_table(Executor& db, const Context& ctx,
                                                                   std::string schema,
                                                                   std::string table) const {
  Statement columns;
  columns.text.append(kColumns).append(kInSchema).append("ORDER BY a.attnum");
  columns.params = {Value(schema), Value(table)};
  CO_TRY(Rows found, co_await db.run(ctx, std::move(columns)));
  if (found.empty()) co_return std::nullopt;
  TableInfo info;
  info.name = table;
  std::string_view kind = found.cell(0, 7).text();
  info.is_view = kind == "v" || kind == "m";
  for (size_t row = 0; row < found.size(); ++row) {
    info.columns.push_back(map_column(found, row));
    info.raw_types.emplace_back(found.cell(row, 1).text());
  }
  Statement indexes;
  indexes.text.append(kIndexes).append(kInSchema).append("ORDER BY i.relname, k.position");
  indexes.params = {Value(schema), Value(table)};
  CO_TRY(Rows keys, co_await db.run(ctx, std::move(indexes)));
  read_indexes(keys, info);
  for (ColumnSpec& column : info.columns) {
    for (const std::string& key : info.primary_key) {
      if (key == column.name) column.primary_key = true;
    }
  }
  co_return info;
}

}  // namespace halcyon::sql::postgres
