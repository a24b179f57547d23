// Formulas, as `formula` fields and workflow nodes have them, in NocoBase's three engines.
//
//   TRY(Expression total, parse("{{price}} * {{amount}}", Engine::kMath));
//   total.variables();                                    // price, amount
//   TRY(json::Value value, total.evaluate(resolver_of(record)));
//
// kMath ("math.js"): ^ is power, `and or xor not mod` are words, % is the remainder with the sign
// of the divisor, + adds (texts that are numbers count as numbers), null makes arithmetic null.
// kFormula ("formula.js"): JavaScript's operators (+ joins when one side is text, && and || give an
// operand, null counts as 0 and as no text) and the functions of spreadsheets.
// kString ("string"): the text with its {{variables}} filled in.
// Both engines know the same functions (the tables in functions_*.cpp), in any case of letters.
//
// Numbers are doubles, rounded to 9 decimals at the end as NocoBase does; sums and products of
// integers stay exact to 64 bits. What is no number in the end (1/0) is null. Dates are ISO texts;
// the difference of two of them is in milliseconds.
// Parsing is bounded in length and depth, evaluating in steps and bytes: both are safe on anything
// users write. An Expression is a cheap copy, immutable, usable from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "expr/resolver.h"
#include "json/json.h"

namespace halcyon::expr {

enum class Engine { kMath, kFormula, kString };
std::optional<Engine> engine_of(std::string_view name);  // "math.js", "formula.js", "string"

struct EvaluateOptions {
  int64_t now = 0;             // for TODAY() and NOW(), ms; 0: the clock
  int utc_offset_minutes = 0;  // of the calendar that YEAR(), TODAY(), ... go by
  size_t max_steps = 100'000;
  size_t max_bytes = size_t{1} << 20;  // of one text
  EvaluateOptions() = default;
};

struct Program;

class Expression {
 public:
  // Dotted paths, each once, in the order of appearance.
  const std::vector<std::string>& variables() const;
  // Each variable is asked for at most once, and only if it is needed.
  // Errors: the resolver's; 400 EXPRESSION_FAILED (a text where a number is needed, what IFERROR
  // catches) and EXPRESSION_TOO_COSTLY (a limit).
  Result<json::Value> evaluate(const Resolver& resolve, const EvaluateOptions& options = {}) const;

 private:
  friend Result<Expression> parse(std::string_view text, Engine engine);
  explicit Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

// Error 400 INVALID_EXPRESSION with the position (the first character is 1).
Result<Expression> parse(std::string_view text, Engine engine);

}  // namespace halcyon::expr
