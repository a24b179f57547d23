#include "sql/postgres/ddl.h"

#include <fmt/format.h>

#include <stdexcept>

#include "sql/postgres/dialect.h"
#include "sql/text_util.h"

namespace halcyon::sql::postgres {

namespace {

void base_type(std::string& out, const ColumnType& type) {
  switch (type.type) {
    case Type::kBoolean:
      out += "BOOLEAN";
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
      out += "DECIMAL";
      if (type.precision > 0) out += fmt::format("({},{})", type.precision, type.scale);
      return;
    case Type::kText:
      out += type.length > 0 ? fmt::format("VARCHAR({})", type.length) : "TEXT";
      return;
    case Type::kBytes:
      out += "BYTEA";
      return;
    case Type::kJson:
      out += "JSON";
      return;
    case Type::kJsonb:
      out += "JSONB";
      return;
    case Type::kDate:
      out += "DATE";
      return;
    case Type::kTime:
      out += "TIME";
      return;
    case Type::kTimestamp:
      out += type.precision > 0 ? fmt::format("TIMESTAMP({})", type.precision) : "TIMESTAMP";
      return;
    case Type::kTimestampTz:
      out += fmt::format("TIMESTAMP({}) WITH TIME ZONE", type.precision > 0 ? type.precision : 3);
      return;
    case Type::kUuid:
      out += "UUID";
      return;
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a column without a type");
}

bool is_integer(Type type) { return type == Type::kInt32 || type == Type::kInt64; }
bool is_json(Type type) { return type == Type::kJson || type == Type::kJsonb; }

}  // namespace

void PostgresDdl::type(std::string& out, const ColumnType& type) const {
  base_type(out, type);
  if (type.native_array) out += "[]";
}

void PostgresDdl::literal(std::string& out, const Value& value, const ColumnType&) const {
  if (const auto* flag = std::get_if<bool>(&value.data)) {
    out += *flag ? "TRUE" : "FALSE";
  } else if (const auto* number = std::get_if<int64_t>(&value.data)) {
    out += std::to_string(*number);
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    out += fmt::format("'{}'", *real);  // NaN and Infinity need the quotes
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    if (value.type == Type::kBytes) {
      out += "'\\x";
      for (unsigned char c : *text) out += fmt::format("{:02x}", c);
      out += '\'';
    } else {
      quote_literal(out, *text, false);
    }
  } else {
    out += "NULL";
  }
}

void PostgresDdl::column(std::string& out, const TableSpec&, const ColumnSpec& column) const {
  dialect_.quote(out, column.name);
  out += ' ';
  if (column.auto_increment) {
    out += column.type.type == Type::kInt32 ? "SERIAL" : "BIGSERIAL";
  } else {
    type(out, column.type);
  }
  if (!column.nullable) out += " NOT NULL";
  if (!column.auto_increment) default_clause(out, column);
}

DdlDialect::Texts PostgresDdl::drop_column(const TableSpec& table,
                                           const std::string& column) const {
  // Indexes that have the column go with it.
  return {"ALTER TABLE " + quoted(table.schema, table.name) + " DROP COLUMN " + quoted(column)};
}

// The USING expression. Explicit casts round and cut; these go a way that refuses instead.
std::string PostgresDdl::conversion(const ColumnSpec& from, const ColumnType& to) const {
  std::string column = quoted(from.name), target;
  type(target, to);
  Type was = from.type.type;
  bool fraction = was == Type::kReal || was == Type::kDouble || was == Type::kDecimal;
  if (from.type.native_array && is_json(to.type))
    return fmt::format("CAST(to_jsonb({}) AS {})", column, target);
  if (is_integer(to.type) && fraction) {
    return fmt::format("CAST(CAST(trim_scale(CAST({} AS numeric)) AS text) AS {})", column, target);
  }
  if (is_integer(to.type) && was == Type::kBoolean) {
    return fmt::format("CAST(CAST({} AS integer) AS {})", column, target);
  }
  if (to.type == Type::kText) return fmt::format("CAST({} AS text)", column);
  if (to.type == Type::kBoolean && was != Type::kText) {
    return fmt::format("CAST(CAST({} AS text) AS boolean)", column);
  }
  if (is_json(to.type) && !is_json(was) && was != Type::kText) {
    return fmt::format("CAST(to_jsonb({}) AS {})", column, target);
  }
  if (is_json(was) && !is_json(to.type)) {
    return fmt::format("CAST(CAST({} AS jsonb) #>> '{{}}' AS {})", column, target);
  }
  return fmt::format("CAST({} AS {})", column, target);
}

DdlDialect::Texts PostgresDdl::alter_column(const TableSpec& table, const ColumnSpec& from,
                                            const ColumnSpec& to) const {
  std::string name = quoted(to.name), changes;
  auto change = [&](std::string_view text) {
    if (!changes.empty()) changes += ", ";
    changes += "ALTER COLUMN " + name + " ";
    changes += text;
  };
  std::string was, will;
  type(was, from.type);
  type(will, to.type);
  bool retype = was != will;
  bool redefault = from.default_value != to.default_value ||
                   from.default_expression != to.default_expression ||
                   from.auto_increment != to.auto_increment;
  // A default of the old type might have no cast to the new one.
  if (retype || redefault) change("DROP DEFAULT");
  if (retype) {
    ColumnSpec old = from;
    old.name = to.name;
    change("TYPE " + will + " USING " + conversion(old, to.type));
  }
  Texts texts;
  std::string target = quoted(table.schema, table.name);
  if (to.auto_increment && (retype || redefault)) {
    std::string sequence =
        quoted(table.schema, index_name(table.name, {"", {to.name, "seq"}, false}));
    std::string sequence_text;
    quote_literal(sequence_text, sequence, false);
    texts.push_back("CREATE SEQUENCE IF NOT EXISTS " + sequence + " OWNED BY " + target + "." +
                    name);
    texts.push_back(
        fmt::format("SELECT setval({}, coalesce((SELECT max({}) FROM {}), 0) + 1, false)",
                    sequence_text, name, target));
    change("SET DEFAULT nextval(" + sequence_text + ")");
  } else if (retype || redefault) {
    std::string clause;
    default_clause(clause, to);
    if (!clause.empty()) change("SET" + clause);
  }
  if (from.nullable != to.nullable) change(to.nullable ? "DROP NOT NULL" : "SET NOT NULL");
  if (!changes.empty()) texts.push_back("ALTER TABLE " + target + " " + changes);
  return texts;
}

DdlDialect::Texts PostgresDdl::drop_index(const TableSpec& table, const std::string& name) const {
  // The index of a UNIQUE constraint (adopted tables) goes with the constraint only.
  return {"ALTER TABLE " + quoted(table.schema, table.name) + " DROP CONSTRAINT IF EXISTS " +
              quoted(name),
          "DROP INDEX IF EXISTS " + quoted(table.schema, name)};
}

const DdlDialect& PostgresDialect::ddl() const {
  static const PostgresDdl ddl(postgres_dialect());
  return ddl;
}

}  // namespace halcyon::sql::postgres
