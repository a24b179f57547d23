// What is there, from information_schema.
#include <algorithm>
#include <charconv>

#include "sql/mysql/ddl.h"

namespace halcyon::sql::mysql {

namespace {

constexpr std::string_view kColumns =
    "SELECT c.column_name, c.column_type, c.data_type, c.character_maximum_length, "
    "c.numeric_precision, c.numeric_scale, c.datetime_precision, c.is_nullable, c.column_default, "
    "c.extra, t.table_type FROM information_schema.tables t JOIN information_schema.columns c ON "
    "c.table_schema = t.table_schema AND c.table_name = t.table_name WHERE t.table_schema = "
    "DATABASE() AND t.table_name = ? ORDER BY c.ordinal_position";

// An index of an expression (MySQL) has rows without a column.
constexpr std::string_view kIndexes =
    "SELECT index_name, non_unique, column_name FROM information_schema.statistics WHERE "
    "table_schema = DATABASE() AND table_name = ? ORDER BY index_name, seq_in_index";

int to_int(Cell cell) {
  int value = 0;
  std::string_view text = cell.text();
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Found {
  std::string_view full, data;  // "int(10) unsigned", "int"
  Cell length, precision, scale, fraction;
};

ColumnType map_type(const Found& f) {
  ColumnType type;
  bool is_unsigned = f.full.ends_with("unsigned") || f.full.contains("unsigned ");
  auto is = [&](auto... names) { return ((f.data == names) || ...); };
  if (f.full.starts_with("tinyint(1)") || f.full == "bit(1)") {
    type.type = Type::kBoolean;
  } else if (is("bigint")) {
    type.type = Type::kInt64;
  } else if (is("int", "integer")) {
    type.type = is_unsigned ? Type::kInt64 : Type::kInt32;
  } else if (is("tinyint", "smallint", "mediumint", "year")) {
    type.type = Type::kInt32;
  } else if (is("float")) {
    type.type = Type::kReal;
  } else if (is("double", "real")) {
    type.type = Type::kDouble;
  } else if (is("decimal", "numeric")) {
    type.type = Type::kDecimal;
    type.precision = to_int(f.precision);
    type.scale = to_int(f.scale);
  } else if (is("json")) {
    type.type = Type::kJson;
  } else if (is("date")) {
    type.type = Type::kDate;
  } else if (is("time")) {
    type.type = Type::kTime;
  } else if (is("datetime", "timestamp")) {
    type.type = Type::kTimestampTz;
    type.precision = to_int(f.fraction);
  } else if (is("uuid") || (is("char") && to_int(f.length) == 36)) {
    type.type = Type::kUuid;
  } else if (is("varchar", "char", "enum", "set")) {
    type.length = to_int(f.length);
  } else if (f.data.ends_with("text")) {
    type.text_size = f.data.substr(0, f.data.size() - 4);
  } else if (f.data.ends_with("blob")) {
    type.type = Type::kBytes;
    type.text_size = f.data.substr(0, f.data.size() - 4);
  } else if (is("binary", "varbinary")) {
    type.type = Type::kBytes;
  }
  return type;
}

bool contains_ignoring_case(std::string_view text, std::string_view word) {
  auto same = [](char a, char b) { return (a | 32) == (b | 32); };
  return !std::ranges::search(text, word, same).empty();
}

// MySQL prints the default ('abc') as _utf8mb4\'abc\'.
std::string plain_literal(std::string_view text) {
  size_t mark = text.starts_with('_') ? text.find("\\'") : std::string_view::npos;
  if (mark == std::string_view::npos) return std::string(text);
  std::string out;
  for (size_t i = mark; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '\'') continue;
    out += text[i];
  }
  return out;
}

}  // namespace

// JSON columns are LONGTEXT with a check, which keeps its first name when the column is renamed.
std::string_view MariaDbDdl::json_columns_query() const {
  return "SELECT SUBSTRING(check_clause, 13, CHAR_LENGTH(check_clause) - 14) FROM "
         "information_schema.check_constraints WHERE constraint_schema = DATABASE() AND "
         "table_name = ? AND check_clause LIKE 'json_valid(`%`)'";
}

ColumnSpec MysqlDdl::map_column(const Rows& rows, size_t row, bool is_json) const {
  ColumnSpec column;
  column.name = rows.cell(row, 0).text();
  column.type = map_type({rows.cell(row, 1).text(), rows.cell(row, 2).text(), rows.cell(row, 3),
                          rows.cell(row, 4), rows.cell(row, 5), rows.cell(row, 6)});
  if (is_json) {
    column.type = {};
    column.type.type = Type::kJson;
  }
  column.nullable = rows.cell(row, 7).text() == "YES";
  std::string_view extra = rows.cell(row, 9).text();
  column.auto_increment = contains_ignoring_case(extra, "auto_increment");
  Cell initial = rows.cell(row, 8);
  if (initial.is_null()) return column;
  bool is_expression = contains_ignoring_case(extra, "DEFAULT_GENERATED");
  if (!has_quoted_defaults() && !is_expression) {
    column.default_value = default_of(initial.text(), column.type.type);
    return column;
  }
  std::string text =
      has_quoted_defaults() ? std::string(initial.text()) : plain_literal(initial.text());
  if (!parse_default(text, column.type.type, true, column.default_value)) {
    column.default_expression = initial.text();
  }
  return column;
}

Task<Result<std::vector<std::string>>> MysqlDdl::list_tables(Executor& db, const Context& ctx,
                                                             std::string, bool views) const {
  Statement statement;
  statement.text =
      "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND "
      "table_type = ? ORDER BY table_name";
  statement.params = {Value(views ? "VIEW" : "BASE TABLE")};
  CO_TRY(Rows rows, co_await db.run(ctx, std::move(statement)));
  std::vector<std::string> names;
  for (size_t row = 0; row < rows.size(); ++row) names.emplace_back(rows.cell(row, 0).text());
  co_return names;
}

Task<Result<std::optional<TableInfo>>> MysqlDdl::describe_table(Executor& db, const Context& ctx,
                                                                std::string,
                                                                std::string table) const {
  auto ask = [&](std::string_view text) {
    Statement statement;
    statement.text = text;
    statement.params = {Value(table)};
    return db.run(ctx, std::move(statement));
  };
  CO_TRY(Rows found, co_await ask(kColumns));
  if (found.empty()) co_return std::nullopt;
  std::vector<std::string> json;
  if (!json_columns_query().empty()) {
    CO_TRY(Rows rows, co_await ask(json_columns_query()));
    for (size_t row = 0; row < rows.size(); ++row) json.emplace_back(rows.cell(row, 0).text());
  }
  CO_TRY(Rows keys, co_await ask(kIndexes));

  TableInfo info;
  info.name = table;
  info.is_view = found.cell(0, 10).text().ends_with("VIEW");
  for (size_t row = 0; row < found.size(); ++row) {
    bool is_json = std::ranges::find(json, found.cell(row, 0).text()) != json.end();
    info.columns.push_back(map_column(found, row, is_json));
    info.raw_types.emplace_back(found.cell(row, 1).text());
  }
  for (size_t row = 0; row < keys.size(); ++row) {
    std::string_view name = keys.cell(row, 0).text();
    std::string column(keys.cell(row, 2).text());
    if (name == "PRIMARY") {
      for (ColumnSpec& spec : info.columns) {
        spec.primary_key = spec.primary_key || spec.name == column;
      }
      info.primary_key.push_back(std::move(column));
      continue;
    }
    if (info.indexes.empty() || info.indexes.back().name != name) {
      info.indexes.push_back({std::string(name), {}, keys.cell(row, 1).text() == "0"});
    }
    info.indexes.back().columns.push_back(std::move(column));
  }
  std::erase_if(info.indexes, [](const IndexSpec& index) { return index_has(index, ""); });
  co_return info;
}

}  // namespace halcyon::sql::mysql
