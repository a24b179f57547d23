#include "data/read/predicate.h"

#include <re2/re2.h>

#include <algorithm>

#include "data/read/date_filter.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

using schema::Family;
using sql::BinaryOp;
using sql::Expr;

constexpr size_t kMaxPattern = 512;
constexpr std::string_view kJsonNumber = "^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$";

class Builder {
 public:
  Builder(const Call& call, const Subject& subject, Op op)
      : call_(call), subject_(subject), op_(op), family_(subject.field->kind->family()) {}

  Result<Expr> build(const json::Value& v) {
    if (!subject_.json_path.empty()) family_ = Family::kText;
    if (is_date_operator(op_)) {
      const bool date = family_ == Family::kDateTime || family_ == Family::kDateOnly;
      if (!date) return inapplicable("a date field");
      return build_date_predicate(call_, subject_, op_, v);
    }
    switch (op_) {
      case Op::kEq:
        return equal(v);
      case Op::kNe:
        return not_equal(v);
      case Op::kIn:
        return in_list(v, false);
      case Op::kNotIn:
        return not_in_or_null(v);
      case Op::kGt:
        return compare(BinaryOp::kGt, v);
      case Op::kGte:
        return compare(BinaryOp::kGe, v);
      case Op::kLt:
        return compare(BinaryOp::kLt, v);
      case Op::kLte:
        return compare(BinaryOp::kLe, v);
      case Op::kBetween:
        return between(v, false);
      case Op::kNotBetween:
        return between(v, true);
      case Op::kNot:
        return is_not(v);
      case Op::kIs:
        return is(v);
      case Op::kEmpty:
        return empty(false);
      case Op::kNotEmpty:
        return empty(true);
      case Op::kExists:
        return sql::is_not_null(subject_.expr);
      case Op::kNotExists:
        return sql::is_null(subject_.expr);
      case Op::kIsTruly:
        return truth(v, true);
      case Op::kIsFalsy:
        return truth(v, false);
      case Op::kIsCurrentUser:
        return current_user(false);
      case Op::kIsNotCurrentUser:
        return current_user(true);
      case Op::kIsVar:
        return state_variable(v);
      case Op::kRegexp:
        return regex(v, false, false);
      case Op::kNotRegexp:
        return regex(v, false, true);
      case Op::kIRegexp:
        return regex(v, true, false);
      case Op::kNotIRegexp:
        return regex(v, true, true);
      case Op::kMatch:
      case Op::kNotMatch:
      case Op::kAnyOf:
      case Op::kNoneOf:
      case Op::kArrayEmpty:
      case Op::kArrayNotEmpty:
      case Op::kContains:
      case Op::kContained:
      case Op::kOverlap:
        return array(v);
      case Op::kChildIn:
      case Op::kChildNotIn:
        return inapplicable("a collection with inheritance");
      default:
        return like(v);
    }
  }

 private:
  bool scalar_family() const {
    return family_ == Family::kText || family_ == Family::kNumber || family_ == Family::kBoolean ||
           family_ == Family::kDateTime || family_ == Family::kDateOnly || family_ == Family::kTime;
  }
  std::unexpected<Error> inapplicable(std::string_view expected = "") const {
    return not_applicable(subject_.path, op_, subject_.field->type, expected);
  }
  std::unexpected<Error> bad(std::string_view expected) const {
    return bad_operand(subject_.path, op_, expected);
  }

  // One scalar operand as a parameter.
  Result<Expr> operand(const json::Value& v) {
    if (v.is_null() || v.is_object() || v.is_array()) return bad("a single value");
    if (!subject_.json_path.empty()) {
      // Text found in JSON is compared as text: strings as they are, the rest as JSON prints it.
      return sql::param(v.is_string() ? sql::Value(json::as_view(v)) : sql::Value(json::dump(v)));
    }
    const schema::ValueContext vc(call_.ctx.utc_offset_minutes);
    Result<sql::Value> value = subject_.field->kind->parse_operand(*subject_.field, v, vc);
    if (!value) return std::unexpected(std::move(value.error()).with_field(subject_.path));
    return sql::param(*std::move(value));
  }

