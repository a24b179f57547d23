#include "data/read/evaluate.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "base/text.h"
#include "base/time.h"
#include "data/read/filter_parse.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

using schema::Family;

enum class Truth { kFalse, kTrue, kUnknown };

Truth of(bool value) { return value ? Truth::kTrue : Truth::kFalse; }
Truth negated(Truth t) {
  if (t == Truth::kUnknown) return t;
  return of(t == Truth::kFalse);
}
Truth either(Truth a, Truth b) {
  if (a == Truth::kTrue || b == Truth::kTrue) return Truth::kTrue;
  return a == Truth::kUnknown || b == Truth::kUnknown ? Truth::kUnknown : Truth::kFalse;
}
Truth both(Truth a, Truth b) { return negated(either(negated(a), negated(b))); }

std::string as_text(const json::Value& v) {
  return v.is_string() ? std::string(json::as_view(v)) : json::dump(v);
}

std::optional<double> as_number(const json::Value& v) {
  if (v.is_number()) return v.to_number<double>();
  if (v.is_string()) return to_double(json::as_view(v));
  return std::nullopt;
}

std::optional<bool> as_boolean(const json::Value& v) {
  if (v.is_bool()) return v.get_bool();
  const std::string text = as_text(v);
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

// SQL LIKE by the book: % any run, _ one character, \ takes the next as it is.
bool like(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  const char head = pattern.front();
  const std::string_view rest = pattern.substr(1);
  if (head == '%') {
    for (size_t skip = 0; skip <= text.size(); ++skip)
      if (like(text.substr(skip), rest)) return true;
    return false;
  }
  if (text.empty()) return false;
  if (head == '\\' && !rest.empty())
    return text.front() == rest.front() && like(text.substr(1), rest.substr(1));
  return (head == '_' || head == text.front()) && like(text.substr(1), rest);
}

// One condition on one value. `field` nullptr: untyped.
class Leaf {
 public:
  Leaf(const Evaluation& evaluation, const schema::Field* field, const json::Value& value,
       std::string path)
      : evaluation_(evaluation), field_(field), value_(value), path_(std::move(path)) {
    family_ = field != nullptr ? field->kind->family() : guess(value);
  }

  Result<Truth> test(Op op, const json::Value& operand) {
    if (op >= Op::kDateOn && op <= Op::kDateBetween) return date(op, operand);
    switch (op) {
      case Op::kEq:
        return equal(operand);
      case Op::kIs:  // IS TRUE and IS FALSE are never unknown
        if (operand.is_bool()) return of(!null() && equal(operand) == Truth::kTrue);
        return equal(operand);
      case Op::kIn:
        return operand.is_null() ? of(false) : equal(operand);
      case Op::kNe:
        if (operand.is_null()) return of(!null());
        if (operand.is_array()) return negated(equal(operand));
        return of(null() || equal(operand) == Truth::kFalse);
      case Op::kNot:
        if (operand.is_bool()) return of(null() || equal(operand) == Truth::kFalse);
        return negated(equal(operand));
      case Op::kNotIn: {
        if (operand.is_null()) return of(true);
        const bool lists_null =
            operand.is_array() && std::ranges::any_of(operand.get_array(), is_null);
        if (null()) return of(!lists_null);
        return negated(equal(operand));
      }
      case Op::kGt:
      case Op::kGte:
      case Op::kLt:
      case Op::kLte:
        return compare(op, operand);
      case Op::kBetween:
      case Op::kNotBetween: {
        if (!operand.is_array() || operand.get_array().size() != 2) return bad();
        const Truth inside =
            both(compare(Op::kGte, operand.at(0)), compare(Op::kLte, operand.at(1)));
        return op == Op::kBetween ? inside : negated(inside);
      }
      case Op::kExists:
        return of(!null());
      case Op::kNotExists:
        return of(null());
      case Op::kEmpty:
        return of(is_empty());
      case Op::kNotEmpty:
        return of(!is_empty());
      case Op::kIsTruly:
        return truth(operand, true);
      case Op::kIsFalsy:
        return truth(operand, false);
      case Op::kIsCurrentUser:
        if (null()) return Truth::kUnknown;
        return equal(evaluation_.user_id.value_or(-1));
      case Op::kIsNotCurrentUser:
        return of(null() || equal(evaluation_.user_id.value_or(-1)) == Truth::kFalse);
      case Op::kMatch:
      case Op::kNotMatch:
      case Op::kAnyOf:
      case Op::kOverlap:
      case Op::kNoneOf:
      case Op::kContains:
      case Op::kContained:
      case Op::kArrayEmpty:
      case Op::kArrayNotEmpty:
        return list(op, operand);
      case Op::kRegexp:
        return regex(operand, false);
      case Op::kIRegexp:
        return regex(operand, true);
      case Op::kNotRegexp:
        return negated(regex(operand, false));
      case Op::kNotIRegexp:
        return negated(regex(operand, true));
      case Op::kIsVar:
      case Op::kChildIn:
      case Op::kChildNotIn:
        return fail(Error(Code::kInvalidArgument, "OPERATOR_NOT_APPLICABLE",
                          "Operator \"" + std::string(operator_name(op)) +
                              "\" does not apply to \"" + path_ + "\"")
                        .with_field(path_));
      default:
        return text(op, operand);
    }
  }

 private:
  static bool is_null(const json::Value& v) { return v.is_null(); }
  bool null() const { return value_.is_null(); }
  static Family guess(const json::Value& v) {
    if (v.is_number()) return Family::kNumber;
    if (v.is_bool()) return Family::kBoolean;
    if (v.is_array()) return Family::kArray;
    if (v.is_object()) return Family::kJson;
    return Family::kText;
  }
  std::unexpected<Error> bad() const {
    return fail(Error(Code::kInvalidArgument, "INVALID_VALUE",
                      "The value given for \"" + path_ + "\" does not fit the operator")
                    .with_field(path_));
  }

  // Less, equal, greater; nullopt: cannot be compared.
  std::optional<int> order(const json::Value& operand) const {
    auto sign = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
    if (family_ == Family::kNumber) {
      const auto a = as_number(value_), b = as_number(operand);
      if (!a || !b) return std::nullopt;
      return sign(*a, *b);
    }
    if (family_ == Family::kBoolean) {
      const auto a = as_boolean(value_), b = as_boolean(operand);
      if (!a || !b) return std::nullopt;
      return sign(int(*a), int(*b));
    }
    if (family_ == Family::kDateTime && operand.is_string()) {
      const auto a = moment(value_), b = moment(operand);
      if (!a || !b) return std::nullopt;
      return sign(*a, *b);
    }
    return sign(as_text(value_).compare(as_text(operand)), 0);
  }

  std::optional<int64_t> moment(const json::Value& v) const {
    if (!v.is_string()) return std::nullopt;
    const Result<DateValue> date = parse_date_value(json::as_view(v));
    if (!date) return std::nullopt;
    if (date->is_instant) return date->start;
    return date->start - date->offset.value_or(zone()) * kMinuteMs;
  }
  bool wall_clock() const {
    return field_ != nullptr && (field_->type == "datetimeNoTz" || field_->type == "dateOnly");
  }
  int zone() const { return wall_clock() ? 0 : evaluation_.utc_offset_minutes; }

  Truth equal(const json::Value& operand) const {
    if (operand.is_null()) return of(null());
    if (operand.is_array()) {
      Truth any = Truth::kFalse;
      for (const json::Value& item : operand.get_array()) any = either(any, equal(item));
      return any;
    }
    if (null()) return Truth::kUnknown;
    const auto result = order(operand);
    return of(result && *result == 0);
  }

  Truth compare(Op op, const json::Value& operand) const {
    if (null() || operand.is_null()) return Truth::kUnknown;
    const auto result = order(operand);
    if (!result) return Truth::kFalse;
    switch (op) {
      case Op::kGt:
        return of(*result > 0);
      case Op::kGte:
        return of(*result >= 0);
      case Op::kLt:
        return of(*result < 0);
      default:
        return of(*result <= 0);
    }
  }

  bool is_empty() const {
    if (null()) return true;
    if (family_ == Family::kText && value_.is_string()) return value_.get_string().empty();
    return family_ == Family::kArray && value_.is_array() && value_.get_array().empty();
  }

  Result<Truth> truth(const json::Value& operand, bool truly) const {
    const auto wanted = as_boolean(operand);
    if (!wanted) return bad();
    const bool is_true = !null() && as_boolean(value_).value_or(false);
    return of(is_true == (*wanted == truly));
  }

  Result<Truth> text(Op op, const json::Value& operand) const {
    const bool inverse = op == Op::kNotIncludes || op == Op::kNotStartsWith ||
                         op == Op::kNotEndWith || op == Op::kNotLike || op == Op::kNotILike;
    if (operand.is_null()) return of(inverse != null());
    if (operand.is_object()) return bad();
    if (null()) return Truth::kUnknown;
    json::Array needles;
    if (operand.is_array())
      needles = operand.get_array();
    else
      needles.push_back(operand);
    bool any = false;
    for (const json::Value& needle : needles) any = any || matches(op, as_text(needle));
    return of(any != inverse);
  }

  bool matches(Op op, std::string needle) const {
    std::string hay = as_text(value_);
    const bool exact =
        op == Op::kLike || op == Op::kNotLike || op == Op::kSubstring || op == Op::kEndsWith;
    if (!exact) {
      hay = to_lower(hay);
      needle = to_lower(needle);
    }
    switch (op) {
      case Op::kIncludes:
      case Op::kNotIncludes:
      case Op::kSubstring:
        return hay.find(needle) != std::string::npos;
      case Op::kStartsWith:
      case Op::kNotStartsWith:
        return hay.starts_with(needle);
      case Op::kEndWith:
      case Op::kNotEndWith:
      case Op::kEndsWith:
        return hay.ends_with(needle);
      default:
        return like(hay, needle);
    }
  }

  Truth regex(const json::Value& operand, bool ci) const {
    if (null() || !operand.is_string()) return Truth::kUnknown;
    RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(!ci);
    const RE2 pattern(std::string(json::as_view(operand)), options);
    return of(pattern.ok() && RE2::PartialMatch(as_text(value_), pattern));
  }

  Result<Truth> list(Op op, const json::Value& operand) const {
    std::set<std::string> mine, theirs;
    if (value_.is_array())
      for (const json::Value& v : value_.get_array()) mine.insert(json::dump(v));
    if (operand.is_array()) {
      for (const json::Value& v : operand.get_array()) theirs.insert(json::dump(v));
    } else if (!operand.is_null()) {
      theirs.insert(json::dump(operand));
    }
    const bool common =
        std::ranges::any_of(mine, [&](const std::string& v) { return theirs.contains(v); });
    switch (op) {
      case Op::kArrayEmpty:
        return of(mine.empty());
      case Op::kArrayNotEmpty:
        return of(!mine.empty());
      case Op::kMatch:
        return of(operand.is_null() ? null() : !null() && mine == theirs);
      case Op::kNotMatch:
        return of(!null() && (operand.is_null() || mine != theirs));
      case Op::kNoneOf:
        return of(!common);
      case Op::kContains:
        return of(!null() && std::ranges::includes(mine, theirs));
      case Op::kContained:
        return of(!null() && std::ranges::includes(theirs, mine));
      default:
        return of(common);
    }
  }

  // [start, end) of a date operand as moments of this field.
  std::optional<std::pair<int64_t, int64_t>> span(const json::Value& operand, bool& instant) const {
    if (operand.is_array()) {
      if (operand.get_array().size() < 2) return std::nullopt;
      bool a = false, b = false;
      const auto first = span(operand.at(0), a), last = span(operand.at(1), b);
      if (!first || !last) return std::nullopt;
      return std::pair(first->first, b ? last->second + 1 : last->second);
    }
    DateValue value;
    if (operand.is_object()) {
      const Result<DateValue> period =
          period_of(json::get_string(operand.get_object(), "type"),
                    json::get_int(operand.get_object(), "number", 1),
                    json::get_string(operand.get_object(), "unit", "day"),
                    now_ms() + evaluation_.utc_offset_minutes * kMinuteMs);
      if (!period) return std::nullopt;
      value = *period;
    } else {
      const Result<DateValue> parsed = parse_date_value(as_text(operand));
      if (!parsed) return std::nullopt;
      value = *parsed;
    }
    instant = value.is_instant;
    int64_t shift = 0;
    if (wall_clock()) {
      if (value.is_instant) shift = evaluation_.utc_offset_minutes * kMinuteMs;
    } else if (!value.is_instant) {
      shift = -value.offset.value_or(evaluation_.utc_offset_minutes) * kMinuteMs;
    }
    return std::pair(value.start + shift, value.end + shift);
  }

  Result<Truth> date(Op op, const json::Value& operand) const {
    bool instant = false;
    const auto range = span(operand, instant);
    if (!range) return bad();
    const auto at = moment(value_);
    if (null() || !at) return Truth::kUnknown;
    int64_t start = range->first;
    const int64_t end = instant ? start + 1 : range->second;
    if (instant && field_ != nullptr && field_->type == "dateOnly")
      start -= ((start % kDayMs) + kDayMs) % kDayMs;
    switch (op) {
      case Op::kDateOn:
      case Op::kDateBetween:
        return of(*at >= start && *at < end);
      case Op::kDateNotOn:
        return of(*at < start || *at >= end);
      case Op::kDateBefore:
        return of(*at < start);
      case Op::kDateNotBefore:
        return of(*at >= start);
      case Op::kDateAfter:
        return of(*at >= end);
      default:
        return of(*at < end);
    }
  }

  const Evaluation& evaluation_;
  const schema::Field* field_;
  const json::Value& value_;
  std::string path_;
  Family family_;
};

// A filter on one row: tries all combinations of related rows, as LEFT JOINs give them.
class RowFilter {
 public:
  RowFilter(const Evaluation& evaluation, const schema::Collection* collection,
            const json::Object& row)
      : evaluation_(evaluation), collection_(collection) {
    rows_[""] = &row;
    collections_[""] = collection;
  }

  Result<bool> matches(const FilterNode& filter) {
    if (collection_ != nullptr) TRY_STATUS(collect(filter));
    return combine(filter, 0);
  }

 private:
  struct Step {
    std::string parent, path;
    const schema::Field* relation;
  };

  // The relation paths the filter follows, parents first.
  Status collect(const FilterNode& node) {
    for (const FilterNode& child : node.children) TRY_STATUS(collect(child));
    const schema::Collection* at = collection_;
    std::string prefix;
    for (const std::string& name : node.path) {
      const schema::Field* field = at->find(name);
      if (field == nullptr && !prefix.empty() && to_int64(name)) continue;
      if (field == nullptr) return std::unexpected(schema::unknown_field(*at, name));
      if (!field->relation) return {};
      const std::string path = prefix.empty() ? name : prefix + "." + name;
      const bool known = std::ranges::any_of(steps_, [&](const Step& s) { return s.path == path; });
      at = evaluation_.model->find(field->relation->target);
      if (!known) {
        steps_.push_back({prefix, path, field});
        collections_[path] = at;
      }
      prefix = path;
    }
    return {};
  }

  Result<bool> combine(const FilterNode& filter, size_t step) {
    if (step == steps_.size()) {
      TRY(const Truth truth, test(filter));
      return truth == Truth::kTrue;
    }
    const Step& s = steps_[step];
    std::vector<const json::Object*> found;
    if (rows_[s.parent] != nullptr) found = related(*rows_[s.parent], *s.relation);
    if (found.empty()) found.push_back(nullptr);
    for (const json::Object* row : found) {
      rows_[s.path] = row;
      TRY(const bool yes, combine(filter, step + 1));
      if (yes) return true;
    }
    return false;
  }

  const json::Array& all(const std::string& collection) const {
    static const json::Array kNone;
    const auto it = evaluation_.rows->find(collection);
    return it == evaluation_.rows->end() ? kNone : it->second;
  }
  static json::Value get(const json::Object& row, const std::string& name) {
    const json::Value* v = row.if_contains(name);
    return v == nullptr ? json::Value() : *v;
  }

  std::vector<const json::Object*> related(const json::Object& row,
                                           const schema::Field& relation) const {
    using schema::RelationKind;
    const schema::Relation& rel = *relation.relation;
    std::vector<const json::Object*> found;
    auto add_where = [&](const std::string& key, const json::Value& wanted) {
      if (wanted.is_null()) return;
      for (const json::Value& other : all(rel.target))
        if (get(other.get_object(), key) == wanted) found.push_back(&other.get_object());
    };
    switch (rel.kind) {
      case RelationKind::kBelongsTo:
        add_where(rel.target_key, get(row, rel.foreign_key));
        break;
      case RelationKind::kBelongsToMany:
        for (const json::Value& link : all(rel.through))
          if (get(link.get_object(), rel.foreign_key) == get(row, rel.source_key))
            add_where(rel.target_key, get(link.get_object(), rel.other_key));
        break;
      case RelationKind::kBelongsToArray: {
        const json::Value keys = get(row, rel.foreign_key);
        if (keys.is_array())
          for (const json::Value& key : keys.get_array()) add_where(rel.target_key, key);
        break;
      }
      default:
        add_where(rel.foreign_key, get(row, rel.source_key));
    }
    return found;
  }

  Result<Truth> test(const FilterNode& node) {
    switch (node.kind) {
      case FilterNode::Kind::kCondition:
        return condition(node);
      case FilterNode::Kind::kNot: {
        TRY(const Truth inner, test(node.children.front()));
        return negated(inner);
      }
      default:
        break;
    }
    const bool all_of = node.kind == FilterNode::Kind::kAnd;
    Truth result = of(all_of);
    for (const FilterNode& child : node.children) {
      TRY(const Truth one, test(child));
      result = all_of ? both(result, one) : either(result, one);
    }
    return result;
  }

  Result<Truth> condition(const FilterNode& node) {
    std::string prefix;
    const schema::Field* field = nullptr;
    size_t i = 0;
    if (collection_ != nullptr) {
      for (; i < node.path.size(); ++i) {
        field = collections_[prefix]->find(node.path[i]);
        if (field == nullptr) continue;  // a list index
        if (!field->relation) break;
        prefix += prefix.empty() ? node.path[i] : "." + node.path[i];
      }
    }
    const json::Object* row = rows_[prefix];
    const std::string path = dotted(node.path);
    if (collection_ != nullptr && i >= node.path.size()) {  // ends at the relation itself
      const bool wants = node.op == Op::kExists || node.op == Op::kNotEmpty || node.op == Op::kNe ||
                         node.op == Op::kNot;
      return of((row != nullptr) == wants);
    }
    const bool inside_json = field != nullptr && i + 1 < node.path.size();
    std::vector<json::Value> values;
    if (row != nullptr)
      find_values(*row, std::span(node.path).subspan(i), field == nullptr, values);
    if (values.empty()) values.emplace_back(nullptr);
    Truth any = Truth::kFalse;
    for (const json::Value& value : values) {
      Leaf leaf(evaluation_, inside_json ? nullptr : field, value, path);
      TRY(const Truth one, leaf.test(node.op, *node.operand));
      any = either(any, one);
    }
    return any;
  }

  // The values at a path; `spread`: a path may go on through every member of a list.
  static void find_values(const json::Object& row, std::span<const std::string> path, bool spread,
                          std::vector<json::Value>& out) {
    if (const json::Value* v = row.if_contains(path.front()))
      find_values(*v, path.subspan(1), spread, out);
  }
  static void find_values(const json::Value& at, std::span<const std::string> path, bool spread,
                          std::vector<json::Value>& out) {
    if (path.empty()) {
      out.push_back(at);
    } else if (at.is_object()) {
      find_values(at.get_object(), path, spread, out);
    } else if (at.is_array()) {
      const json::Array& list = at.get_array();
      const auto index = to_int64(path.front());
      if (index) {
        if (*index >= 0 && static_cast<size_t>(*index) < list.size())
          find_values(list[static_cast<size_t>(*index)], path.subspan(1), spread, out);
      } else if (spread) {
        for (const json::Value& item : list) find_values(item, path, spread, out);
      }
    }
  }

  const Evaluation& evaluation_;
  const schema::Collection* collection_;
  std::vector<Step> steps_;
  std::map<std::string, const json::Object*> rows_;
  std::map<std::string, const schema::Collection*> collections_;
};

}  // namespace

Result<bool> evaluate(const Evaluation& evaluation, const schema::Collection* collection,
                      const json::Object& row, const json::Value& filter) {
  TRY(const ParsedFilter parsed, parse_filter(filter));
  if (!parsed.root) return true;
  return RowFilter(evaluation, collection, row).matches(*parsed.root);
}

}  // namespace halcyon::data
