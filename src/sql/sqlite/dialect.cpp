#include "sql/sqlite/dialect.h"

#include <stdexcept>

#include "sql/text_util.h"

namespace halcyon::sql::sqlite {

namespace {

// json_each rows m and n hold the same JSON value: 1 = 1.0, but 1, "1" and true differ.
constexpr std::string_view kSameMember =
    "m.value IS n.value AND (m.type = n.type OR (m.type IN ('integer', 'real') AND n.type IN "
    "('integer', 'real')))";

std::string_view strftime_token(std::string_view token) {
  if (token == "YYYY") return "%Y";
  if (token == "MM") return "%m";
  if (token == "DD") return "%d";
  if (token == "hh") return "%H";
  if (token == "mm") return "%M";
  if (token == "ss") return "%S";
  return {};
}

}  // namespace

void SqliteDialect::quote(std::string& out, std::string_view identifier) const {
  quote_with(out, identifier, '`');
}

void SqliteDialect::placeholder(Rendering& out, const Value& value) const {
  out.text += '?';
  const auto* text = std::get_if<std::string>(&value.data);
  if (text && value.type == Type::kTimestampTz) {
    std::string stored = utc_timestamp(*text);
    if (stored.size() == 23) stored += " +00:00";
    out.params.emplace_back(std::move(stored), value.type);
  } else if (text && value.type == Type::kTimestamp) {
    out.params.emplace_back(utc_timestamp(*text), value.type);
  } else {
    out.params.push_back(value);
  }
}

void SqliteDialect::like(Rendering& out, const Like& like) const {
  out.text += like.case_insensitive ? "(halcyon_fold(" : "(CAST(";
  render_expr(out, *like.operand, *this);
  out.text += like.case_insensitive ? ")" : " AS TEXT)";
  out.text += like.negated ? " NOT LIKE " : " LIKE ";
  if (like.case_insensitive) out.text += "halcyon_fold(";
  placeholder(out, Value(like_pattern(like)));
  if (like.case_insensitive) out.text += ')';
  out.text += " ESCAPE '\\')";
}

// The argument, or [] for what is no array. Text that is no JSON would be an error in JSON
// functions.
void SqliteDialect::json_array(Rendering& out, const Expr& expr) const {
  if (std::holds_alternative<Param>(expr->node)) return render_expr(out, *expr, *this);
  out.text += "CASE WHEN json_valid(";
  render_expr(out, *expr, *this);
  out.text += ") THEN CASE json_type(";
  render_expr(out, *expr, *this);
  out.text += ") WHEN 'array' THEN ";
  render_expr(out, *expr, *this);
  out.text += " ELSE '[]' END ELSE '[]' END";
}

// Every member of `part` is one of `whole`.
void SqliteDialect::json_subset(Rendering& out, const Expr& part, const Expr& whole) const {
  out.text += "NOT EXISTS (SELECT 1 FROM json_each(";
  json_array(out, part);
  out.text += ") AS m WHERE NOT EXISTS (SELECT 1 FROM json_each(";
  json_array(out, whole);
  out.text += ") AS n WHERE ";
  out.text += kSameMember;
  out.text += "))";
}

void SqliteDialect::json_text(Rendering& out, const Call& call) const {
  std::string path = json_path(literal_text(call.args.at(1)));
  auto part = [&](std::string_view function) {
    out.text += function;
    out.text += '(';
    render_expr(out, *call.args.at(0), *this);
    out.text += ", ";
    quote_literal(out.text, path, false);
    out.text += ')';
  };
  out.text += "CASE WHEN json_valid(";
  render_expr(out, *call.args.at(0), *this);
  out.text += ") THEN CASE ";
  part("json_type");
  out.text += " WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(";
  part("json_extract");
  out.text += " AS TEXT) END END";
}

void SqliteDialect::json_call(Rendering& out, const Call& call) const {
  switch (call.fn) {
    case Fn::kJsonArrayLength:
      out.text += "json_array_length(";
      json_array(out, call.args.at(0));
      out.text += ')';
      return;
    case Fn::kJsonArrayContains:
      // json_each of a scalar is one row; an array or object as the member is wrapped.
      out.text += "(EXISTS (SELECT 1 FROM json_each(";
      json_array(out, call.args.at(0));
      out.text += ") AS m, json_each(json_array(json(";
      render_expr(out, *call.args.at(1), *this);
      out.text += "))) AS n WHERE ";
      out.text += kSameMember;
      out.text += "))";
      return;
    case Fn::kJsonArrayOverlaps:
      out.text += "(EXISTS (SELECT 1 FROM json_each(";
      json_array(out, call.args.at(0));
      out.text += ") AS m, json_each(";
      json_array(out, call.args.at(1));
      out.text += ") AS n WHERE ";
      out.text += kSameMember;
      out.text += "))";
      return;
    case Fn::kJsonArraySubset:
      out.text += '(';
      json_subset(out, call.args.at(0), call.args.at(1));
      out.text += ')';
      return;
    case Fn::kJsonArraySameSet:
      out.text += '(';
      json_subset(out, call.args.at(0), call.args.at(1));
      out.text += " AND ";
      json_subset(out, call.args.at(1), call.args.at(0));
      out.text += ')';
      return;
    case Fn::kJsonExtractText:
      return json_text(out, call);
    default:
      throw std::logic_error("not a JSON function");
  }
}

void SqliteDialect::date_format(Rendering& out, const Call& call) const {
  int64_t offset = call.args.size() > 2 ? literal_int(call.args[2]) : 0;
  std::string shift = offset == 0 ? "" : ", '" + std::to_string(offset) + " minutes'";
  auto strftime = [&](std::string_view format, std::string_view more) {
    out.text += "strftime(";
    quote_literal(out.text, format, false);
    out.text += ", ";
    render_expr(out, *call.args.at(0), *this);
    out.text += shift;
    out.text += more;
    out.text += ')';
  };
  std::string pending;  // format of a run of tokens that strftime knows
  bool first = true;
  auto separate = [&] {
    if (!first) out.text += " || ";
    first = false;
  };
  auto flush = [&] {
    if (pending.empty()) return;
    separate();
    strftime(pending, "");
    pending.clear();
  };
  out.text += '(';
  for (const DatePart& part : date_parts(literal_text(call.args.at(1)))) {
    if (part.token == "Q") {
      flush();
      separate();
      out.text += "((CAST(";
      strftime("%m", "");
      out.text += " AS INTEGER) + 2) / 3)";
    } else if (part.token == "W") {
      flush();
      separate();
      // The ISO week is the week of the year in which its Thursday lies.
      out.text += "printf('%02d', (CAST(";
      strftime("%j", ", '-3 days', 'weekday 4'");
      out.text += " AS INTEGER) - 1) / 7 + 1)";
    } else if (!part.token.empty()) {
      pending += strftime_token(part.token);
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

void SqliteDialect::call(Rendering& out, const Call& call) const {
  const auto& args = call.args;
  auto distinct = [&](std::string_view before) {
    out.text += before;
    render_list(out, args, *this);
    out.text += ')';
  };
  switch (call.fn) {
    case Fn::kCount:
      if (args.empty()) {
        out.text += "count(*)";
        return;
      }
      return call_simple(out, "count", args, *this);
    case Fn::kCountDistinct:
      if (args.size() < 2) return distinct("count(DISTINCT ");
      // One value out of several columns; json_array keeps their types and bounds apart.
      distinct("count(DISTINCT json_array(");
      out.text += ')';
      return;
    case Fn::kSum:
      return call_simple(out, "sum", args, *this);
    case Fn::kSumDistinct:
      return distinct("sum(DISTINCT ");
    case Fn::kAvg:
      return call_simple(out, "avg", args, *this);
    case Fn::kAvgDistinct:
      return distinct("avg(DISTINCT ");
    case Fn::kMin:
      return call_simple(out, "min", args, *this);
    case Fn::kMax:
      return call_simple(out, "max", args, *this);
    case Fn::kLower:
      return call_simple(out, "halcyon_lower", args, *this);
    case Fn::kUpper:
      return call_simple(out, "halcyon_upper", args, *this);
    case Fn::kLength:
      return call_simple(out, "length", args, *this);
    case Fn::kCoalesce:
      if (args.size() == 1) return render_expr(out, *args.front(), *this);
      return call_simple(out, "coalesce", args, *this);
    case Fn::kNow:
      out.text += "(strftime('%Y-%m-%d %H:%M:%f', 'now') || ' +00:00')";
      return;
    case Fn::kJsonArrayLength:
    case Fn::kJsonArrayContains:
    case Fn::kJsonArrayOverlaps:
    case Fn::kJsonArraySubset:
    case Fn::kJsonArraySameSet:
    case Fn::kJsonExtractText:
      return json_call(out, call);
    case Fn::kJsonQuote:
      return call_simple(out, "json_quote", args, *this);
    case Fn::kAddMillis:
      out.text += "(strftime('%Y-%m-%d %H:%M:%f', ";
      render_expr(out, *args.at(0), *this);
      out.text += ", (CAST(";
      render_expr(out, *args.at(1), *this);
      out.text += " AS REAL) / 1000) || ' seconds') || ' +00:00')";
      return;
    case Fn::kEpochMillis:
      out.text += "CAST(round((julianday(";
      render_expr(out, *args.at(0), *this);
      out.text += ") - 2440587.5) * 86400000) AS INTEGER)";
      return;
    case Fn::kDateFormat:
      return date_format(out, call);
    case Fn::kRegexMatch:
    case Fn::kRegexMatchCi:
      out.text += "halcyon_regexp(";
      render_expr(out, *args.at(1), *this);
      out.text += ", ";
      render_expr(out, *args.at(0), *this);
      out.text += call.fn == Fn::kRegexMatch ? ", 0)" : ", 1)";
      return;
    case Fn::kAbs:
      return call_simple(out, "abs", args, *this);
    case Fn::kRound:
      return call_simple(out, "round", args, *this);
    case Fn::kFloor:
      return call_simple(out, "floor", args, *this);
    case Fn::kCeil:
      return call_simple(out, "ceil", args, *this);
  }
  throw std::logic_error("an unknown function");
}

void SqliteDialect::cast(Rendering& out, const Cast& cast) const {
  auto wrapped = [&](std::string_view before, std::string_view after) {
    out.text += before;
    render_expr(out, *cast.operand, *this);
    out.text += after;
  };
  switch (cast.type) {
    case Type::kBoolean:
      return wrapped("(CAST(", " AS INTEGER) <> 0)");
    case Type::kInt32:
    case Type::kInt64:
      return wrapped("CAST(", " AS INTEGER)");
    case Type::kReal:
    case Type::kDouble:
      return wrapped("CAST(", " AS REAL)");
    case Type::kDecimal:
      return wrapped("(CAST(", " AS TEXT) COLLATE HALCYON_DECIMAL)");
    case Type::kText:
    case Type::kJson:
    case Type::kJsonb:
    case Type::kUuid:
      return wrapped("CAST(", " AS TEXT)");
    case Type::kBytes:
      return wrapped("CAST(", " AS BLOB)");
    case Type::kDate:
      return wrapped("date(", ")");
    case Type::kTime:
      return wrapped("time(", ")");
    case Type::kTimestamp:
      return wrapped("strftime('%Y-%m-%d %H:%M:%f', ", ")");
    case Type::kTimestampTz:
      return wrapped("(strftime('%Y-%m-%d %H:%M:%f', ", ") || ' +00:00')");
    case Type::kUnknown:
      break;
  }
  throw std::logic_error("a cast to no type");
}

void SqliteDialect::order(Rendering& out, const Order& order) const {
  render_expr(out, *order.expr, *this);
  if (order.descending) out.text += " DESC";
  // Its own order is NULLS FIRST ascending and NULLS LAST descending.
  if (order.nulls == Nulls::kLast && !order.descending) out.text += " NULLS LAST";
  if (order.nulls == Nulls::kFirst && order.descending) out.text += " NULLS FIRST";
}

void SqliteDialect::limit(Rendering& out, const std::optional<int64_t>& limit,
                          const std::optional<int64_t>& offset) const {
  if (limit) {
    out.text += " LIMIT ";
    placeholder(out, Value(*limit));
  } else if (offset) {
    out.text += " LIMIT -1";
  }
  if (offset) {
    out.text += " OFFSET ";
    placeholder(out, Value(*offset));
  }
}

void SqliteDialect::insert_tail(Rendering& out, const Insert& insert) const {
  standard_insert_tail(out, insert, *this);
}

std::string_view SqliteDialect::insert_verb(const Insert&) const { return "INSERT"; }

void SqliteDialect::divide(Rendering& out, const Binary& node) const {
  out.text += "(CAST(";
  render_expr(out, *node.left, *this);
  out.text += " AS REAL) / ";
  render_expr(out, *node.right, *this);
  out.text += ')';
}

void SqliteDialect::lock(Rendering&, const Select&) const {}  // the only writer sees no other

}  // namespace halcyon::sql::sqlite

namespace halcyon::sql {
const Dialect& sqlite_dialect() {
  static const sqlite::SqliteDialect dialect;
  return dialect;
}
}  // namespace halcyon::sql
