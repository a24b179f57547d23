#include "data/read/date_filter.h"

#include <algorithm>

#include "base/time.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

using sql::BinaryOp;
using sql::Expr;

// [start, end) in the column's own time: UTC for instants, wall clock for columns without a zone.
struct Bounds {
  int64_t start = 0, end = 0;
  bool is_instant = false;
};

bool is_offset(const json::Value& v) {
  return v.is_string() && parse_utc_offset(json::as_view(v)).has_value();
}

class DateBuilder {
 public:
  DateBuilder(const Call& call, const Subject& subject, Op op)
      : call_(call), subject_(subject), op_(op), type_(subject.field->storage.type) {}

  Result<Expr> build(const json::Value& operand) {
    TRY(const Bounds b, bounds(operand));
    if (b.is_instant && op_ != Op::kDateBetween) return instant(b.start);
    TRY(Expr start, value(ceil(b.start)));
    TRY(Expr end, value(ceil(b.end)));
    switch (op_) {
      case Op::kDateOn:
      case Op::kDateBetween:
        return sql::all_of({compare(BinaryOp::kGe, start), compare(BinaryOp::kLt, end)});
      case Op::kDateNotOn:
        return sql::any_of({compare(BinaryOp::kLt, start), compare(BinaryOp::kGe, end)});
      case Op::kDateBefore:
        return compare(BinaryOp::kLt, start);
      case Op::kDateNotBefore:
        return compare(BinaryOp::kGe, start);
      case Op::kDateAfter:
        return compare(BinaryOp::kGe, end);
      default:
        return compare(BinaryOp::kLt, end);  // $dateNotAfter
    }
  }

 private:
  std::unexpected<Error> bad() const {
    return bad_operand(subject_.path, op_, "a date, a period or a range of them");
  }
  Expr compare(BinaryOp op, const Expr& bound) const {
    return sql::binary(op, subject_.expr, bound);
  }

  Result<Expr> instant(int64_t t) {
    TRY(Expr at, value(t));
    switch (op_) {
      case Op::kDateOn:
        return compare(BinaryOp::kEq, at);
      case Op::kDateNotOn:
        return compare(BinaryOp::kNe, at);
      case Op::kDateBefore:
        return compare(BinaryOp::kLt, at);
      case Op::kDateNotBefore:
        return compare(BinaryOp::kGe, at);
      case Op::kDateAfter:
        return compare(BinaryOp::kGt, at);
      default:
        return compare(BinaryOp::kLe, at);
    }
  }

  bool zoned() const { return type_ != sql::Type::kTimestamp && type_ != sql::Type::kDate; }
  int64_t step() const {
    if (type_ == sql::Type::kDate) return kDayMs;
    const bool seconds =
        type_ == sql::Type::kInt64 &&
        json::get_string(subject_.field->options, "accuracy", "second") == "second";
    return seconds ? 1000 : 1;
  }
  // The first value the column can hold that is not before `ms`.
  int64_t ceil(int64_t ms) const {
    const int64_t unit = step();
    const int64_t rest = ((ms % unit) + unit) % unit;
    return rest == 0 ? ms : ms + unit - rest;
  }

  Result<Expr> value(int64_t ms) const {
    // Year 1 to year 10000, exclusive of what no dialect can hold.
    constexpr int64_t kFirst = -62135596800000, kLast = 253402300800000;
    if (ms < kFirst) ms = kFirst;
    if (ms >= kLast) ms = kLast - kDayMs;
    switch (type_) {
      case sql::Type::kDate:
        return sql::param(sql::Value(format_date(ms), type_));
      case sql::Type::kInt64: {
        const int64_t unit = step();
        const int64_t rest = ((ms % unit) + unit) % unit;
        return sql::param(sql::Value((ms - rest) / unit));
      }
      case sql::Type::kTimestamp:
      case sql::Type::kTimestampTz:
        return sql::param(sql::Value(format_sql(ms), type_));
      default:
        return not_applicable(subject_.path, op_, subject_.field->type, "a date field");
    }
  }

  // Zone of values that name none: the field's own, else the caller's.
  int field_offset() const {
    const std::string zone = json::get_string(subject_.field->options, "timezone", "client");
    if (zone == "server") return 0;
    if (zone == "client" || zone.empty()) return call_.ctx.utc_offset_minutes;
    return parse_utc_offset(zone).value_or(call_.ctx.utc_offset_minutes);
  }

