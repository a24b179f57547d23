// The first half of filter planning: the shapes of C.1 become one plain tree of conditions.
//
// Nothing here knows the model. Implicit AND, dotted keys, nesting, scalar, array and null
// shorthands, `$and`/`$or`/`$not` (also below a field) and lists that a query string turned into
// index-keyed objects all end up as FilterNode; limits on depth and size are kept here.
// Conditions point into the JSON given, which must outlive the tree.
//
//   TRY(ParsedFilter parsed, parse_filter(json));
//   if (parsed.root) walk(*parsed.root);
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/read/operators.h"
#include "json/json.h"

namespace halcyon::data {

struct FilterNode {
  enum class Kind : uint8_t { kAnd, kOr, kNot, kCondition };
  Kind kind = Kind::kCondition;
  std::vector<FilterNode> children;      // kNot has one
  std::vector<std::string> path;         // kCondition: names and list indexes
  Op op = Op::kEq;                       // kCondition
  const json::Value* operand = nullptr;  // kCondition
};

struct ParsedFilter {
  std::optional<FilterNode> root;  // nullopt: no condition at all
  std::deque<json::Value> owned;   // values that had to be rearranged
};

constexpr size_t kMaxFilterDepth = 24;
constexpr size_t kMaxFilterConditions = 1000;
constexpr size_t kMaxOperands = 20000;  // values in one list

// Errors: 400 INVALID_FILTER, UNKNOWN_OPERATOR, INVALID_VALUE, FILTER_TOO_COMPLEX.
Result<ParsedFilter> parse_filter(const json::Value& filter);

// "a.b.$op" for messages.
std::string dotted(const std::vector<std::string>& path);

}  // namespace halcyon::data
