// Logic, comparisons by name, and what a value is. IF, IFS and IFERROR are in the parser.
#include <array>
#include <cmath>

#include "expr/functions_internal.h"

namespace halcyon::expr {
namespace {

using Value = Result<json::Value>;

// How many values there are, lists counted item by item, and how many of them are true.
struct Truths {
  size_t all = 0, yes = 0;
};
Status count_truths(Env& env, Args args, Truths& truths) {
  TRY_STATUS(env.charge(args.size()));
  for (const json::Value& arg : args) {
    if (arg.is_array()) {
      const json::Array& list = arg.get_array();
      TRY_STATUS(count_truths(env, Args(list.data(), list.size()), truths));
    } else {
      ++truths.all;
      truths.yes += is_true(arg) ? 1 : 0;
    }
  }
  return {};
}

template <bool (*F)(Truths)>
Value over_all(Env& env, Args args) {
  Truths truths;
  TRY_STATUS(count_truths(env, args, truths));
  return json::Value(F(truths));
}
bool all_true(Truths t) { return t.yes == t.all; }
bool any_true(Truths t) { return t.yes > 0; }
bool odd_true(Truths t) { return t.yes % 2 == 1; }

Value negate(Env&, Args args) { return json::Value(!is_true(args[0])); }
Value yes(Env&, Args) { return json::Value(true); }
Value no(Env&, Args) { return json::Value(false); }

Value is_blank(Env&, Args args) {
  return json::Value(args[0].is_null() || (args[0].is_string() && args[0].get_string().empty()));
}
Value is_numeric(Env&, Args args) { return json::Value(is_number(args[0])); }
Value is_text(Env&, Args args) { return json::Value(args[0].is_string()); }
Value is_logical(Env&, Args args) { return json::Value(args[0].is_bool()); }

template <int Remainder>
Value parity(Env&, Args args) {
  TRY(const int64_t number, integer_of(args[0]));
  return json::Value(number % 2 == 0 ? Remainder == 0 : Remainder == 1);
}

Value coalesce(Env&, Args args) {
  for (const json::Value& arg : args) {
    if (!arg.is_null()) return arg;
  }
  return nullptr;
}

// SWITCH(value, case, result, ..., otherwise)
Value switch_on(Env& env, Args args) {
  for (size_t i = 1; i + 1 < args.size(); i += 2) {
    if (loosely_equal(env.engine, args[0], args[i])) return args[i + 1];
  }
  return args.size() % 2 == 0 ? args.back() : json::Value(nullptr);
}
Value choose(Env&, Args args) {
  TRY(const int64_t index, integer_of(args[0]));
  if (index < 1 || static_cast<size_t>(index) >= args.size())
    return failed("CHOOSE has no such choice.");
  return args[static_cast<size_t>(index)];
}

template <bool Wanted>
Value equality(Env& env, Args args) {
  return json::Value(loosely_equal(env.engine, args[0], args[1]) == Wanted);
}
template <bool (*F)(int)>
Value ordered(Env& env, Args args) {
  const auto order = order_of(env.engine, args[0], args[1]);
  return json::Value(order && F(*order));
}
bool above(int order) { return order > 0; }
bool at_least(int order) { return order >= 0; }
bool below(int order) { return order < 0; }
bool at_most(int order) { return order <= 0; }

template <json::Value (*F)(const json::Value&, const json::Value&)>
Value exactly(Env&, Args args) {
  TRY(const json::Value a, exact_number_of(args[0]));
  TRY(const json::Value b, exact_number_of(args[1]));
  return F(a, b);
}
Value divide(Env&, Args args) {
  TRY(const double a, number_of(args[0]));
  TRY(const double b, number_of(args[1]));
  return json::Value(a / b);
}

constexpr std::array<Function, 25> kLogic = {{
    {"add", 2, 2, true, exactly<add>},
    {"and", 1, kAnyNumber, false, over_all<all_true>},
    {"choose", 2, kAnyNumber, false, choose},
    {"coalesce", 1, kAnyNumber, false, coalesce},
    {"divide", 2, 2, true, divide},
    {"equal", 2, 2, false, equality<true>},
    {"false", 0, 0, false, no},
    {"isblank", 1, 1, false, is_blank},
    {"iseven", 1, 1, true, parity<0>},
    {"islogical", 1, 1, false, is_logical},
    {"isnumber", 1, 1, false, is_numeric},
    {"isodd", 1, 1, true, parity<1>},
    {"istext", 1, 1, false, is_text},
    {"larger", 2, 2, false, ordered<above>},
    {"largereq", 2, 2, false, ordered<at_least>},
    {"multiply", 2, 2, true, exactly<multiply>},
    {"not", 1, 1, false, negate},
    {"or", 1, kAnyNumber, false, over_all<any_true>},
    {"smaller", 2, 2, false, ordered<below>},
    {"smallereq", 2, 2, false, ordered<at_most>},
    {"subtract", 2, 2, true, exactly<subtract>},
    {"switch", 3, kAnyNumber, false, switch_on},
    {"true", 0, 0, false, yes},
    {"unequal", 2, 2, false, equality<false>},
    {"xor", 1, kAnyNumber, false, over_all<odd_true>},
}};

}  // namespace

std::span<const Function> logic_functions() { return kLogic; }

}  // namespace halcyon::expr
