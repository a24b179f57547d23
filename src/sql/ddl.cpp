// The front of DDL, and the parts that are the same on all dialects.
#include "sql/ddl.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sql/ddl_dialect.h"

namespace halcyon::sql {

namespace {

constexpr size_t kMaxName = 63;  // PostgreSQL's limit, the shortest

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "orderItems" -> "order_items", "HTTPCode" -> "http_code".
void append_snake(std::string& out, std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    if (is_upper(c)) {
      bool after_word = i > 0 && (is_lower(name[i - 1]) || is_digit(name[i - 1]));
      bool before_word =
          i > 0 && is_upper(name[i - 1]) && i + 1 < name.size() && is_lower(name[i + 1]);
      if (after_word || before_word) out += '_';
      out += static_cast<char>(c - 'A' + 'a');
    } else {
      out += c == '-' ? '_' : c;
    }
  }
}

uint32_t fnv1a(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (unsigned char c : text) hash = (hash ^ c) * 16777619u;
  return hash;
}

}  // namespace

std::string index_name(std::string_view table, const IndexSpec& index) {
  if (!index.name.empty()) return index.name;
  std::string name;
  append_snake(name, table);
  for (const std::string& column : index.columns) {
    name += '_';
    append_snake(name, column);
  }
  if (index.unique) name += "_unique";
  if (name.size() <= kMaxName) return name;
  std::string hash = fmt::format("_{:08x}", fnv1a(name));
  size_t keep = kMaxName - hash.size();
  while (keep > 0 && (static_cast<unsigned char>(name[keep]) & 0xC0) == 0x80) --keep;
  name.resize(keep);
  return name + hash;
}

std::vector<std::string> primary_key_of(const TableSpec& table) {
  if (!table.primary_key.empty()) return table.primary_key;
  std::vector<std::string> key;
  for (const ColumnSpec& column : table.columns) {
    if (column.primary_key) key.push_back(column.name);
  }
  return key;
}

bool index_has(const IndexSpec& index, std::string_view column) {
  return std::ranges::find(index.columns, column) != index.columns.end();
}

Value default_of(std::string_view text, Type type) {
  switch (type) {
    case Type::kBoolean:
      if (text == "1" || text == "true" || text == "TRUE" || text == "t") return Value(true);
      if (text == "0" || text == "false" || text == "FALSE" || text == "f") return Value(false);
      break;
    case Type::kInt32:
    case Type::kInt64: {
      int64_t number = 0;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc() && end == text.data() + text.size()) return Value(number);
      break;
    }
    case Type::kReal:
    case Type::kDouble: {
      double number = 0;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error == std::errc() && end == text.data() + text.size()) return Value(number);
      break;
    }
    default:
      break;
  }
  return Value(text, type);
}

bool parse_default(std::string_view text, Type type, bool backslash, std::optional<Value>& value) {
  while (text.starts_with('(') && text.ends_with(')')) text = text.substr(1, text.size() - 2);
  if (text.empty()) return false;
  auto is_word = [&](std::string_view word) {
    return std::ranges::equal(text, word, [](char a, char b) { return (a | 32) == b; });
  };
  if (is_word("null")) return true;
  if (is_word("true") || is_word("false")) {
    value = default_of(is_word("true") ? "true" : "false", type);
    return true;
  }
  if (text.front() == '\'') {
    std::string plain;
    size_t i = 1;
    for (; i < text.size(); ++i) {
      if (text[i] == '\'' && (++i == text.size() || text[i] != '\'')) break;
      if (backslash && text[i] == '\\' && i + 1 < text.size()) ++i;
      plain += text[i];
    }
    if (i != text.size()) return false;  // more than one literal
    value = default_of(plain, type);
    return true;
  }
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  value = default_of(text, type);
  return true;
}

std::string DdlDialect::quoted(std::string_view identifier) const {
  std::string out;
  dialect_.quote(out, identifier);
  return out;
}

std::string DdlDialect::quoted(std::string_view schema, std::string_view table) const {
  Rendering out;
  dialect_.table_name(out, schema, table);
  return std::move(out.text);
}

std::string DdlDialect::quoted_list(const std::vector<std::string>& names) const {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ", ";
    dialect_.quote(out, name);
  }
  return out;
}

void DdlDialect::default_clause(std::string& out, const ColumnSpec& column) const {
  if (column.default_value && !column.default_value->is_null()) {
    out += " DEFAULT ";
    literal(out, *column.default_value, column.type);
  } else if (!column.default_value && !column.default_expression.empty()) {
    out += " DEFAULT (" + column.default_expression + ")";
  }
}

std::string DdlDialect::table_text(const TableSpec& table, std::string_view inside,
                                   std::string_view options) const {
  std::string out = table.if_not_exists ? "CREATE TABLE IF NOT EXISTS " : "CREATE TABLE ";
  out += quoted(table.schema, table.name) + " (";
  bool first = true;
  for (const ColumnSpec& spec : table.columns) {
    if (!first) out += ", ";
    first = false;
    column(out, table, spec);
  }
  if (auto key = primary_key_of(table); !key.empty() && !has_inline_key(table)) {
    out += ", PRIMARY KEY (" + quoted_list(key) + ")";
  }
  out += inside;
  out += ')';
  out += options;
  return out;
}

