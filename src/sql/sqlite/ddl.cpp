#include "sql/sqlite/ddl.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "sql/sqlite/dialect.h"
#include "sql/text_util.h"

namespace halcyon::sql::sqlite {

namespace {

// The name of the column that becomes the rowid by "INTEGER PRIMARY KEY AUTOINCREMENT", or empty.
std::string_view rowid_column(const TableSpec& table) {
  for (const ColumnSpec& column : table.columns) {
    if (column.auto_increment) return column.name;
  }
  return {};
}

// A condition that `c` can become `to` without loss, and the converted value.
struct Conversion {
  std::string fits, value;
};

constexpr std::string_view kNumber =
    "CASE WHEN json_valid({0}) THEN json_type({0}) IN ('integer', 'real') ELSE 0 END";

Conversion conversion(const std::string& c, const ColumnType& to) {
  auto text = [&](std::string_view pattern) { return fmt::format(fmt::runtime(pattern), c); };
  if (to.native_array) return {text("json_valid({0})"), c};
  switch (to.type) {
    case Type::kBoolean:
      return {text("lower({0}) IN ('0', '1', 'true', 'false')"),
              text("CASE WHEN {0} IS NULL THEN NULL ELSE lower({0}) IN ('1', 'true') END")};
    case Type::kInt32:
    case Type::kInt64:
      return {
          text("CAST(CAST({0} AS INTEGER) AS TEXT) = CAST({0} AS TEXT) OR (typeof({0}) = 'real' "
               "AND CAST({0} AS INTEGER) = {0})"),
          text("CAST({0} AS INTEGER)")};
    case Type::kReal:
    case Type::kDouble:
      return {text(kNumber), text("CAST({0} AS REAL)")};
    case Type::kDecimal:
      return {text(kNumber), text("CAST({0} AS TEXT)")};
    case Type::kText:
      return {to.length > 0 ? fmt::format("length({}) <= {}", c, to.length) : "1",
              text("CAST({0} AS TEXT)")};
    case Type::kBytes:
      return {"1", text("CAST({0} AS BLOB)")};
    case Type::kJson:
    case Type::kJsonb:
      return {text("json_valid({0})"), c};
    case Type::kDate:
      return {text("typeof({0}) = 'text' AND date({0}) IS NOT NULL"), text("date({0})")};
    case Type::kTime:
      return {text("typeof({0}) = 'text' AND time({0}) IS NOT NULL"), text("time({0})")};
    case Type::kTimestamp:
      return {text("typeof({0}) = 'text' AND datetime({0}) IS NOT NULL"),
              text("strftime('%Y-%m-%d %H:%M:%f', {0})")};
    case Type::kTimestampTz:
      return {text("typeof({0}) = 'text' AND datetime({0}) IS NOT NULL"),
              text("strftime('%Y-%m-%d %H:%M:%f', {0}) || ' +00:00'")};
    case Type::kUuid:
      return {text("halcyon_regexp('^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$', {0}, 1)"),
              text("lower({0})")};
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a column without a type");
}

}  // namespace

void SqliteDdl::type(std::string& out, const ColumnType& type) const {
  if (type.native_array) {
    out += "JSON";
    return;
  }
  switch (type.type) {
    case Type::kBoolean:
      out += "TINYINT(1)";
      return;
    case Type::kInt32:
      out += "INTEGER";
      return;
    case Type::kInt64:
      out += "BIGINT";
      return;
    case Type::kReal:
      out += "REAL";
      return;
    case Type::kDouble:
      out += "DOUBLE PRECISION";
      return;
    case Type::kDecimal:
      out += "DECIMAL_TEXT";
      if (type.precision > 0) out += fmt::format("({},{})", type.precision, type.scale);
      return;
    case Type::kText:
      out += type.length > 0 ? fmt::format("VARCHAR({})", type.length) : "TEXT";
      return;
    case Type::kBytes:
      out += "BLOB";
      return;
    case Type::kJson:
    case Type::kJsonb:
      out += "JSON";
      return;
    case Type::kDate:
      out += "DATE";
      return;
    case Type::kTime:
      out += "TIME";
      return;
    case Type::kTimestamp:
    case Type::kTimestampTz:
      out += "DATETIME";
      return;
    case Type::kUuid:
      out += "UUID";
      return;
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a column without a type");
}

void SqliteDdl::literal(std::string& out, const Value& value, const ColumnType& type) const {
  Rendering stored;
  Value typed = value;
  if (std::holds_alternative<std::string>(value.data)) typed.type = type.type;
  dialect_.placeholder(stored, typed);  // the storage form of timestamps
  const Value& v = stored.params.front();
  if (const auto* flag = std::get_if<bool>(&v.data)) {
    out += *flag ? '1' : '0';
  } else if (const auto* number = std::get_if<int64_t>(&v.data)) {
    out += std::to_string(*number);
  } else if (const auto* real = std::get_if<double>(&v.data)) {
    out += fmt::format("{}", *real);
  } else if (const auto* text = std::get_if<std::string>(&v.data)) {
    if (type.type == Type::kBytes) {
      out += "X'";
      for (unsigned char c : *text) out += fmt::format("{:02x}", c);
      out += '\'';
    } else {
      quote_literal(out, *text, false);
    }
  } else {
    out += "NULL";
  }
}

bool SqliteDdl::has_inline_key(const TableSpec& table) const {
  return !rowid_column(table).empty();
}

void SqliteDdl::column(std::string& out, const TableSpec& table, const ColumnSpec& column) const {
  dialect_.quote(out, column.name);
  if (column.auto_increment) {
    auto key = primary_key_of(table);
    if (key.size() > 1 || (key.size() == 1 && key[0] != column.name)) {
      throw std::logic_error("SQLite counts up the only primary key column");
    }
    out += " INTEGER PRIMARY KEY AUTOINCREMENT";
    return;
  }
  out += ' ';
  type(out, column.type);
  if (column.type.type == Type::kDecimal && !column.type.native_array) {
    out += " COLLATE HALCYON_DECIMAL";
  }
  // Here a primary key alone does not mean NOT NULL.
  if (!column.nullable || column.primary_key) out += " NOT NULL";
  default_clause(out, column);
}

// A row of `source` is put into a helper table whose check refuses it, which stops everything with
// CHECK_VIOLATION and the name of the rule.
void SqliteDdl::refuse_if(Texts& texts, const TableSpec& table, const std::string& rule,
                          const std::string& source) const {
  std::string guard = quoted("halcyon_check_" + table.name);
  texts.push_back(fmt::format("CREATE TABLE {} (fits INTEGER CONSTRAINT {} CHECK (fits = 1))",
                              guard, quoted(rule)));
  texts.push_back(fmt::format("INSERT INTO {} SELECT 0 FROM {} LIMIT 1", guard, source));
  texts.push_back("DROP TABLE " + guard);
}

DdlDialect::Texts SqliteDdl::rebuild(const TableSpec& table, const std::vector<std::string>& copy,
                                     const std::vector<std::string>& values,
                                     const std::string& dropped) const {
  TableSpec fresh = table;
  fresh.name = "halcyon_new_" + table.name;
  fresh.indexes.clear();
  fresh.if_not_exists = false;
  std::string old_name = quoted(table.name), new_name = quoted(fresh.name);
  Texts texts;
  // A column that the caller does not know of must not be lost.
  std::string old_literal, known;
  quote_literal(old_literal, table.name, false);
  for (const std::string& name : copy) {
    known += known.empty() ? "" : ", ";
    quote_literal(known, name, false);
  }
  if (!dropped.empty()) {
    known += known.empty() ? "" : ", ";
    quote_literal(known, dropped, false);
  }
  refuse_if(texts, table, "all_columns_are_known",
            fmt::format("pragma_table_info({}) WHERE name NOT IN ({})", old_literal, known));
  texts.push_back(table_text(fresh, "", ""));
  std::string select;
  for (const std::string& value : values) select += (select.empty() ? "" : ", ") + value;
  if (!copy.empty()) {
    texts.push_back(fmt::format("INSERT INTO {} ({}) SELECT {} FROM {}", new_name,
                                quoted_list(copy), select, old_name));
  }
  if (!rowid_column(table).empty()) {
    // Ids of deleted rows must not come again.
    std::string now;
    quote_literal(now, fresh.name, false);
    texts.push_back(
        fmt::format("DELETE FROM sqlite_sequence WHERE name = {0} AND EXISTS (SELECT 1 "
                    "FROM sqlite_sequence WHERE name = {1})",
                    now, old_literal));
    texts.push_back(
        fmt::format("INSERT INTO sqlite_sequence (name, seq) SELECT {}, seq FROM "
                    "sqlite_sequence WHERE name = {}",
                    now, old_literal));
  }
  texts.push_back("DROP TABLE " + old_name);
  // Otherwise the renaming would check views that name the table while it is gone.
  texts.push_back("PRAGMA legacy_alter_table = ON");
  texts.push_back("ALTER TABLE " + new_name + " RENAME TO " + old_name);
  texts.push_back("PRAGMA legacy_alter_table = OFF");
  for (IndexSpec index : table.indexes) {
    if (index.name.starts_with("sqlite_autoindex_")) index.name.clear();  // was a UNIQUE clause
    for (std::string& text : create_index(table, index)) texts.push_back(std::move(text));
  }
  return texts;
}

DdlDialect::Texts SqliteDdl::add_column(const TableSpec& table, const ColumnSpec& spec) const {
  bool has_default = (spec.default_value && !spec.default_value->is_null());
  bool plain = (spec.nullable || has_default) && !spec.primary_key && !spec.auto_increment &&
               spec.default_expression.empty();
  if (plain) return DdlDialect::add_column(table, spec);
  TableSpec will = table;
  if (std::ranges::find(will.columns, spec.name, &ColumnSpec::name) == will.columns.end()) {
    will.columns.push_back(spec);
  }
  std::vector<std::string> copy, values;
  for (const ColumnSpec& column : will.columns) {
    if (column.name == spec.name) continue;
    copy.push_back(column.name);
    values.push_back(quoted(column.name));
  }
  return rebuild(will, copy, values, "");
}

DdlDialect::Texts SqliteDdl::drop_column(const TableSpec& table, const std::string& column) const {
  auto key = primary_key_of(table);
  bool needs_rebuild = std::ranges::find(key, column) != key.end();
  Texts texts;
  TableSpec will = table;
  std::erase_if(will.columns, [&](const ColumnSpec& c) { return c.name == column; });
  std::erase_if(will.indexes, [&](const IndexSpec& index) { return index_has(index, column); });
  std::erase(will.primary_key, column);
  for (const IndexSpec& index : table.indexes) {
    if (!index_has(index, column)) continue;
    std::string name = index_name(table.name, index);
    needs_rebuild = needs_rebuild || name.starts_with("sqlite_autoindex_");
    texts.push_back("DROP INDEX IF EXISTS " + quoted(name));
  }
  if (!needs_rebuild) {
    texts.push_back("ALTER TABLE " + quoted(table.name) + " DROP COLUMN " + quoted(column));
    return texts;
  }
  std::vector<std::string> copy, values;
  for (const ColumnSpec& c : will.columns) {
    copy.push_back(c.name);
    values.push_back(quoted(c.name));
  }
  return rebuild(will, copy, values, column);
}

DdlDialect::Texts SqliteDdl::alter_column(const TableSpec& table, const ColumnSpec& from,
                                          const ColumnSpec& to) const {
  TableSpec will = table;
  for (ColumnSpec& column : will.columns) {
    if (column.name == to.name) column = to;
  }
  bool retype = type_text(from.type, dialect_) != type_text(to.type, dialect_);
  Texts texts;
  std::vector<std::string> copy, values;
  for (const ColumnSpec& column : will.columns) {
    copy.push_back(column.name);
    values.push_back(quoted(column.name));
    if (column.name != to.name || !retype) continue;
    Conversion change = conversion(values.back(), to.type);
    values.back() = change.value;
    if (change.fits == "1") continue;
    refuse_if(texts, table, "values_fit_" + to.name,
              fmt::format("{} WHERE {} IS NOT NULL AND ({}) IS NOT TRUE", quoted(table.name),
                          quoted(to.name), change.fits));
  }
  for (std::string& text : rebuild(will, copy, values, "")) texts.push_back(std::move(text));
  return texts;
}

DdlDialect::Texts SqliteDdl::drop_index(const TableSpec& table, const std::string& name) const {
  if (!name.starts_with("sqlite_autoindex_")) return {"DROP INDEX IF EXISTS " + quoted(name)};
  // The index of a UNIQUE clause goes only with the clause.
  TableSpec will = table;
  std::erase_if(will.indexes, [&](const IndexSpec& index) { return index.name == name; });
  std::vector<std::string> copy, values;
  for (const ColumnSpec& column : will.columns) {
    copy.push_back(column.name);
    values.push_back(quoted(column.name));
  }
  return rebuild(will, copy, values, "");
}

const DdlDialect& SqliteDialect::ddl() const {
  static const SqliteDdl ddl(sqlite_dialect());
  return ddl;
}

}  // namespace halcyon::sql::sqlite
