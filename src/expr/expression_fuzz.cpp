// Any text in any engine is refused or evaluated within limits; the result is JSON that dumps.
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "expr/expression.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace expr = halcyon::expr;
  namespace json = halcyon::json;
  static const json::Value values = *json::parse(
      R"({"a":3,"t":"text","d":"2026-03-31T22:30:00Z","n":null,"l":[1,2.5,"x",null],
          "o":{"x":true},"big":9223372036854775807,"r":1e308})");
  if (size == 0) return 0;
  const auto engine = static_cast<expr::Engine>(data[0] % 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto parsed = expr::parse(text, engine);
  if (!parsed) return 0;
  expr::EvaluateOptions options;
  options.now = 1'769'853'600'000;
  options.max_steps = 20'000;
  options.max_bytes = 100'000;
  const auto value = parsed->evaluate(expr::resolver_of(values), options);
  if (value && !json::parse(json::dump(*value))) std::abort();
  return 0;
}