DdlDialect::Texts DdlDialect::create_table(const TableSpec& table) const {
  Texts texts{table_text(table, "", "")};
  for (const IndexSpec& index : table.indexes) {
    for (std::string& text : create_index(table, index)) texts.push_back(std::move(text));
  }
  return texts;
}

DdlDialect::Texts DdlDialect::drop_table(const std::string& schema,
                                         const std::string& table) const {
  return {"DROP TABLE IF EXISTS " + quoted(schema, table)};
}

DdlDialect::Texts DdlDialect::rename_table(const std::string& schema, const std::string& from,
                                           const std::string& to) const {
  return {"ALTER TABLE " + quoted(schema, from) + " RENAME TO " + quoted(to)};
}

DdlDialect::Texts DdlDialect::add_column(const TableSpec& table, const ColumnSpec& spec) const {
  std::string out = "ALTER TABLE " + quoted(table.schema, table.name) + " ADD COLUMN ";
  column(out, table, spec);
  return {std::move(out)};
}

DdlDialect::Texts DdlDialect::rename_column(const TableSpec& table, const std::string& from,
                                            const std::string& to) const {
  return {"ALTER TABLE " + quoted(table.schema, table.name) + " RENAME COLUMN " + quoted(from) +
          " TO " + quoted(to)};
}

DdlDialect::Texts DdlDialect::create_index(const TableSpec& table, const IndexSpec& index) const {
  std::string out = index.unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ";
  if (table.if_not_exists) out += "IF NOT EXISTS ";
  out += quoted(index_name(table.name, index)) + " ON " + quoted(table.schema, table.name) + " (" +
         quoted_list(index.columns) + ")";
  return {std::move(out)};
}

std::vector<std::string> create_table(const TableSpec& table, const Dialect& dialect) {
  return dialect.ddl().create_table(table);
}
Task<Status> ensure_table(Executor& db, const Context& ctx, const TableSpec& table) {
  for (std::string& text : create_table(table, db.dialect())) {
    Statement statement;
    statement.text = std::move(text);
    statement.is_write = true;
    statement.is_slow = true;
    auto done = co_await db.run(ctx, std::move(statement));
    if (done) continue;
    // Another process may have been faster; databases tell that in several ways.
    CO_TRY(auto now, co_await describe_table(db, ctx, table.schema, table.name));
    if (!now) co_return std::unexpected(std::move(done).error());
  }
  co_return Status{};
}

std::vector<std::string> drop_table(const std::string& schema, const std::string& table,
                                    const Dialect& dialect) {
  return dialect.ddl().drop_table(schema, table);
}
std::vector<std::string> rename_table(const std::string& schema, const std::string& from,
                                      const std::string& to, const Dialect& dialect) {
  return dialect.ddl().rename_table(schema, from, to);
}
std::vector<std::string> add_column(const TableSpec& table, const ColumnSpec& column,
                                    const Dialect& dialect) {
  return dialect.ddl().add_column(table, column);
}
std::vector<std::string> drop_column(const TableSpec& table, const std::string& column,
                                     const Dialect& dialect) {
  return dialect.ddl().drop_column(table, column);
}
std::vector<std::string> rename_column(const TableSpec& table, const std::string& from,
                                       const std::string& to, const Dialect& dialect) {
  return dialect.ddl().rename_column(table, from, to);
}
std::vector<std::string> alter_column(const TableSpec& table, const ColumnSpec& from,
                                      const ColumnSpec& to, const Dialect& dialect) {
  return dialect.ddl().alter_column(table, from, to);
}
std::vector<std::string> create_index(const TableSpec& table, const IndexSpec& index,
                                      const Dialect& dialect) {
  return dialect.ddl().create_index(table, index);
}
std::vector<std::string> drop_index(const TableSpec& table, const std::string& name,
                                    const Dialect& dialect) {
  return dialect.ddl().drop_index(table, name);
}
std::string type_text(const ColumnType& type, const Dialect& dialect) {
  std::string out;
  dialect.ddl().type(out, type);
  return out;
}
Task<Status> limit_lock_wait(Executor& tx, const Context& ctx) {
  const std::string_view limit = tx.dialect().ddl().limit_lock_wait();
  if (limit.empty()) co_return Status{};
  Statement statement;
  statement.text = limit;
  CO_TRY(Rows rows, co_await tx.run(ctx, std::move(statement)));
  co_return Status{};
}
Task<Result<std::vector<std::string>>> list_tables(Executor& db, const Context& ctx,
                                                   const std::string& schema, bool views) {
  return db.dialect().ddl().list_tables(db, ctx, schema, views);
}
Task<Result<std::optional<TableInfo>>> describe_table(Executor& db, const Context& ctx,
                                                      const std::string& schema,
                                                      const std::string& table) {
  return db.dialect().ddl().describe_table(db, ctx, schema, table);
}

}  // namespace halcyon::sql
