// What the functions share, and finding them by name.
#include <fmt/format.h>

#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "expr/functions_internal.h"

namespace halcyon::expr {

std::unexpected<Error> failed(std::string message) {
  return invalid("EXPRESSION_FAILED", std::move(message));
}

Status Env::charge(size_t amount) {
  steps += amount;
  if (steps <= options.max_steps) return {};
  return invalid("EXPRESSION_TOO_COSTLY", "The expression needs too many steps.");
}

int64_t Env::civil_now() const { return now + options.utc_offset_minutes * kMinuteMs; }

Result<json::Value> text_result(Env& env, const std::string& text) {
  if (text.size() > env.options.max_bytes)
    return invalid("EXPRESSION_TOO_COSTLY", "The expression makes a text that is too long.");
  TRY_STATUS(env.charge(text.size() / 64));
  return json::Value(text);
}

const Function* find_function(std::string_view name) {
  static const StringMap<const Function*> all = [] {
    StringMap<const Function*> map;
    for (auto table : {math_functions(), aggregate_functions(), text_functions(), logic_functions(),
                       date_functions()}) {
      for (const Function& function : table) map.emplace(std::string(function.name), &function);
    }
    return map;
  }();
  const auto found = all.find(to_lower(name));
  return found == all.end() ? nullptr : found->second;
}

bool is_number(const json::Value& value) { return value.is_number(); }

std::optional<double> as_number(const json::Value& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_bool()) return value.get_bool() ? 1 : 0;
  if (value.is_null()) return 0;
  if (!value.is_string()) return std::nullopt;
  std::string_view text = trim(json::as_view(value));
  if (text.empty()) return 0;
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const auto number = to_double(text);
  return number && std::isfinite(*number) ? number : std::nullopt;  // not "inf" and "nan"
}

Result<double> number_of(const json::Value& value) {
  if (const auto number = as_number(value)) return *number;
  std::string shown = json::dump(value);
  if (shown.size() > 50) shown = "This value";
  return failed(shown + " is not a number.");
}

Result<json::Value> exact_number_of(const json::Value& value) {
  if (value.is_int64() || value.is_double()) return value;
  if (value.is_string()) {
    if (const auto integer = to_int64(trim(json::as_view(value)))) return json::Value(*integer);
  }
  if (value.is_bool() || value.is_null())
    return json::Value(static_cast<int64_t>(*as_number(value)));
  TRY(const double number, number_of(value));
  return json::Value(number);
}

Result<int64_t> integer_of(const json::Value& value) {
  TRY(const double number, number_of(value));
  if (!(std::fabs(number) < 9e15)) return failed("A whole number is out of range.");
  return static_cast<int64_t>(number);
}

bool is_true(const json::Value& value) {
  if (value.is_null()) return false;
  if (value.is_bool()) return value.get_bool();
  if (value.is_string()) return !value.get_string().empty();
  if (!is_number(value)) return true;
  const double number = *as_number(value);
  return number != 0 && !std::isnan(number);
}

namespace {

template <class Exact, class Real>
json::Value combine(const json::Value& a, const json::Value& b, Exact exact, Real real) {
  if (a.is_int64() && b.is_int64()) {
    int64_t result = 0;
    if (!exact(a.get_int64(), b.get_int64(), &result)) return result;
  }
  return real(as_number(a).value_or(NAN), as_number(b).value_or(NAN));
}

// Both texts are numbers, for the engine that reads them so.
bool both_numeric(Engine engine, const json::Value& a, const json::Value& b) {
  return engine == Engine::kMath && as_number(a) && as_number(b) && !json::as_view(a).empty() &&
         !json::as_view(b).empty();
}

int sign_of_difference(const json::Value& a, const json::Value& b) {
  if (a.is_int64() && b.is_int64())
    return (a.get_int64() > b.get_int64()) - (a.get_int64() < b.get_int64());
  const double x = *as_number(a), y = *as_number(b);
  return (x > y) - (x < y);
}

}  // namespace

json::Value add(const json::Value& a, const json::Value& b) {
  return combine(
      a, b, [](int64_t x, int64_t y, int64_t* r) { return __builtin_add_overflow(x, y, r); },
      [](double x, double y) { return x + y; });
}
json::Value subtract(const json::Value& a, const json::Value& b) {
  return combine(
      a, b, [](int64_t x, int64_t y, int64_t* r) { return __builtin_sub_overflow(x, y, r); },
      [](double x, double y) { return x - y; });
}
json::Value multiply(const json::Value& a, const json::Value& b) {
  return combine(
      a, b, [](int64_t x, int64_t y, int64_t* r) { return __builtin_mul_overflow(x, y, r); },
      [](double x, double y) { return x * y; });
}

std::optional<int> order_of(Engine engine, const json::Value& a, const json::Value& b) {
  if (engine == Engine::kMath && (a.is_null() || b.is_null())) return std::nullopt;
  if (a.is_string() && b.is_string() && !both_numeric(engine, a, b)) {
    const int order = json::as_view(a).compare(json::as_view(b));
    return (order > 0) - (order < 0);
  }
  const auto x = as_number(a), y = as_number(b);
  if (!x || !y || std::isnan(*x) || std::isnan(*y)) return std::nullopt;
  return sign_of_difference(a, b);
}

bool loosely_equal(Engine engine, const json::Value& a, const json::Value& b) {
  if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
  if (a.is_structured() || b.is_structured()) return a == b;
  return order_of(engine, a, b) == 0;
}

std::optional<DateArg> as_date(const Env& env, const json::Value& value) {
  constexpr int64_t kFirst = -62135596800000, kEnd = 253402300800000;  // years 1 to 9999
  const int64_t offset = env.options.utc_offset_minutes * kMinuteMs;
  DateArg result;
  if (is_number(value)) {
    const double number = *as_number(value);
    if (!(number >= static_cast<double>(kFirst) && number < static_cast<double>(kEnd)))
      return std::nullopt;
    result.civil = static_cast<int64_t>(number) + offset;
    result.has_time = true;
  } else {
    if (!value.is_string()) return std::nullopt;
    const std::string_view text = trim(json::as_view(value));
    if (text.size() < 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto parsed = parse_date_value(text);
    if (!parsed) return std::nullopt;
    result.has_time = text.size() > 10 && (text[10] == 'T' || text[10] == ' ');
    result.civil = parsed->start;
    if (result.has_time && parsed->offset) result.civil += offset - *parsed->offset * kMinuteMs;
  }
  if (result.civil < kFirst || result.civil >= kEnd) return std::nullopt;
  return result;
}

}  // namespace halcyon::expr