  int64_t to_column(int64_t ms, bool is_instant, std::optional<int> offset) const {
    if (zoned()) return is_instant ? ms : ms - offset.value_or(field_offset()) * kMinuteMs;
    return is_instant ? ms + call_.ctx.utc_offset_minutes * kMinuteMs : ms;
  }
  Bounds to_bounds(const DateValue& v, std::optional<int> offset) const {
    const std::optional<int> zone = v.offset ? v.offset : offset;
    return {to_column(v.start, v.is_instant, zone), to_column(v.end, v.is_instant, zone),
            v.is_instant};
  }

  Result<Bounds> bounds(const json::Value& operand) {
    if (operand.is_array()) return range(operand.get_array());
    if (operand.is_string()) {
      const std::string_view text = trim(json::as_view(operand));
      if (text.starts_with('[') || text.starts_with('(')) return range_text(text);
    }
    return one(operand, std::nullopt);
  }

  Result<Bounds> one(const json::Value& v, std::optional<int> offset) {
    if (v.is_object()) return relative(v.get_object());
    if (v.is_number()) {  // a year, or milliseconds
      if (!v.is_int64()) return bad();
      const int64_t number = v.get_int64();
      if (number >= 1 && number <= 9999) return text(std::to_string(number), offset);
      return Bounds{to_column(number, true, {}), to_column(number, true, {}), true};
    }
    if (!v.is_string()) return bad();
    return text(json::as_view(v), offset);
  }

  Result<Bounds> text(std::string_view text, std::optional<int> offset) {
    Result<DateValue> value = parse_date_value(trim(text));
    if (!value) return bad();
    return to_bounds(*value, offset);
  }

  Result<Bounds> relative(const json::Object& object) {
    const std::string type = json::get_string(object, "type");
    const std::string unit = json::get_string(object, "unit", "day");
    const int64_t civil_now = now_ms() + field_offset() * kMinuteMs;
    Result<DateValue> value = period_of(type, json::get_int(object, "number", 1), unit, civil_now);
    if (!value) return bad();
    return to_bounds(*value, std::nullopt);
  }

  // [start, end], [start, end, "[)"], [start, end, "[)", "+08:00"], [start, end, "+08:00"]
  Result<Bounds> range(const json::Array& list) {
    if (list.size() < 2 || list.size() > 4) return bad();
    std::string brackets = "[]";
    std::optional<int> offset;
    for (size_t i = 2; i < list.size(); ++i) {
      if (list[i].is_null()) continue;
      if (!list[i].is_string()) return bad();
      const std::string_view text = json::as_view(list[i]);
      if (text == "[]" || text == "[)" || text == "(]" || text == "()")
        brackets = text;
      else if (is_offset(list[i]))
        offset = parse_utc_offset(text);
      else
        return bad();
    }
    return join_range(list[0], list[1], brackets, offset);
  }

  // "[a,b)"
  Result<Bounds> range_text(std::string_view text) {
    const bool closed = text.ends_with(']') || text.ends_with(')');
    const size_t comma = text.find(',');
    if (!closed || comma == std::string_view::npos) return bad();
    const std::string brackets{text.front(), text.back()};
    const json::Value from(trim(text.substr(1, comma - 1)));
    const json::Value to(trim(text.substr(comma + 1, text.size() - comma - 2)));
    return join_range(from, to, brackets, std::nullopt);
  }

  Result<Bounds> join_range(const json::Value& from, const json::Value& to,
                            std::string_view brackets, std::optional<int> offset) {
    TRY(Bounds first, one(from, offset));
    TRY(Bounds last, one(to, offset));
    if (first.is_instant) first.end = first.start + 1;
    if (last.is_instant) last.end = last.start + 1;
    return Bounds{brackets[0] == '[' ? first.start : first.end,
                  brackets[1] == ']' ? last.end : last.start, false};
  }

  const Call& call_;
  const Subject& subject_;
  Op op_;
  sql::Type type_;
};

}  // namespace

bool is_date_operator(Op op) { return op >= Op::kDateOn && op <= Op::kDateBetween; }

Result<sql::Expr> build_date_predicate(const Call& call, const Subject& subject, Op op,
                                       const json::Value& operand) {
  return DateBuilder(call, subject, op).build(operand);
}

}  // namespace halcyon::data
