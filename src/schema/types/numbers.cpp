// integer, bigInt, float, double, real, decimal.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/text.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

class IntegerType final : public FieldType {
 public:
  IntegerType(std::string_view name, sql::Type type, int64_t min, int64_t max)
      : name_(name), type_(type), min_(min), max_(max) {}
  std::string_view name() const override { return name_; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = type_;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, type_);
    const std::string expected = fmt::format("an integer from {} to {}", min_, max_);
    TRY(int64_t number, read_integer(field, input, expected));
    if (number < min_ || number > max_) return bad_value(field, expected, input);
    sql::Value value(number);
    value.type = type_;
    return value;
  }
  // Comparisons may name numbers the column cannot hold (age > 1.5): compare as they are.
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, type_);
    if (input.is_double() && std::isfinite(input.get_double()) &&
        input.get_double() != std::trunc(input.get_double())) {
      return sql::Value(input.get_double());
    }
    if (input.is_string() && !to_int64(json::as_view(input))) {
      if (auto number = to_double(json::as_view(input)); number && std::isfinite(*number)) {
        return sql::Value(*number);
      }
    }
    TRY(int64_t number, read_integer(field, input, "a number"));
    return sql::Value(number);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    write_integer(cell, out);
  }

 private:
  std::string_view name_;
  sql::Type type_;
  int64_t min_, max_;
};

class RealType final : public FieldType {
 public:
  RealType(std::string_view name, sql::Type type) : name_(name), type_(type) {}
  std::string_view name() const override { return name_; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = type_;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, type_);
    std::optional<double> number;
    if (input.is_number()) number = input.to_number<double>();
    if (input.is_string()) number = to_double(json::as_view(input));
    if (!number || !std::isfinite(*number)) return bad_value(field, "a number", input);
    if (type_ == sql::Type::kReal &&
        std::fabs(*number) > static_cast<double>(std::numeric_limits<float>::max())) {
      return bad_value(field, "a number a 32-bit float can hold", input);
    }
    sql::Value value(*number);
    value.type = type_;
    return value;
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    std::string_view text = cell.text();
    if (text.ends_with(".0")) text.remove_suffix(2);  // SQLite says 1.0 where JSON has 1
    const char last = text.empty() ? 'x' : text.back();
    if (last < '0' || last > '9') return out.null();  // NaN, Infinity: JSON has no such number
    out.raw(text);
  }

 private:
  std::string_view name_;
  sql::Type type_;
};

// Digits of a decimal text: sign, whole part without leading zeros, fraction. nullopt: not one.
struct Decimal {
  bool negative = false;
  std::string whole, fraction;
};

std::optional<Decimal> read_decimal(std::string_view text) {
  Decimal out;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  size_t at = 0;
  const auto digits = [&](std::string& into) {
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') into += text[at++];
  };
  digits(out.whole);
  if (at < text.size() && text[at] == '.') {
    ++at;
    digits(out.fraction);
  }
  if (out.whole.empty() && out.fraction.empty()) return std::nullopt;
  int64_t exponent = 0;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::string_view rest = text.substr(at + 1);
    if (rest.starts_with('+')) rest.remove_prefix(1);
    auto number = to_int64(rest);
    if (!number || *number > 1000 || *number < -1000) return std::nullopt;
    exponent = *number;
    at = text.size();
  }
  if (at != text.size()) return std::nullopt;
  for (; exponent > 0; --exponent) {
    out.whole += out.fraction.empty() ? '0' : out.fraction[0];
    if (!out.fraction.empty()) out.fraction.erase(0, 1);
  }
  for (; exponent < 0; ++exponent) {
    out.fraction.insert(0, 1, out.whole.empty() ? '0' : out.whole.back());
    if (!out.whole.empty()) out.whole.pop_back();
  }
  out.whole.erase(0, std::min(out.whole.find_first_not_of('0'), out.whole.size()));
  return out;
}

std::string plain(const Decimal& number) {
  const bool is_zero =
      number.whole.empty() && number.fraction.find_first_not_of('0') == std::string::npos;
  std::string text = number.negative && !is_zero ? "-" : "";
  text += number.whole.empty() ? "0" : number.whole;
  if (!number.fraction.empty()) text += "." + number.fraction;
  return text;
}

