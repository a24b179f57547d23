#include "sql/postgres/dialect.h"

#include <algorithm>

#include <charconv>
#include <stdexcept>

#include "sql/text_util.h"

namespace halcyon::sql::postgres {

namespace {

std::string_view cast_type(Type type) {
  switch (type) {
    case Type::kBoolean:
      return "boolean";
    case Type::kInt32:
      return "integer";
    case Type::kInt64:
      return "bigint";
    case Type::kReal:
      return "real";
    case Type::kDouble:
      return "double precision";
    case Type::kDecimal:
      return "numeric";
    case Type::kText:
      return "text";
    case Type::kBytes:
      return "bytea";
    case Type::kJson:
      return "json";
    case Type::kJsonb:
      return "jsonb";
    case Type::kDate:
      return "date";
    case Type::kTime:
      return "time";
    case Type::kTimestamp:
      return "timestamp";
    case Type::kTimestampTz:
      return "timestamp with time zone";
    case Type::kUuid:
      return "uuid";
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a cast to no type");
}

// A scalar member can be looked up with @>, which an index may serve.
bool is_json_scalar(const Expr& expr) {
  const auto* param = std::get_if<Param>(&expr->node);
  if (!param) return false;
  const auto* text = std::get_if<std::string>(&param->value.data);
  if (!text) return !param->value.is_null();
  size_t start = text->find_first_not_of(" \t\r\n");
  return start != std::string::npos && (*text)[start] != '[' && (*text)[start] != '{';
}

std::string_view to_char_token(std::string_view token) {
  if (token == "hh") return "HH24";
  if (token == "mm") return "MI";
  if (token == "ss") return "SS";
  if (token == "W") return "IW";
  return token;  // YYYY, MM, DD, Q
}

}  // namespace

void PostgresDialect::quote(std::string& out, std::string_view identifier) const {
  quote_with(out, identifier, '"');
}

void PostgresDialect::placeholder(Rendering& out, const Value& value) const {
  out.params.push_back(value);
  char number[24];
  auto [end, error] = std::to_chars(number, number + sizeof number, out.params.size());
  out.text += '$';
  out.text.append(number, end);
}

void PostgresDialect::cast_to(Rendering& out, const Expr& expr, std::string_view type) const {
  out.text += "CAST(";
  render_expr(out, *expr, *this);
  out.text += " AS ";
  out.text += type;
  out.text += ')';
}

void PostgresDialect::like(Rendering& out, const Like& like) const {
  out.text += '(';
  cast_to(out, like.operand, "text");
  out.text += like.negated ? " NOT" : "";
  out.text += like.case_insensitive ? " ILIKE " : " LIKE ";
  placeholder(out, Value(like_pattern(like)));
  out.text += " ESCAPE '\\')";
}

// The argument as jsonb, or [] for what is no array.
void PostgresDialect::json_array(Rendering& out, const Expr& expr) const {
  if (std::holds_alternative<Param>(expr->node)) return cast_to(out, expr, "jsonb");
  out.text += "CASE WHEN jsonb_typeof(";
  cast_to(out, expr, "jsonb");
  out.text += ") = 'array' THEN ";
  cast_to(out, expr, "jsonb");
  out.text += " ELSE '[]'::jsonb END";
}

void PostgresDialect::json_call(Rendering& out, const Call& call) const {
  switch (call.fn) {
    case Fn::kJsonArrayLength:
      out.text += "jsonb_array_length(";
      json_array(out, call.args.at(0));
      out.text += ')';
      return;
    case Fn::kJsonArrayContains:
      if (is_json_scalar(call.args.at(1))) {
        out.text += "((";
        json_array(out, call.args.at(0));
        out.text += ") @> ";
        cast_to(out, call.args.at(1), "jsonb");
        out.text += ')';
        return;
      }
      out.text += "(EXISTS (SELECT 1 FROM jsonb_array_elements(";
      json_array(out, call.args.at(0));
      out.text += ") AS m(v) WHERE m.v = ";
      cast_to(out, call.args.at(1), "jsonb");
      out.text += "))";
      return;
    case Fn::kJsonArrayOverlaps:
      out.text += "(EXISTS (SELECT 1 FROM jsonb_array_elements(";
      json_array(out, call.args.at(0));
      out.text += ") AS m(v) WHERE m.v IN (SELECT n.v FROM jsonb_array_elements(";
      json_array(out, call.args.at(1));
      out.text += ") AS n(v))))";
      return;
    case Fn::kJsonArraySubset:
      out.text += "((";
      json_array(out, call.args.at(1));
      out.text += ") @> (";
      json_array(out, call.args.at(0));
      out.text += "))";
      return;
    case Fn::kJsonArraySameSet:
      out.text += "((";
      json_array(out, call.args.at(0));
      out.text += ") @> (";
      json_array(out, call.args.at(1));
      out.text += ") AND (";
      json_array(out, call.args.at(1));
      out.text += ") @> (";
      json_array(out, call.args.at(0));
      out.text += "))";
      return;
    case Fn::kJsonExtractText: {
      out.text += '(';
      cast_to(out, call.args.at(0), "jsonb");
      out.text += " #>> ";
      std::string path = "{";
      for (std::string_view part : split_path(literal_text(call.args.at(1)))) {
        if (path.size() > 1) path += ',';
        path += '"';
        for (char c : part) {
          if (c == '"' || c == '\\') path += '\\';
          path += c;
        }
        path += '"';
      }
      path += '}';
      quote_literal(out.text, path, false);
      out.text += ')';
      return;
    }
    default:
      throw std::logic_error("not a JSON function");
  }
}

void PostgresDialect::date_format(Rendering& out, const Call& call) const {
  out.text += "to_char(";
  cast_to(out, call.args.at(0), "timestamp");
  if (int64_t offset = call.args.size() > 2 ? literal_int(call.args[2]) : 0; offset != 0) {
    out.text += " + interval '" + std::to_string(offset) + " minutes'";
  }
  std::string format;
  for (const DatePart& part : date_parts(literal_text(call.args.at(1)))) {
    if (!part.token.empty()) {
      format += to_char_token(part.token);
      continue;
    }
    format += '"';
    for (char c : part.text) {
      if (c == '"' || c == '\\') format += '\\';
      format += c;
    }
    format += '"';
  }
  out.text += ", ";
  quote_literal(out.text, format, false);
  out.text += ')';
}

void PostgresDialect::call(Rendering& out, const Call& call) const {
  const auto& args = call.args;
  auto wrapped = [&](std::string_view before, std::string_view type, std::string_view after) {
    out.text += before;
    cast_to(out, args.at(0), type);
    out.text += after;
  };
  switch (call.fn) {
    case Fn::kCount:
      if (args.empty()) {
        out.text += "count(*)";
        return;
      }
      return call_simple(out, "count", args, *this);
    case Fn::kCountDistinct:
      // A row of several columns counts like one value; single columns need no row.
      out.text += args.size() > 1 ? "count(DISTINCT (" : "count(DISTINCT ";
      render_list(out, args, *this);
      out.text += args.size() > 1 ? "))" : ")";
      return;
    case Fn::kSum:
      return call_simple(out, "sum", args, *this);
    case Fn::kSumDistinct:
      out.text += "sum(DISTINCT ";
      render_list(out, args, *this);
      out.text += ')';
      return;
    case Fn::kAvg:
      return wrapped("avg(", "double precision", ")");
    case Fn::kAvgDistinct:
      return wrapped("avg(DISTINCT ", "double precision", ")");
    case Fn::kMin:
      return call_simple(out, "min", args, *this);
    case Fn::kMax:
      return call_simple(out, "max", args, *this);
    case Fn::kLower:
      return wrapped("lower(", "text", ")");
    case Fn::kUpper:
      return wrapped("upper(", "text", ")");
    case Fn::kLength:
      return wrapped("length(", "text", ")");
    case Fn::kCoalesce:
      return call_simple(out, "coalesce", args, *this);
    case Fn::kNow:
      out.text += "date_trunc('milliseconds', statement_timestamp())";
      return;
    case Fn::kJsonArrayLength:
    case Fn::kJsonArrayContains:
    case Fn::kJsonArrayOverlaps:
    case Fn::kJsonArraySubset:
    case Fn::kJsonArraySameSet:
    case Fn::kJsonExtractText:
      return json_call(out, call);
    case Fn::kJsonQuote:
      out.text += "CAST(to_jsonb(";
      render_list(out, args, *this);
      out.text += ") AS text)";
      return;
    case Fn::kAddMillis:
      out.text += '(';
      cast_to(out, args.at(0), "timestamp with time zone");
      out.text += " + ";
      cast_to(out, args.at(1), "bigint");
      out.text += " * interval '1 millisecond')";
      return;
    case Fn::kEpochMillis:
      wrapped("CAST(round(extract(epoch FROM ", "timestamp with time zone", ") * 1000) AS bigint)");
      return;
    case Fn::kDateFormat:
      return date_format(out, call);
    case Fn::kRegexMatch:
    case Fn::kRegexMatchCi:
      wrapped("(", "text", call.fn == Fn::kRegexMatch ? " ~ " : " ~* ");
      cast_to(out, args.at(1), "text");
      out.text += ')';
      return;
    case Fn::kAbs:
      return call_simple(out, "abs", args, *this);
    case Fn::kRound:
      // numeric rounds halves away from zero, as the other dialects do; double does not.
      wrapped("round(", "numeric", "");
      if (args.size() > 1) {
        out.text += ", ";
        cast_to(out, args[1], "integer");
      }
      out.text += ')';
      return;
    case Fn::kFloor:
      return call_simple(out, "floor", args, *this);
    case Fn::kCeil:
      return call_simple(out, "ceil", args, *this);
  }
  throw std::logic_error("an unknown function");
}

void PostgresDialect::cast(Rendering& out, const Cast& cast) const {
  cast_to(out, cast.operand, cast_type(cast.type));
}

void PostgresDialect::order(Rendering& out, const Order& order) const {
  render_expr(out, *order.expr, *this);
  if (order.descending) out.text += " DESC";
  // The server's own order is NULLS LAST ascending and NULLS FIRST descending. Left unsaid where
  // it is that order, so that plain indexes serve it.
  if (order.nulls == Nulls::kLast && order.descending) out.text += " NULLS LAST";
  if (order.nulls == Nulls::kFirst && !order.descending) out.text += " NULLS FIRST";
}

// As literals where that makes few texts (page sizes, the first pages): a prepared statement whose
// limit is a parameter is planned as if it returned a tenth of the table, or planned again each
// time.
void PostgresDialect::limit(Rendering& out, const std::optional<int64_t>& limit,
                            const std::optional<int64_t>& offset) const {
  constexpr int64_t kUsualLimit = 1000, kFirstPages = 10;
  if (limit) {
    out.text += " LIMIT ";
    if (*limit <= kUsualLimit) {
      out.text += std::to_string(*limit);
    } else {
      placeholder(out, Value(*limit));
    }
  }
  if (offset) {
    out.text += " OFFSET ";
    if (limit && *limit <= kUsualLimit && *offset <= kFirstPages * *limit &&
        *offset % std::max<int64_t>(*limit, 1) == 0) {
      out.text += std::to_string(*offset);
    } else {
      placeholder(out, Value(*offset));
    }
  }
}

void PostgresDialect::insert_tail(Rendering& out, const Insert& insert) const {
  standard_insert_tail(out, insert, *this);
}

std::string_view PostgresDialect::insert_verb(const Insert&) const { return "INSERT"; }

void PostgresDialect::table_name(Rendering& out, std::string_view schema,
                                 std::string_view name) const {
  if (!schema.empty()) {
    quote(out.text, schema);
    out.text += '.';
  }
  quote(out.text, name);
}

void PostgresDialect::concat(Rendering& out, const Binary& node) const {
  out.text += '(';
  cast_to(out, node.left, "text");
  out.text += " || ";
  cast_to(out, node.right, "text");
  out.text += ')';
}

void PostgresDialect::divide(Rendering& out, const Binary& node) const {
  out.text += '(';
  cast_to(out, node.left, "double precision");
  out.text += " / nullif(";
  cast_to(out, node.right, "double precision");
  out.text += ", 0))";
}

void PostgresDialect::lock(Rendering& out, const Select& query) const {
  out.text += " FOR UPDATE";
  // Only rows of the main table: those of an outer join may be absent and cannot be locked.
  if (!query.joins.empty()) {
    out.text += " OF ";
    quote(out.text, query.from.alias);
  }
  if (query.skip_locked) out.text += " SKIP LOCKED";
}

// Of one server process: after a failover the numbers may come again.
Expr PostgresDialect::snapshot_mark() const {
  static const Expr mark = literal("concat(txid_current_snapshot(), pg_postmaster_start_time())");
  return mark;
}

// "3 16/B374D848": timeline and place in the log. What is not flushed yet was not acknowledged,
// unless commits do not wait for that.
Statement PostgresDialect::commit_position() const {
  Statement statement;
  statement.text =
      "SELECT concat(('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int, "
      "' ', CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn() "
      "ELSE pg_current_wal_flush_lsn() END)";
  return statement;
}

// Who may not read pg_stat_wal_receiver sees a new timeline only with the next restart point. A
// server that is not in recovery follows nobody.
Statement PostgresDialect::replay_position() const {
  Statement statement;
  statement.text =
      "SELECT CASE WHEN pg_is_in_recovery() THEN concat(greatest("
      "(SELECT max(received_tli) FROM pg_stat_wal_receiver), "
      "(SELECT timeline_id FROM pg_control_checkpoint())), ' ', pg_last_wal_replay_lsn()) END";
  return statement;
}

namespace {

struct Position {
  int64_t timeline = 0;
  uint64_t place = 0;
};

std::optional<Position> parse_position(std::string_view text) {
  Position position;
  uint64_t high = 0, low = 0;
  const char* end = text.data() + text.size();
  auto [space, bad] = std::from_chars(text.data(), end, position.timeline);
  if (bad != std::errc() || space == end || *space != ' ') return std::nullopt;
  auto [slash, worse] = std::from_chars(space + 1, end, high, 16);
  if (worse != std::errc() || slash == end || *slash != '/') return std::nullopt;
  auto [last, worst] = std::from_chars(slash + 1, end, low, 16);
  if (worst != std::errc() || last != end || high > UINT32_MAX || low > UINT32_MAX)
    return std::nullopt;
  position.place = high << 32 | low;
  return position;
}

}  // namespace

// A replica that stayed on an old timeline may be further, on a way that nobody else went.
bool PostgresDialect::covers(std::string_view replayed, std::string_view wanted) const {
  const auto at = parse_position(replayed), goal = parse_position(wanted);
  return at && goal && at->timeline >= goal->timeline && at->place >= goal->place;
}

}  // namespace halcyon::sql::postgres

namespace halcyon::sql {
const Dialect& postgres_dialect() {
  static const postgres::PostgresDialect dialect;
  return dialect;
}
}  // namespace halcyon::sql