  Result<Expr> equal(const json::Value& v) {
    if (v.is_null()) return sql::is_null(subject_.expr);
    if (v.is_array()) return in_list(v, false);
    if (!scalar_family()) return inapplicable(array_hint());
    TRY(Expr value, operand(v));
    return sql::eq(subject_.expr, std::move(value));
  }

  Result<Expr> not_equal(const json::Value& v) {
    if (v.is_null()) return sql::is_not_null(subject_.expr);
    if (v.is_array()) return in_list(v, true);
    if (!scalar_family()) return inapplicable(array_hint());
    TRY(Expr value, operand(v));
    return or_null(sql::binary(BinaryOp::kNe, subject_.expr, std::move(value)));
  }

  Expr or_null(Expr e) const { return sql::any_of({std::move(e), sql::is_null(subject_.expr)}); }
  std::string_view array_hint() const {
    return family_ == Family::kArray ? "$match, $anyOf or $noneOf" : "";
  }

  // IN; a null in the list means IS NULL, a scalar is a list of one, null an empty list.
  Result<Expr> in_list(const json::Value& v, bool negated) {
    if (!scalar_family()) return inapplicable(array_hint());
    std::vector<Expr> list;
    bool has_null = false;
    if (v.is_array()) {
      list.reserve(v.get_array().size());
      for (const json::Value& item : v.get_array()) {
        if (item.is_null()) {
          has_null = true;
          continue;
        }
        TRY(Expr value, operand(item));
        list.push_back(std::move(value));
      }
    } else if (!v.is_null()) {
      TRY(Expr value, operand(v));
      list.push_back(std::move(value));
    }
    if (negated) {
      if (list.empty()) return has_null ? sql::is_not_null(subject_.expr) : sql::boolean(true);
      Expr out = sql::make(sql::In{subject_.expr, std::move(list), true});
      if (!has_null) return out;
      return sql::all_of({sql::is_not_null(subject_.expr), std::move(out)});
    }
    if (list.empty()) return has_null ? sql::is_null(subject_.expr) : sql::boolean(false);
    Expr in = sql::make(sql::In{subject_.expr, std::move(list), false});
    return has_null ? or_null(std::move(in)) : in;
  }

  // $notIn: rows with NULL match too, unless the list itself holds null.
  Result<Expr> not_in_or_null(const json::Value& v) {
    TRY(Expr in, in_list(v, true));
    if (std::holds_alternative<sql::BoolLiteral>(in->node)) return in;
    const bool has_null = v.is_array() && std::ranges::any_of(v.get_array(), [](const auto& i) {
                            return i.is_null();
                          });
    return has_null ? Result<Expr>(std::move(in)) : or_null(std::move(in));
  }

  Result<Expr> compare(BinaryOp op, const json::Value& v) {
    const bool ordered = scalar_family() && family_ != Family::kBoolean;
    if (!ordered) return inapplicable();
    TRY(Expr value, operand(v));
    TRY(Expr left, comparable(v));
    if (!subject_.json_path.empty() && v.is_number())
      value = sql::param(sql::Value(v.to_number<double>()));
    return sql::binary(op, std::move(left), std::move(value));
  }

  // Text inside JSON compared with a number: only text that is a number counts.
  Result<Expr> comparable(const json::Value& v) {
    if (subject_.json_path.empty() || !v.is_number()) return subject_.expr;
    sql::Case number;
    number.when.emplace_back(
        sql::call(sql::Fn::kRegexMatch, {subject_.expr, sql::param(sql::Value(kJsonNumber))}),
        sql::make(sql::Cast{subject_.expr, sql::Type::kDouble}));
    return sql::make(std::move(number));
  }