// Exactly `scale` digits after the point, half away from zero as SQL rounds.
void round_to(Decimal& number, size_t scale) {
  if (number.fraction.size() <= scale) {
    number.fraction.resize(scale, '0');
    return;
  }
  const bool up = number.fraction[scale] >= '5';
  number.fraction.resize(scale);
  if (!up) return;
  const auto carry = [](std::string& digits) {
    for (size_t i = digits.size(); i-- > 0;) {
      if (digits[i] != '9') {
        ++digits[i];
        return false;
      }
      digits[i] = '0';
    }
    return true;
  };
  if (carry(number.fraction) && carry(number.whole)) number.whole.insert(0, 1, '1');
}

class DecimalType final : public FieldType {
 public:
  std::string_view name() const override { return "decimal"; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    sql::ColumnType column;
    column.type = sql::Type::kDecimal;
    column.precision = static_cast<int>(json::get_int(options, "precision", 0));
    column.scale = static_cast<int>(json::get_int(options, "scale", 0));
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const int64_t precision = json::get_int(options, "precision", 0);
    const int64_t scale = json::get_int(options, "scale", 0);
    // MySQL's limits, so that a model can move between databases.
    if (precision < 0 || precision > 65) {
      return bad_options("precision", "A decimal's precision must be from 1 to 65 digits.");
    }
    if (scale < 0 || scale > 30 || (precision > 0 && scale > precision)) {
      return bad_options("scale",
                         "A decimal's scale must be from 0 to 30 and not above its precision.");
    }
    return {};
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kDecimal);
    TRY(Decimal number, read(field, input));
    const int precision = field.storage.precision, scale = field.storage.scale;
    if (precision > 0) {
      // Rounded here and not by the database: SQLite keeps text and would keep every digit.
      round_to(number, static_cast<size_t>(scale));
      if (number.whole.size() > static_cast<size_t>(precision - scale)) {
        return bad_value(
            field,
            fmt::format("a decimal with at most {} digits before the point", precision - scale),
            input);
      }
    }
    return sql::Value(plain(number), sql::Type::kDecimal);
  }
  // Comparisons may name numbers the column cannot hold: compare as they are.
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kDecimal);
    TRY(Decimal number, read(field, input));
    return sql::Value(plain(number), sql::Type::kDecimal);
  }
  // The same digits on every database: the column's scale, or without one no zeros at the end
  // (MySQL pads to 30 places; SQLite has whatever text was written before).
  void write(const Field& field, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    const std::string_view text = cell.text();
    const size_t point = text.find('.');
    const size_t places = point == std::string_view::npos ? 0 : text.size() - point - 1;
    const auto scale = static_cast<size_t>(field.storage.scale);
    if (field.storage.precision > 0 ? places == scale : places == 0) return out.string(text);
    auto number = read_decimal(text);
    if (!number) return out.string(text);
    if (field.storage.precision > 0) {
      round_to(*number, scale);
    } else {
      number->fraction.erase(number->fraction.find_last_not_of('0') + 1);
    }
    out.string(plain(*number));
  }

 private:
  static Result<Decimal> read(const Field& field, const json::Value& input) {
    std::string text;
    if (input.is_string()) text = std::string(json::as_view(input));
    if (input.is_number()) text = number_text(input);
    auto number = read_decimal(text);
    if (!number) return bad_value(field, "a decimal number", input);
    return *std::move(number);
  }
};

}  // namespace

const FieldType& integer_type() {
  static const IntegerType type("integer", sql::Type::kInt32, std::numeric_limits<int32_t>::min(),
                                std::numeric_limits<int32_t>::max());
  return type;
}
const FieldType& big_int_type() {
  static const IntegerType type("bigInt", sql::Type::kInt64, std::numeric_limits<int64_t>::min(),
                                std::numeric_limits<int64_t>::max());
  return type;
}
const FieldType& float_type() {
  static const RealType type("float", sql::Type::kDouble);
  return type;
}
const FieldType& double_type() {
  static const RealType type("double", sql::Type::kDouble);
  return type;
}
const FieldType& real_type() {
  static const RealType type("real", sql::Type::kReal);
  return type;
}
const FieldType& decimal_type() {
  static const DecimalType type;
  return type;
}

}  // namespace halcyon::schema::types
