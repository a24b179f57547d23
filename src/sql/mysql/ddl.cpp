#include "sql/mysql/ddl.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "sql/mysql/dialect.h"
#include "sql/text_util.h"

namespace halcyon::sql::mysql {

namespace {

// TEXT, BLOB and JSON take a default in brackets only (MySQL 8.0.13, MariaDB 10.2).
bool wants_brackets(const ColumnType& type) {
  return (type.type == Type::kText && type.length == 0) || type.type == Type::kBytes ||
         type.type == Type::kJson || type.type == Type::kJsonb || type.native_array;
}

std::string upper(std::string_view text) {
  std::string out;
  for (char c : text) out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return out;
}

}  // namespace

void MysqlDdl::type(std::string& out, const ColumnType& type) const {
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
      out += "FLOAT";
      return;  // REAL is a double here
    case Type::kDouble:
      out += "DOUBLE PRECISION";
      return;
    case Type::kDecimal:
      // Without a precision the server would keep no fraction.
      out += type.precision > 0 ? fmt::format("DECIMAL({},{})", type.precision, type.scale)
                                : "DECIMAL(65,30)";
      return;
    case Type::kText:
      out += type.length > 0 ? fmt::format("VARCHAR({})", type.length)
                             : upper(type.text_size) + "TEXT";
      return;
    case Type::kBytes:
      out += upper(type.text_size) + "BLOB";
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
      out += fmt::format("DATETIME({})", type.precision > 0 ? type.precision : 3);
      return;
    case Type::kUuid:
      out += "CHAR(36) BINARY";
      return;
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a column without a type");
}

void MysqlDdl::literal(std::string& out, const Value& value, const ColumnType& type) const {
  if (wants_brackets(type)) out += '(';
  if (const auto* flag = std::get_if<bool>(&value.data)) {
    out += *flag ? '1' : '0';
  } else if (const auto* number = std::get_if<int64_t>(&value.data)) {
    out += std::to_string(*number);
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    out += fmt::format("{}", *real);
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    if (value.type == Type::kBytes) {
      out += "X'";
      for (unsigned char c : *text) out += fmt::format("{:02x}", c);
      out += '\'';
    } else if (type.type == Type::kTimestampTz || type.type == Type::kTimestamp) {
      quote_literal(out, utc_timestamp(*text), true);
    } else {
      quote_literal(out, *text, true);
    }
  } else {
    out += "NULL";
  }
  if (wants_brackets(type)) out += ')';
}

void MysqlDdl::column(std::string& out, const TableSpec& table, const ColumnSpec& column) const {
  dialect_.quote(out, column.name);
  out += ' ';
  type(out, column.type);
  // MySQL refuses a key with a column that may be NULL; MariaDB makes it NOT NULL by itself.
  const bool in_key = column.primary_key ||
                      std::ranges::find(table.primary_key, column.name) != table.primary_key.end();
  out += column.nullable && !in_key ? " NULL" : " NOT NULL";
  if (column.auto_increment) {
    out += " AUTO_INCREMENT";
  } else {
    default_clause(out, column);
  }
}

// Text without a length cannot be indexed whole; the first 255 characters are what an index of
// VARCHAR(255) holds.
std::string MysqlDdl::index_clause(const TableSpec& table, const IndexSpec& index) const {
  std::string out = index.unique ? "UNIQUE INDEX " : "INDEX ";
  out += quoted(index_name(table.name, index)) + " (";
  bool first = true;
  for (const std::string& name : index.columns) {
    if (!first) out += ", ";
    first = false;
    out += quoted(name);
    for (const ColumnSpec& column : table.columns) {
      bool is_text = column.type.type == Type::kText && column.type.length == 0;
      if (column.name == name && (is_text || column.type.type == Type::kBytes)) out += "(255)";
    }
  }
  return out + ")";
}

DdlDialect::Texts MysqlDdl::create_table(const TableSpec& table) const {
  std::string inside;
  for (const IndexSpec& index : table.indexes) inside += ", " + index_clause(table, index);
  return {
      table_text(table, inside,
                 fmt::format(" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE={}", collation()))};
}

DdlDialect::Texts MysqlDdl::add_column(const TableSpec& table, const ColumnSpec& spec) const {
  Texts texts = DdlDialect::add_column(table, spec);
  if (spec.auto_increment) texts[0] += ", ADD KEY (" + quoted(spec.name) + ")";
  return texts;
}

DdlDialect::Texts MysqlDdl::drop_column(const TableSpec& table, const std::string& column) const {
  // The server would leave an index of the other columns, and a unique one might then clash.
  std::string out = "ALTER TABLE " + quoted(table.name);
  for (const IndexSpec& index : table.indexes) {
    if (index_has(index, column))
      out += " DROP INDEX " + quoted(index_name(table.name, index)) + ",";
  }
  return {out + " DROP COLUMN " + quoted(column)};
}

DdlDialect::Texts MysqlDdl::alter_column(const TableSpec& table, const ColumnSpec&,
                                         const ColumnSpec& to) const {
  std::string out = "ALTER TABLE " + quoted(table.name) + " MODIFY COLUMN ";
  column(out, table, to);
  return {std::move(out)};
}

DdlDialect::Texts MysqlDdl::create_index(const TableSpec& table, const IndexSpec& index) const {
  return {"ALTER TABLE " + quoted(table.name) + " ADD " + index_clause(table, index)};
}

DdlDialect::Texts MysqlDdl::drop_index(const TableSpec& table, const std::string& name) const {
  return {"DROP INDEX " + quoted(name) + " ON " + quoted(table.name)};
}

const DdlDialect& MysqlDialect::ddl() const {
  static const MysqlDdl ddl(mysql_dialect());
  return ddl;
}

const DdlDialect& MariaDbDialect::ddl() const {
  static const MariaDbDdl ddl(mariadb_dialect());
  return ddl;
}

}  // namespace halcyon::sql::mysql