  Result<Expr> between(const json::Value& v, bool negated) {
    if (!v.is_array() || v.get_array().size() != 2) return bad("a list of two values");
    TRY(Expr from, compare(negated ? BinaryOp::kLt : BinaryOp::kGe, v.get_array()[0]));
    TRY(Expr to, compare(negated ? BinaryOp::kGt : BinaryOp::kLe, v.get_array()[1]));
    std::vector<Expr> both{std::move(from), std::move(to)};
    return negated ? sql::any_of(std::move(both)) : sql::all_of(std::move(both));
  }

  // Raw $not below a field: IS NOT for null and booleans, NOT IN for lists, <> else.
  Result<Expr> is_not(const json::Value& v) {
    if (v.is_null()) return sql::is_not_null(subject_.expr);
    if (v.is_array()) return in_list(v, true);
    if (!scalar_family()) return inapplicable(array_hint());
    TRY(Expr value, operand(v));
    Expr differs = sql::binary(BinaryOp::kNe, subject_.expr, std::move(value));
    return v.is_bool() ? or_null(std::move(differs)) : differs;
  }

  Result<Expr> is(const json::Value& v) {
    if (v.is_null()) return sql::is_null(subject_.expr);
    if (!scalar_family()) return inapplicable(array_hint());
    TRY(Expr value, operand(v));
    Expr same = sql::eq(subject_.expr, std::move(value));
    // IS TRUE is never NULL, so that its negation matches rows with NULL.
    if (!v.is_bool()) return same;
    return sql::all_of({sql::is_not_null(subject_.expr), std::move(same)});
  }

  Result<Expr> empty(bool negated) {
    std::vector<Expr> parts;
    parts.push_back(negated ? sql::is_not_null(subject_.expr) : sql::is_null(subject_.expr));
    const bool plain_text =
        family_ == Family::kText &&
        (!subject_.json_path.empty() || subject_.field->storage.type == sql::Type::kText);
    if (plain_text) {
      parts.push_back(sql::binary(negated ? BinaryOp::kNe : BinaryOp::kEq, subject_.expr,
                                  sql::param(sql::Value(""))));
    } else if (family_ == Family::kArray) {
      parts.push_back(length_is(negated));
    }
    if (parts.size() == 1) return parts.front();
    return negated ? sql::all_of(std::move(parts)) : sql::any_of(std::move(parts));
  }

  Expr length_is(bool more_than_zero) const {
    return sql::binary(more_than_zero ? BinaryOp::kGt : BinaryOp::kEq,
                       sql::call(sql::Fn::kJsonArrayLength, {subject_.expr}),
                       sql::param(sql::Value(0)));
  }

  Result<Expr> truth(const json::Value& v, bool truly) {
    if (family_ != Family::kBoolean) return inapplicable("a boolean field");
    const std::optional<bool> flag = as_flag(v);
    if (!flag) return bad("true or false");
    Expr same = sql::eq(subject_.expr, sql::param(sql::Value(truly == *flag)));
    if (truly == *flag) return sql::all_of({sql::is_not_null(subject_.expr), std::move(same)});
    return or_null(std::move(same));
  }

  Result<Expr> current_user(bool negated) {
    json::Value id = call_.caller.user_id.value_or(-1);
    return negated ? not_equal(id) : equal(id);
  }

  Result<Expr> state_variable(const json::Value& v) {
    if (!v.is_string()) return bad("the path of a variable, e.g. currentUser.id");
    TRY(json::Value value, resolve_state_path(json::as_view(v)));
    return equal(value);
  }
  Result<json::Value> resolve_state_path(std::string_view path) const {
    constexpr std::string_view kUser = "currentUser.";
    if (path == "currentRole") return json::Value(call_.caller.role);
    if (!path.starts_with(kUser)) return bad("the path of a variable, e.g. currentUser.id");
    path.remove_prefix(kUser.size());
    if (path == "id") {
      if (!call_.caller.user_id) return json::Value(-1);
      return json::Value(*call_.caller.user_id);
    }
    const json::Value user(call_.caller.user);
    const json::Value* found = json::find(user, path);
    return found == nullptr ? json::Value(json::Array{}) : *found;
  }

