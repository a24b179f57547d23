// Numbers: one, and many at a time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "base/text.h"
#include "expr/functions_internal.h"

namespace halcyon::expr {
namespace {

using Value = Result<json::Value>;

template <double (*F)(double)>
Value one(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  return json::Value(F(x));
}

double square(double x) { return x * x; }
double cube(double x) { return x * x * x; }
double sign(double x) { return (x > 0) - (x < 0); }
double to_radians(double x) { return x * M_PI / 180; }
double to_degrees(double x) { return x * 180 / M_PI; }

Value absolute(Env&, Args args) {
  TRY(json::Value x, exact_number_of(args[0]));
  return *as_number(x) < 0 ? subtract(json::Value(0), x) : x;
}

// x times a power of ten as one reads it: 1.005 by 100 is 100.5, not 100.49999999999999.
double scaled(double x, int digits) {
  const std::string text = fmt::format("{}", x);
  if (!std::isfinite(x) || text.find('e') != std::string::npos) return x * std::pow(10, digits);
  return std::strtod(fmt::format("{}e{}", text, digits).c_str(), nullptr);
}

template <double (*F)(double)>
Value rounded(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  int64_t digits = 0;
  if (args.size() > 1) {
    TRY(digits, integer_of(args[1]));
  }
  const int places = static_cast<int>(std::clamp<int64_t>(digits, -300, 15));
  const double result = scaled(F(scaled(x, places)), -places);
  return json::Value(std::isfinite(result) ? result : x);
}
double up(double x) { return x < 0 ? std::floor(x) : std::ceil(x); }

// A second argument is a number of digits in math.js, a step in spreadsheets.
template <double (*F)(double)>
Value stepped(Env& env, Args args) {
  if (args.size() < 2 || env.engine == Engine::kMath) return rounded<F>(env, args);
  TRY(const double x, number_of(args[0]));
  TRY(const double step, number_of(args[1]));
  if (step == 0) return json::Value(0);
  return json::Value(F(x / std::fabs(step)) * std::fabs(step));
}

Value power(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  TRY(const double y, number_of(args[1]));
  return json::Value(std::pow(x, y));
}
Value arc_tangent2(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  TRY(const double y, number_of(args[1]));
  return json::Value(std::atan2(x, y));
}

Value modulo(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  TRY(const double y, number_of(args[1]));
  return json::Value(y == 0 ? x : x - y * std::floor(x / y));
}
Value quotient(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  TRY(const double y, number_of(args[1]));
  return json::Value(std::trunc(x / y));
}

// Natural in math.js, to base 10 in spreadsheets.
Value logarithm(Env& env, Args args) {
  TRY(const double x, number_of(args[0]));
  double base = env.engine == Engine::kMath ? M_E : 10;
  if (args.size() > 1) {
    TRY(base, number_of(args[1]));
  }
  if (base == M_E) return json::Value(std::log(x));
  if (base == 10) return json::Value(std::log10(x));
  return json::Value(std::log(x) / std::log(base));
}

Value factorial(Env&, Args args) {
  TRY(const double x, number_of(args[0]));
  if (!(x >= 0 && x <= 170) || x != std::trunc(x))
    return failed("A factorial needs a whole number from 0 to 170.");
  double result = 1;
  for (int i = 2; i <= static_cast<int>(x); ++i) result *= i;
  return json::Value(result);
}

Value pi(Env&, Args) { return json::Value(M_PI); }

// All numbers in the arguments, lists included. Blanks and booleans do not count; a text that is no
// number is an error in math.js and does not count in spreadsheets.
Status collect(Env& env, Args args, std::vector<json::Value>& out) {
  TRY_STATUS(env.charge(args.size()));
  for (const json::Value& arg : args) {
    if (arg.is_array()) {
      const json::Array& list = arg.get_array();
      TRY_STATUS(collect(env, Args(list.data(), list.size()), out));
      continue;
    }
    if (arg.is_null() || arg.is_bool()) continue;
    if (arg.is_string() && trim(json::as_view(arg)).empty()) continue;
    auto number = exact_number_of(arg);
    if (number)
      out.push_back(*std::move(number));
    else if (env.engine == Engine::kMath)
      return std::unexpected(std::move(number).error());
  }
  return {};
}

template <Value (*F)(const std::vector<json::Value>&)>
Value many(Env& env, Args args) {
  std::vector<json::Value> numbers;
  TRY_STATUS(collect(env, args, numbers));
  return F(numbers);
}

double real(const json::Value& value) { return *as_number(value); }
bool less(const json::Value& a, const json::Value& b) { return real(a) < real(b); }

json::Value total(const std::vector<json::Value>& numbers) {
  json::Value sum(0);
  for (const json::Value& number : numbers) sum = add(sum, number);
  return sum;
}
Value sum_of(const std::vector<json::Value>& n) { return total(n); }
Value count_of(const std::vector<json::Value>& n) { return json::Value(n.size()); }
Value product_of(const std::vector<json::Value>& n) {
  json::Value product(1);
  for (const json::Value& number : n) product = multiply(product, number);
  return n.empty() ? json::Value(0) : product;
}
Value mean_of(const std::vector<json::Value>& n) {
  if (n.empty()) return nullptr;
  return json::Value(real(total(n)) / static_cast<double>(n.size()));
}
Value min_of(const std::vector<json::Value>& n) {
  return n.empty() ? json::Value(nullptr) : *std::ranges::min_element(n, less);
}
Value max_of(const std::vector<json::Value>& n) {
  return n.empty() ? json::Value(nullptr) : *std::ranges::max_element(n, less);
}
Value median_of(const std::vector<json::Value>& n) {
  if (n.empty()) return nullptr;
  std::vector<json::Value> sorted = n;
  std::ranges::sort(sorted, less);
  const size_t middle = sorted.size() / 2;
  if (sorted.size() % 2 == 1) return sorted[middle];
  return json::Value((real(sorted[middle - 1]) + real(sorted[middle])) / 2);
}
// Of a sample: divided by n - 1.
std::optional<double> spread(const std::vector<json::Value>& n) {
  if (n.size() < 2) return std::nullopt;
  const double mean = real(total(n)) / static_cast<double>(n.size());
  double sum = 0;
  for (const json::Value& number : n) sum += square(real(number) - mean);
  return sum / static_cast<double>(n.size() - 1);
}
Value variance_of(const std::vector<json::Value>& n) {
  const auto value = spread(n);
  return value ? json::Value(*value) : json::Value(nullptr);
}
Value deviation_of(const std::vector<json::Value>& n) {
  const auto value = spread(n);
  return value ? json::Value(std::sqrt(*value)) : json::Value(nullptr);
}

template <int64_t (*F)(int64_t, int64_t)>
Value folded(Env& env, Args args) {
  std::vector<json::Value> numbers;
  TRY_STATUS(collect(env, args, numbers));
  int64_t result = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    TRY(const int64_t number, integer_of(numbers[i]));
    result = i == 0 ? std::abs(number) : F(result, std::abs(number));
    if (result < 0) return failed("The result is out of range.");
  }
  return json::Value(result);
}
int64_t common_divisor(int64_t a, int64_t b) { return std::gcd(a, b); }
int64_t common_multiple(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  int64_t result = 0;
  return __builtin_mul_overflow(a / std::gcd(a, b), b, &result) ? -1 : result;
}

Status count_filled(Env& env, Args args, int64_t& count) {
  TRY_STATUS(env.charge(args.size()));
  for (const json::Value& arg : args) {
    if (arg.is_array()) {
      const json::Array& list = arg.get_array();
      TRY_STATUS(count_filled(env, Args(list.data(), list.size()), count));
    } else if (!arg.is_null() && !(arg.is_string() && arg.get_string().empty())) {
      ++count;
    }
  }
  return {};
}
Value count_all(Env& env, Args args) {
  int64_t count = 0;
  TRY_STATUS(count_filled(env, args, count));
  return json::Value(count);
}

constexpr std::array<Function, 41> kMath = {{
    {"abs", 1, 1, true, absolute},
    {"acos", 1, 1, true, one<std::acos>},
    {"asin", 1, 1, true, one<std::asin>},
    {"atan", 1, 1, true, one<std::atan>},
    {"atan2", 2, 2, true, arc_tangent2},
    {"cbrt", 1, 1, true, one<std::cbrt>},
    {"ceil", 1, 2, true, stepped<std::ceil>},
    {"ceiling", 1, 2, true, stepped<std::ceil>},
    {"cos", 1, 1, true, one<std::cos>},
    {"cube", 1, 1, true, one<cube>},
    {"degrees", 1, 1, true, one<to_degrees>},
    {"exp", 1, 1, true, one<std::exp>},
    {"fact", 1, 1, true, factorial},
    {"factorial", 1, 1, true, factorial},
    {"fix", 1, 2, true, rounded<std::trunc>},
    {"floor", 1, 2, true, stepped<std::floor>},
    {"gcd", 1, kAnyNumber, true, folded<common_divisor>},
    {"int", 1, 1, true, rounded<std::floor>},
    {"lcm", 1, kAnyNumber, true, folded<common_multiple>},
    {"ln", 1, 1, true, one<std::log>},
    {"log", 1, 2, true, logarithm},
    {"log10", 1, 1, true, one<std::log10>},
    {"log2", 1, 1, true, one<std::log2>},
    {"mod", 2, 2, true, modulo},
    {"pi", 0, 0, true, pi},
    {"pow", 2, 2, true, power},
    {"power", 2, 2, true, power},
    {"quotient", 2, 2, true, quotient},
    {"radians", 1, 1, true, one<to_radians>},
    {"round", 1, 2, true, rounded<std::round>},
    {"rounddown", 1, 2, true, rounded<std::trunc>},
    {"roundup", 1, 2, true, rounded<up>},
    {"sign", 1, 1, true, one<sign>},
    {"sin", 1, 1, true, one<std::sin>},
    {"sinh", 1, 1, true, one<std::sinh>},
    {"cosh", 1, 1, true, one<std::cosh>},
    {"tanh", 1, 1, true, one<std::tanh>},
    {"sqrt", 1, 1, true, one<std::sqrt>},
    {"square", 1, 1, true, one<square>},
    {"tan", 1, 1, true, one<std::tan>},
    {"trunc", 1, 2, true, rounded<std::trunc>},
}};

constexpr std::array<Function, 15> kAggregates = {{
    {"average", 1, kAnyNumber, false, many<mean_of>},
    {"avg", 1, kAnyNumber, false, many<mean_of>},
    {"count", 1, kAnyNumber, false, many<count_of>},
    {"counta", 1, kAnyNumber, false, count_all},
    {"max", 1, kAnyNumber, false, many<max_of>},
    {"mean", 1, kAnyNumber, false, many<mean_of>},
    {"median", 1, kAnyNumber, false, many<median_of>},
    {"min", 1, kAnyNumber, false, many<min_of>},
    {"prod", 1, kAnyNumber, false, many<product_of>},
    {"product", 1, kAnyNumber, false, many<product_of>},
    {"std", 1, kAnyNumber, false, many<deviation_of>},
    {"stdev", 1, kAnyNumber, false, many<deviation_of>},
    {"sum", 1, kAnyNumber, false, many<sum_of>},
    {"var", 1, kAnyNumber, false, many<variance_of>},
    {"variance", 1, kAnyNumber, false, many<variance_of>},
}};

}  // namespace

std::span<const Function> math_functions() { return kMath; }
std::span<const Function> aggregate_functions() { return kAggregates; }

}  // namespace halcyon::expr
