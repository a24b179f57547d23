// Numeric comparison of decimals kept as text.
#include <algorithm>
#include <charconv>

#include "sql/sqlite/dialect.h"

namespace halcyon::sql::sqlite {

namespace {

// 0.<digits> * 10^exponent, digits without leading or trailing zeros; empty digits = zero.
struct Decimal {
  bool valid = false;
  bool negative = false;
  std::string_view whole, fraction;  // digits of both sides of the point
  int64_t exponent = 0;              // places of the first digit left of the point

  size_t size() const { return whole.size() + fraction.size(); }
  char digit(size_t i) const {
    return i < whole.size() ? whole[i] : i < size() ? fraction[i - whole.size()] : '0';
  }
};

std::string_view take_digits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

Decimal read(std::string_view text) {
  Decimal d;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    d.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  d.whole = take_digits(text);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    d.fraction = take_digits(text);
  }
  if (d.size() == 0) return d;
  int64_t power = 0;
  if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), power);
    if (error != std::errc() || std::abs(power) > 1'000'000) return d;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  if (!text.empty()) return d;
  d.valid = true;
  while (!d.whole.empty() && d.whole.front() == '0') d.whole.remove_prefix(1);
  while (!d.fraction.empty() && d.fraction.back() == '0') d.fraction.remove_suffix(1);
  d.exponent = static_cast<int64_t>(d.whole.size()) + power;
  if (d.whole.empty()) {
    while (!d.fraction.empty() && d.fraction.front() == '0') {
      d.fraction.remove_prefix(1);
      --d.exponent;
    }
  }
  if (d.size() == 0) {
    d.negative = false;
    d.exponent = 0;
  }
  return d;
}

int sign(const Decimal& d) { return d.size() == 0 ? 0 : d.negative ? -1 : 1; }

}  // namespace

int compare_decimal(std::string_view a, std::string_view b) {
  Decimal x = read(a), y = read(b);
  if (!x.valid || !y.valid) {
    if (x.valid != y.valid) return x.valid ? -1 : 1;
    int order = a.compare(b);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  if (sign(x) != sign(y)) return sign(x) < sign(y) ? -1 : 1;
  if (sign(x) == 0) return 0;
  int larger = x.negative ? -1 : 1;  // the answer when |x| > |y|
  if (x.exponent != y.exponent) return x.exponent > y.exponent ? larger : -larger;
  for (size_t i = 0, n = std::max(x.size(), y.size()); i < n; ++i) {
    if (x.digit(i) != y.digit(i)) return x.digit(i) > y.digit(i) ? larger : -larger;
  }
  return 0;
}

}  // namespace halcyon::sql::sqlite