  // The column as text; numbers and uuids are cast, dates and JSON are refused.
  Result<Expr> as_text() {
    const bool text = family_ == Family::kText || family_ == Family::kNumber;
    if (!text) return inapplicable("a text field");
    const bool plain =
        !subject_.json_path.empty() || subject_.field->storage.type == sql::Type::kText;
    return plain ? subject_.expr : sql::make(sql::Cast{subject_.expr, sql::Type::kText});
  }

  struct LikeOp {
    sql::LikeKind kind;
    bool ci, negated;
  };
  LikeOp like_op() const {
    using sql::LikeKind;
    switch (op_) {
      case Op::kIncludes:
        return {LikeKind::kContains, true, false};
      case Op::kNotIncludes:
        return {LikeKind::kContains, true, true};
      case Op::kStartsWith:
        return {LikeKind::kStartsWith, true, false};
      case Op::kNotStartsWith:
        return {LikeKind::kStartsWith, true, true};
      case Op::kEndWith:
        return {LikeKind::kEndsWith, true, false};
      case Op::kNotEndWith:
        return {LikeKind::kEndsWith, true, true};
      case Op::kSubstring:
        return {LikeKind::kContains, false, false};
      case Op::kEndsWith:
        return {LikeKind::kEndsWith, false, false};
      case Op::kLike:
        return {LikeKind::kPattern, false, false};
      case Op::kNotLike:
        return {LikeKind::kPattern, false, true};
      case Op::kILike:
        return {LikeKind::kPattern, true, false};
      default:
        return {LikeKind::kPattern, true, true};  // $notILike
    }
  }

  Result<Expr> like(const json::Value& v) {
    const LikeOp how = like_op();
    if (v.is_null())
      return how.negated ? sql::is_not_null(subject_.expr) : sql::is_null(subject_.expr);
    TRY(Expr text, as_text());
    if (!v.is_array()) return like_one(text, v, how);
    std::vector<Expr> parts;
    for (const json::Value& item : v.get_array()) {
      TRY(Expr part, like_one(text, item, how));
      parts.push_back(std::move(part));
    }
    return how.negated ? sql::all_of(std::move(parts)) : sql::any_of(std::move(parts));
  }

  Result<Expr> like_one(const Expr& text, const json::Value& v, LikeOp how) {
    if (v.is_null() || v.is_object() || v.is_array()) return bad("text or a list of texts");
    sql::Like like;
    like.operand = text;
    like.needle = v.is_string() ? std::string(json::as_view(v)) : json::dump(v);
    if (like.needle.size() > 4096 || like.needle.find('\0') != std::string::npos)
      return bad("text of at most 4096 bytes");
    like.kind = how.kind;
    like.case_insensitive = how.ci;
    like.negated = how.negated;
    return sql::make(std::move(like));
  }

  Result<Expr> regex(const json::Value& v, bool ci, bool negated) {
    if (!v.is_string()) return bad("a regular expression");
    const std::string pattern(json::as_view(v));
    RE2::Options quiet;
    quiet.set_log_errors(false);
    const bool usable = !pattern.empty() && pattern.size() <= kMaxPattern &&
                        pattern.find('\0') == std::string::npos && RE2(pattern, quiet).ok();
    if (!usable) return bad("a regular expression of at most 512 bytes");
    TRY(Expr text, as_text());
    Expr match = sql::call(ci ? sql::Fn::kRegexMatchCi : sql::Fn::kRegexMatch,
                           {std::move(text), sql::param(sql::Value(pattern))});
    return negated ? sql::negate(std::move(match)) : match;
  }

