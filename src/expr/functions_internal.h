// The functions of formulas and what they share: reading values as numbers, texts and dates.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "expr/expression.h"

namespace halcyon::expr {

// State of one evaluation.
struct Env {
  Engine engine = Engine::kMath;
  EvaluateOptions options;
  int64_t now = 0;
  size_t steps = 0;

  Status charge(size_t amount);  // error when the step limit is reached
  int64_t civil_now() const;
};

using Args = std::span<const json::Value>;
constexpr int kAnyNumber = 255;

struct Function {
  std::string_view name;  // lower case
  int min_args = 0, max_args = 0;
  // In the math engine a null argument makes the result null; elsewhere it counts as 0.
  bool numeric = false;
  Result<json::Value> (*apply)(Env& env, Args args) = nullptr;
};

// By any case; nullptr when there is none.
const Function* find_function(std::string_view name);
std::span<const Function> math_functions();
std::span<const Function> aggregate_functions();
std::span<const Function> text_functions();
std::span<const Function> logic_functions();
std::span<const Function> date_functions();

std::unexpected<Error> failed(std::string message);  // EXPRESSION_FAILED
// The text as a value, within the limits.
Result<json::Value> text_result(Env& env, const std::string& text);

// Values as numbers: null is 0, true is 1, texts are read. nullopt: not a number.
std::optional<double> as_number(const json::Value& value);
Result<double> number_of(const json::Value& value);
// The same, but an integer stays one: the value is an int64 or a double.
Result<json::Value> exact_number_of(const json::Value& value);
Result<int64_t> integer_of(const json::Value& value);  // cut towards zero
bool is_true(const json::Value& value);                // JavaScript's rule
bool is_number(const json::Value& value);

// Exact for integers that fit, else doubles.
json::Value add(const json::Value& a, const json::Value& b);
json::Value subtract(const json::Value& a, const json::Value& b);
json::Value multiply(const json::Value& a, const json::Value& b);

// How the engine's == and < see two values. nullopt: they have no order.
bool loosely_equal(Engine engine, const json::Value& a, const json::Value& b);
std::optional<int> order_of(Engine engine, const json::Value& a, const json::Value& b);

// Milliseconds of the wall clock in the caller's zone; nullopt: no date. Numbers are instants.
struct DateArg {
  int64_t civil = 0;
  bool has_time = false;
};
std::optional<DateArg> as_date(const Env& env, const json::Value& value);

}  // namespace halcyon::expr
