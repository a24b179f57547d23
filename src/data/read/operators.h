// The filter operators by name (reference C.2, C.3). One visible list; the planner and the
// in-memory evaluator both start from it, and share nothing else.
//
//   std::optional<Op> op = find_operator("$notIn");     // also "$not_in", "$notin"
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace halcyon::data {

enum class Op : uint8_t {
  kEq,
  kNe,
  kIn,
  kNotIn,
  kGt,
  kGte,
  kLt,
  kLte,
  kIncludes,
  kNotIncludes,
  kStartsWith,
  kNotStartsWith,
  kEndWith,
  kNotEndWith,
  kEmpty,
  kNotEmpty,
  kIsTruly,
  kIsFalsy,
  kMatch,
  kNotMatch,
  kAnyOf,
  kNoneOf,
  kArrayEmpty,
  kArrayNotEmpty,
  kExists,
  kNotExists,
  kChildIn,
  kChildNotIn,
  kIsCurrentUser,
  kIsNotCurrentUser,
  kIsVar,
  kDateOn,
  kDateNotOn,
  kDateBefore,
  kDateNotBefore,
  kDateAfter,
  kDateNotAfter,
  kDateBetween,
  kNot,
  kIs,
  kLike,
  kNotLike,
  kILike,
  kNotILike,
  kBetween,
  kNotBetween,
  kContains,
  kContained,
  kOverlap,
  kRegexp,
  kNotRegexp,
  kIRegexp,
  kNotIRegexp,
  kSubstring,
  kEndsWith,
};

// `name` with its "$". Underscores and case do not matter, as in the reference.
std::optional<Op> find_operator(std::string_view name);
std::string_view operator_name(Op op);  // "$notIn"

}  // namespace halcyon::data