  // Operators on lists. NULL is no list: only $noneOf and $arrayEmpty match it.
  Result<Expr> array(const json::Value& v) {
    if (family_ != Family::kArray && family_ != Family::kJson) return inapplicable("a list field");
    if (op_ == Op::kArrayEmpty) return length_is(false);
    if (op_ == Op::kArrayNotEmpty) return length_is(true);
    if (v.is_object() || (v.is_null() && op_ != Op::kMatch && op_ != Op::kNotMatch))
      return bad("a list");
    if (v.is_null()) {
      return op_ == Op::kMatch ? sql::is_null(subject_.expr) : sql::is_not_null(subject_.expr);
    }
    json::Array members;
    if (v.is_array())
      members = v.get_array();
    else
      members.push_back(v);
    for (const json::Value& member : members)
      if (member.is_object() || member.is_array()) return bad("a list of single values");
    Expr some = sql::is_not_null(subject_.expr);
    const Expr list = sql::param(sql::Value(json::dump(members), sql::Type::kJsonb));
    switch (op_) {
      case Op::kMatch:
        return sql::all_of(
            {std::move(some), sql::call(sql::Fn::kJsonArraySameSet, {subject_.expr, list})});
      case Op::kNotMatch:
        return sql::all_of({std::move(some), sql::negate(sql::call(sql::Fn::kJsonArraySameSet,
                                                                   {subject_.expr, list}))});
      case Op::kAnyOf:
      case Op::kOverlap:
        if (members.empty()) return sql::boolean(false);
        return sql::all_of(
            {std::move(some), sql::call(sql::Fn::kJsonArrayOverlaps, {subject_.expr, list})});
      case Op::kNoneOf:
        if (members.empty()) return sql::boolean(true);
        return or_null(sql::negate(sql::call(sql::Fn::kJsonArrayOverlaps, {subject_.expr, list})));
      case Op::kContains:
        return contains_all(std::move(some), members);
      default:  // $contained
        return sql::all_of(
            {std::move(some), sql::call(sql::Fn::kJsonArraySubset, {subject_.expr, list})});
    }
  }

  Result<Expr> contains_all(Expr some, const json::Array& members) {
    std::vector<Expr> parts{std::move(some)};
    for (const json::Value& member : members) {
      parts.push_back(sql::call(sql::Fn::kJsonArrayContains,
                                {subject_.expr, sql::param(sql::Value(json::dump(member)))}));
    }
    return sql::all_of(std::move(parts));
  }

  const Call& call_;
  const Subject& subject_;
  Op op_;
  Family family_;
};

}  // namespace

std::unexpected<Error> not_applicable(std::string_view path, Op op, std::string_view type,
                                      std::string_view expected) {
  return fail(Error(Code::kInvalidArgument, "OPERATOR_NOT_APPLICABLE",
                    "Operator \"" + std::string(operator_name(op)) + "\" does not apply to \"" +
                        std::string(path) + "\", a field of type " + std::string(type))
                  .with_field(std::string(path))
                  .with_expected(std::string(expected)));
}

std::unexpected<Error> bad_operand(std::string_view path, Op op, std::string_view expected) {
  return fail(Error(Code::kInvalidArgument, "INVALID_VALUE",
                    "Operator \"" + std::string(operator_name(op)) + "\" on \"" +
                        std::string(path) + "\" needs " + std::string(expected))
                  .with_field(std::string(path))
                  .with_expected(std::string(expected)));
}

std::optional<bool> as_flag(const json::Value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_int64() && (value.get_int64() == 0 || value.get_int64() == 1))
    return value.get_int64() == 1;
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = json::as_view(value);
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

Result<sql::Expr> build_predicate(const Call& call, const Subject& subject, Op op,
                                  const json::Value& operand) {
  return Builder(call, subject, op).build(operand);
}

}  // namespace halcyon::data
