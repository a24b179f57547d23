#include "data/read/operators.h"

#include <array>
#include <string>
#include <utility>

#include "base/text.h"

namespace halcyon::data {
namespace {

struct Named {
  std::string_view name;
  Op op;
};

// The first name of an operator is the one shown in messages.
constexpr std::array kOperators = {
    Named{"$eq", Op::kEq},
    Named{"$ne", Op::kNe},
    Named{"$neq", Op::kNe},
    Named{"$in", Op::kIn},
    Named{"$any", Op::kIn},
    Named{"$notIn", Op::kNotIn},
    Named{"$gt", Op::kGt},
    Named{"$gte", Op::kGte},
    Named{"$lt", Op::kLt},
    Named{"$lte", Op::kLte},
    Named{"$includes", Op::kIncludes},
    Named{"$notIncludes", Op::kNotIncludes},
    Named{"$startsWith", Op::kStartsWith},
    Named{"$notStartsWith", Op::kNotStartsWith},
    Named{"$endWith", Op::kEndWith},
    Named{"$notEndWith", Op::kNotEndWith},
    Named{"$empty", Op::kEmpty},
    Named{"$notEmpty", Op::kNotEmpty},
    Named{"$isTruly", Op::kIsTruly},
    Named{"$isFalsy", Op::kIsFalsy},
    Named{"$match", Op::kMatch},
    Named{"$notMatch", Op::kNotMatch},
    Named{"$anyOf", Op::kAnyOf},
    Named{"$noneOf", Op::kNoneOf},
    Named{"$arrayEmpty", Op::kArrayEmpty},
    Named{"$arrayNotEmpty", Op::kArrayNotEmpty},
    Named{"$exists", Op::kExists},
    Named{"$notExists", Op::kNotExists},
    Named{"$childIn", Op::kChildIn},
    Named{"$childNotIn", Op::kChildNotIn},
    Named{"$isCurrentUser", Op::kIsCurrentUser},
    Named{"$isNotCurrentUser", Op::kIsNotCurrentUser},
    Named{"$isVar", Op::kIsVar},
    Named{"$dateOn", Op::kDateOn},
    Named{"$dateNotOn", Op::kDateNotOn},
    Named{"$dateBefore", Op::kDateBefore},
    Named{"$dateNotBefore", Op::kDateNotBefore},
    Named{"$dateAfter", Op::kDateAfter},
    Named{"$dateNotAfter", Op::kDateNotAfter},
    Named{"$dateBetween", Op::kDateBetween},
    Named{"$not", Op::kNot},
    Named{"$is", Op::kIs},
    Named{"$like", Op::kLike},
    Named{"$notLike", Op::kNotLike},
    Named{"$iLike", Op::kILike},
    Named{"$notILike", Op::kNotILike},
    Named{"$between", Op::kBetween},
    Named{"$notBetween", Op::kNotBetween},
    Named{"$contains", Op::kContains},
    Named{"$contained", Op::kContained},
    Named{"$overlap", Op::kOverlap},
    Named{"$regexp", Op::kRegexp},
    Named{"$notRegexp", Op::kNotRegexp},
    Named{"$iRegexp", Op::kIRegexp},
    Named{"$notIRegexp", Op::kNotIRegexp},
    Named{"$substring", Op::kSubstring},
    Named{"$endsWith", Op::kEndsWith},
};

std::string squash(std::string_view name) {
  std::string plain;
  plain.reserve(name.size());
  for (char c : name)
    if (c != '_') plain += c;
  return to_lower(plain);
}

}  // namespace

std::optional<Op> find_operator(std::string_view name) {
  for (const Named& known : kOperators)
    if (known.name == name) return known.op;
  const std::string plain = squash(name);
  for (const Named& known : kOperators)
    if (iequals(known.name, plain)) return known.op;
  return std::nullopt;
}

std::string_view operator_name(Op op) {
  for (const Named& known : kOperators)
    if (known.op == op) return known.name;
  return "$?";
}

}  // namespace halcyon::data
