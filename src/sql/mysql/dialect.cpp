#include "sql/mysql/dialect.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "base/text.h"

#include "sql/text_util.h"

namespace halcyon::sql::mysql {

namespace {

bool reads_table(const Select& query, std::string_view name);

bool reads_table(const TableRef& table, std::string_view name) {
  if (table.select) return reads_table(*table.select, name);
  // Stored SQL is not parsed; it may read anything.
  return table.name == name || !table.raw_sql.empty();
}

bool reads_table(const Select& query, std::string_view name) {
  if (reads_table(query.from, name)) return true;
  for (const Join& join : query.joins) {
    if (reads_table(join.table, name)) return true;
  }
  for (const Cte& cte : query.with) {
    if (reads_table(*cte.first, name)) return true;
    if (cte.recursive && reads_table(*cte.recursive, name)) return true;
  }
  return false;
}

std::string_view format_token(std::string_view token) {
  if (token == "YYYY") return "%Y";
  if (token == "MM") return "%m";
  if (token == "DD") return "%d";
  if (token == "hh") return "%H";
  if (token == "mm") return "%i";
  if (token == "ss") return "%s";
  if (token == "W") return "%v";
  return {};
}

}  // namespace

void MysqlDialect::quote(std::string& out, std::string_view identifier) const {
  quote_with(out, identifier, '`');
}

void MysqlDialect::placeholder(Rendering& out, const Value& value) const {
  out.text += '?';
  const auto* text = std::get_if<std::string>(&value.data);
  if (text && (value.type == Type::kTimestampTz || value.type == Type::kTimestamp)) {
    out.params.emplace_back(utc_timestamp(*text), value.type);
  } else {
    out.params.push_back(value);
  }
}

void MysqlDialect::like(Rendering& out, const Like& like) const {
  out.text += like.case_insensitive ? "(LOWER(CAST(" : "(CAST(";
  render_expr(out, *like.operand, *this);
  out.text += like.case_insensitive ? " AS CHAR))" : " AS CHAR)";
  out.text += like.negated ? " NOT LIKE " : " LIKE ";
  if (like.case_insensitive) out.text += "LOWER(";
  placeholder(out, Value(like_pattern(like)));
  if (like.case_insensitive) out.text += ')';
  out.text += " COLLATE utf8mb4_bin ESCAPE '\\\\')";
}

void MysqlDialect::is_array(Rendering& out, const Expr& expr) const {
  out.text += "CASE WHEN JSON_VALID(";
  render_expr(out, *expr, *this);
  out.text += ") THEN JSON_TYPE(";
  render_expr(out, *expr, *this);
  out.text += ") = 'ARRAY' ELSE FALSE END";
}

void MysqlDialect::json_text(Rendering& out, const Call& call) const {
  std::string path = json_path(literal_text(call.args.at(1)));
  auto extract = [&] {
    out.text += "JSON_EXTRACT(";
    render_expr(out, *call.args.at(0), *this);
    out.text += ", ";
    quote_literal(out.text, path, true);
    out.text += ')';
  };
  // A JSON null would come out as the text "null".
  out.text += "CASE WHEN JSON_VALID(";
  render_expr(out, *call.args.at(0), *this);
  out.text += ") THEN CASE JSON_TYPE(";
  extract();
  out.text += ") WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(";
  extract();
  out.text += ") END END";
}

void MysqlDialect::json_call(Rendering& out, const Call& call) const {
  auto guarded = [&](std::string_view function, size_t first, size_t second) {
    out.text += " THEN ";
    out.text += function;
    out.text += '(';
    render_expr(out, *call.args.at(first), *this);
    out.text += ", ";
    render_expr(out, *call.args.at(second), *this);
    out.text += ')';
  };
  switch (call.fn) {
    case Fn::kJsonArrayLength:
      out.text += "(CASE WHEN ";
      is_array(out, call.args.at(0));
      out.text += " THEN JSON_LENGTH(";
      render_expr(out, *call.args.at(0), *this);
      out.text += ") ELSE 0 END)";
      return;
    case Fn::kJsonArrayContains:
    case Fn::kJsonArrayOverlaps:
      out.text += "(CASE WHEN ";
      is_array(out, call.args.at(0));
      guarded(call.fn == Fn::kJsonArrayContains ? "JSON_CONTAINS" : "JSON_OVERLAPS", 0, 1);
      out.text += " ELSE FALSE END)";
      return;
    case Fn::kJsonArraySubset:
      out.text += "(CASE WHEN ";
      is_array(out, call.args.at(0));
      guarded("JSON_CONTAINS", 1, 0);
      out.text += " ELSE TRUE END)";
      return;
    case Fn::kJsonArraySameSet:
      // NULL and what is no array count as the empty array.
      out.text += "(CASE WHEN ";
      is_array(out, call.args.at(0));
      guarded("JSON_CONTAINS", 0, 1);
      out.text += " AND JSON_CONTAINS(";
      render_expr(out, *call.args.at(1), *this);
      out.text += ", ";
      render_expr(out, *call.args.at(0), *this);
      out.text += ") ELSE JSON_LENGTH(";
      render_expr(out, *call.args.at(1), *this);
      out.text += ") = 0 END)";
      return;
    case Fn::kJsonExtractText:
      return json_text(out, call);
    default:
      throw std::logic_error("not a JSON function");
  }
}

void MysqlDialect::date_format(Rendering& out, const Call& call) const {
  int64_t offset = call.args.size() > 2 ? literal_int(call.args[2]) : 0;
  auto time = [&] {
    if (offset == 0) return render_expr(out, *call.args.at(0), *this);
    out.text += "DATE_ADD(";
    render_expr(out, *call.args.at(0), *this);
    out.text += ", INTERVAL " + std::to_string(offset) + " MINUTE)";
  };
  std::string pending;
  bool first = true;
  auto separate = [&] {
    if (!first) out.text += ", ";
    first = false;
  };
  auto flush = [&] {
    if (pending.empty()) return;
    separate();
    out.text += "DATE_FORMAT(";
    time();
    out.text += ", ";
    quote_literal(out.text, pending, true);
    out.text += ')';
    pending.clear();
  };
  out.text += "CONCAT(";
  for (const DatePart& part : date_parts(literal_text(call.args.at(1)))) {
    if (part.token == "Q") {
      flush();
      separate();
      out.text += "QUARTER(";
      time();
      out.text += ')';
    } else if (!part.token.empty()) {
      pending += format_token(part.token);
    } else {
      for (char c : part.text) {
        pending += c;
        if (c == '%') pending += c;
      }
    }
  }
  flush();
  if (first) out.text += "''";
  out.text += ')';
}

void MysqlDialect::regex(Rendering& out, const Call& call) const {
  out.text += "REGEXP_LIKE(CAST(";
  render_expr(out, *call.args.at(0), *this);
  out.text += " AS CHAR), ";
  render_expr(out, *call.args.at(1), *this);
  out.text += call.fn == Fn::kRegexMatch ? ", 'c')" : ", 'i')";
}

void MariaDbDialect::regex(Rendering& out, const Call& call) const {
  out.text += "(CAST(";
  render_expr(out, *call.args.at(0), *this);
  out.text += " AS CHAR) REGEXP CONCAT(";
  out.text += call.fn == Fn::kRegexMatch ? "'(?-i)'" : "'(?i)'";
  out.text += ", ";
  render_expr(out, *call.args.at(1), *this);
  out.text += "))";
}

void MysqlDialect::call(Rendering& out, const Call& call) const {
  const auto& args = call.args;
  auto wrapped = [&](std::string_view before, std::string_view after) {
    out.text += before;
    render_list(out, args, *this);
    out.text += after;
  };
  switch (call.fn) {
    case Fn::kCount:
      if (args.empty()) {
        out.text += "COUNT(*)";
        return;
      }
      return wrapped("COUNT(", ")");
    case Fn::kCountDistinct:
      // COUNT(DISTINCT a, b) passes over rows with a NULL; one value of both does not.
      return args.size() > 1 ? wrapped("COUNT(DISTINCT JSON_ARRAY(", "))")
                             : wrapped("COUNT(DISTINCT ", ")");
    case Fn::kSum:
      return wrapped("SUM(", ")");
    case Fn::kSumDistinct:
      return wrapped("SUM(DISTINCT ", ")");
    // Of decimals and integers AVG would keep four more digits only.
    case Fn::kAvg:
      return wrapped("AVG(", " + 0e0)");
    case Fn::kAvgDistinct:
      return wrapped("AVG(DISTINCT ", " + 0e0)");
    case Fn::kMin:
      return wrapped("MIN(", ")");
    case Fn::kMax:
      return wrapped("MAX(", ")");
    case Fn::kLower:
      return wrapped("LOWER(CAST(", " AS CHAR))");
    case Fn::kUpper:
      return wrapped("UPPER(CAST(", " AS CHAR))");
    case Fn::kLength:
      return wrapped("CHAR_LENGTH(", ")");
    case Fn::kCoalesce:
      return wrapped("COALESCE(", ")");
    case Fn::kNow:
      out.text += "UTC_TIMESTAMP(3)";
      return;
    case Fn::kJsonArrayLength:
    case Fn::kJsonArrayContains:
    case Fn::kJsonArrayOverlaps:
    case Fn::kJsonArraySubset:
    case Fn::kJsonArraySameSet:
    case Fn::kJsonExtractText:
      return json_call(out, call);
    case Fn::kJsonQuote:
      return wrapped("JSON_EXTRACT(JSON_ARRAY(", "), '$[0]')");
    case Fn::kAddMillis:
      out.text += "CAST(DATE_ADD(";
      render_expr(out, *args.at(0), *this);
      out.text += ", INTERVAL (";
      render_expr(out, *args.at(1), *this);
      out.text += ") * 1000 MICROSECOND) AS DATETIME(3))";
      return;
    case Fn::kEpochMillis:
      return wrapped("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', ", ") DIV 1000)");
    case Fn::kDateFormat:
      return date_format(out, call);
    case Fn::kRegexMatch:
    case Fn::kRegexMatchCi:
      return regex(out, call);
    case Fn::kAbs:
      return wrapped("ABS(", ")");
    case Fn::kRound:
      // Of doubles it would round halves to the even neighbour.
      out.text += "ROUND(CAST(";
      render_expr(out, *args.at(0), *this);
      out.text += " AS DECIMAL(65, 30))";
      if (args.size() > 1) {
        out.text += ", ";
        render_expr(out, *args[1], *this);
      }
      out.text += ')';
      return;
    case Fn::kFloor:
      return wrapped("FLOOR(", ")");
    case Fn::kCeil:
      return wrapped("CEILING(", ")");
  }
  throw std::logic_error("an unknown function");
}

void MysqlDialect::cast_json(Rendering& out, const Expr& expr) const {
  out.text += "CAST(";
  render_expr(out, *expr, *this);
  out.text += " AS JSON)";
}

// JSON is text here.
void MariaDbDialect::cast_json(Rendering& out, const Expr& expr) const {
  out.text += "CAST(";
  render_expr(out, *expr, *this);
  out.text += " AS CHAR)";
}

void MysqlDialect::cast(Rendering& out, const Cast& cast) const {
  auto wrapped = [&](std::string_view before, std::string_view after) {
    out.text += before;
    render_expr(out, *cast.operand, *this);
    out.text += after;
  };
  switch (cast.type) {
    case Type::kBoolean:
      return wrapped("(CAST(", " AS SIGNED) <> 0)");
    case Type::kInt32:
    case Type::kInt64:
      return wrapped("CAST(", " AS SIGNED)");
    case Type::kReal:
    case Type::kDouble:
      return wrapped("CAST(", " AS DOUBLE)");
    case Type::kDecimal:
      return wrapped("CAST(", " AS DECIMAL(65, 30))");
    case Type::kText:
    case Type::kUuid:
      return wrapped("CAST(", " AS CHAR)");
    case Type::kBytes:
      return wrapped("CAST(", " AS BINARY)");
    case Type::kJson:
    case Type::kJsonb:
      return cast_json(out, cast.operand);
    case Type::kDate:
      return wrapped("CAST(", " AS DATE)");
    case Type::kTime:
      return wrapped("CAST(", " AS TIME(3))");
    case Type::kTimestamp:
    case Type::kTimestampTz:
      return wrapped("CAST(", " AS DATETIME(3))");
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a cast to no type");
}

void MysqlDialect::order(Rendering& out, const Order& order) const {
  // Its own order is NULLs first ascending and last descending.
  if (order.nulls == Nulls::kLast && !order.descending) {
    out.text += "ISNULL(";
    render_expr(out, *order.expr, *this);
    out.text += "), ";
  }
  if (order.nulls == Nulls::kFirst && order.descending) {
    out.text += "ISNULL(";
    render_expr(out, *order.expr, *this);
    out.text += ") DESC, ";
  }
  render_expr(out, *order.expr, *this);
  if (order.descending) out.text += " DESC";
}

void MysqlDialect::limit(Rendering& out, const std::optional<int64_t>& limit,
                         const std::optional<int64_t>& offset) const {
  if (limit) {
    out.text += " LIMIT ";
    placeholder(out, Value(*limit));
  } else if (offset) {
    out.text += " LIMIT 18446744073709551615";
  }
  if (offset) {
    out.text += " OFFSET ";
    placeholder(out, Value(*offset));
  }
}

std::string_view MysqlDialect::insert_verb(const Insert& insert) const {
  return insert.ignore_conflicts && insert.on_conflict_set.empty() ? "INSERT IGNORE" : "INSERT";
}

void MysqlDialect::insert_tail(Rendering& out, const Insert& insert) const {
  if (!insert.on_conflict_set.empty()) {
    out.text += " ON DUPLICATE KEY UPDATE ";
    out.in_upsert = true;
    out.bare_alias = insert.table.alias;
    render_assignments(out, insert.on_conflict_set, *this);
    out.in_upsert = false;
    out.bare_alias = {};
  }
  if (!insert.returning.empty() && has_returning()) {
    out.text += " RETURNING ";
    render_columns(out, insert.returning, *this);
  }
}

void MysqlDialect::concat(Rendering& out, const Binary& node) const {
  out.text += "CONCAT(";
  render_expr(out, *node.left, *this);
  out.text += ", ";
  render_expr(out, *node.right, *this);
  out.text += ')';
}

void MysqlDialect::divide(Rendering& out, const Binary& node) const {
  out.text += "((";
  render_expr(out, *node.left, *this);
  out.text += " + 0e0) / NULLIF(";
  render_expr(out, *node.right, *this);
  out.text += ", 0))";
}

void MysqlDialect::in_select(Rendering& out, const InSelect& node) const {
  // Two things it refuses in IN (SELECT ...): LIMIT, and the table that the statement writes. A
  // derived table that is not merged is allowed to have both.
  bool wrap = node.select->limit || node.select->offset ||
              (!out.target.empty() && reads_table(*node.select, out.target));
  if (!wrap) return Dialect::in_select(out, node);
  out.text += node.operands.size() > 1 ? "((" : "(";
  render_list(out, node.operands, *this);
  if (node.operands.size() > 1) out.text += ')';
  out.text += node.negated ? " NOT IN (" : " IN (";
  out.text += "SELECT /*+ NO_MERGE(`halcyon_in`) */ * FROM (";
  render_select(out, *node.select, *this);
  out.text += ") AS `halcyon_in`))";
}

void MysqlDialect::excluded(Rendering& out, std::string_view column) const {
  out.text += "VALUES(";
  quote(out.text, column);
  out.text += ')';
}

void MysqlDialect::lock(Rendering& out, const Select& query) const {
  out.text += " FOR UPDATE";
  if (!query.joins.empty()) {
    out.text += " OF ";
    quote(out.text, query.from.alias);
  }
  if (query.skip_locked) out.text += " SKIP LOCKED";
}

// Has no OF: rows of joined tables are locked too.
void MariaDbDialect::lock(Rendering& out, const Select& query) const {
  out.text += query.skip_locked ? " FOR UPDATE SKIP LOCKED" : " FOR UPDATE";
}

void MysqlDialect::insert_alias(Rendering&, const Insert&) const {}

void MysqlDialect::insert_defaults(Rendering& out) const { out.text += " () VALUES ()"; }

void MysqlDialect::delete_head(Rendering& out, const TableRef& table) const {
  // Only the form for several tables takes an alias.
  out.text += "DELETE ";
  if (!table.alias.empty()) {
    quote(out.text, table.alias);
    out.text += ' ';
  }
  out.text += "FROM ";
  quote(out.text, table.name);
  if (table.alias.empty()) return;
  out.text += " AS ";
  quote(out.text, table.alias);
}

// "0-1-4711,2-5-9": of each domain the server and the number of the last transaction. Empty where
// there is no binary log.
Statement MariaDbDialect::commit_position() const {
  Statement statement;
  statement.text = "SELECT @@global.gtid_binlog_pos";
  return statement;
}

Statement MariaDbDialect::replay_position() const {
  Statement statement;
  statement.text = "SELECT @@global.gtid_slave_pos";
  return statement;
}

namespace {

struct Gtid {
  int64_t domain = 0, server = 0, number = 0;
};

// Nothing when there is anything in it that is no GTID.
std::vector<Gtid> parse_gtids(std::string_view text) {
  std::vector<Gtid> list;
  for (std::string_view one : split(text, ',')) {
    const auto parts = split(one, '-');
    if (parts.size() != 3) return {};
    const auto domain = to_int64(parts[0]), server = to_int64(parts[1]),
               number = to_int64(parts[2]);
    if (!domain || !server || !number) return {};
    list.push_back({*domain, *server, *number});
  }
  return list;
}

}  // namespace

// Numbers of different servers are not compared: after a failover a replica of the old primary may
// have transactions that nobody else has.
bool MariaDbDialect::covers(std::string_view replayed, std::string_view wanted) const {
  const std::vector<Gtid> at = parse_gtids(replayed), goal = parse_gtids(wanted);
  return !goal.empty() && std::ranges::all_of(goal, [&](const Gtid& one) {
    return std::ranges::any_of(at, [&](const Gtid& own) {
      return own.domain == one.domain && own.server == one.server && own.number >= one.number;
    });
  });
}

}  // namespace halcyon::sql::mysql

namespace halcyon::sql {
const Dialect& mysql_dialect() {
  static const mysql::MysqlDialect dialect;
  return dialect;
}
const Dialect& mariadb_dialect() {
  static const mysql::MariaDbDialect dialect;
  return dialect;
}
}  // namespace halcyon::sql
