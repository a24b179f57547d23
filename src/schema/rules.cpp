// Validation rules under their Joi names (reference D.3). Patterns run on RE2, whose time is linear
// in the text whatever the pattern is.
#include "schema/rules.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <cmath>

#include "base/text.h"
#include "schema/field_type.h"
#include "schema/types/civil.h"
#include "schema/types/common.h"

namespace halcyon::schema {

namespace {

// A rule's argument by name; a bare value or a list stands for the first argument.
const json::Value* argument(const json::Object& rule, std::string_view name) {
  const json::Value* args = json::find(rule, "args");
  if (args == nullptr || args->is_null()) return nullptr;
  if (args->is_object()) return json::find(args->get_object(), name);
  if (args->is_array()) {
    return args->get_array().empty() ? nullptr : &args->get_array().front();
  }
  return args;
}

std::optional<double> number_of(const json::Value* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  if (value->is_string()) return to_double(json::as_view(*value));
  return std::nullopt;
}

// "^a" or "/^a/i".
std::string pattern_text(const json::Object& rule) {
  const json::Value* value = argument(rule, "regex");
  if (value == nullptr) value = argument(rule, "pattern");
  if (value == nullptr || !value->is_string()) return "";
  const std::string text(json::as_view(*value));
  const size_t end = text.rfind('/');
  if (text.size() < 2 || text[0] != '/' || end == 0) return text;
  const std::string_view flags = std::string_view(text).substr(end + 1);
  if (flags.find_first_not_of("gimsuy") != std::string_view::npos) return text;
  std::string inner = text.substr(1, end - 1);
  if (flags.find('i') != std::string_view::npos) inner = "(?i)" + inner;
  return inner;
}

bool matches(std::string_view text, const char* pattern) {
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()),
                             re2::RE2(pattern, re2::RE2::Quiet));
}

bool is_email(std::string_view text) {
  return text.size() <= 254 &&
         matches(text, R"re([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@)re"
                       R"re([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)re"
                       R"re((?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+)re");
}

// nullopt: no such rule for texts. Empty: it holds. Else what was expected.
std::optional<std::string> check_string(std::string_view name, const json::Object& rule,
                                        std::string_view text) {
  const auto limit = number_of(argument(rule, "limit"));
  const auto length = static_cast<double>(types::count_code_points(text));
  const auto unless = [](bool good, std::string expected) {
    return good ? std::string() : std::move(expected);
  };
  if (name == "min") {
    return unless(!limit || length >= *limit,
                  fmt::format("at least {} characters", limit.value_or(0)));
  }
  if (name == "max") {
    return unless(!limit || length <= *limit,
                  fmt::format("at most {} characters", limit.value_or(0)));
  }
  if (name == "length") {
    return unless(!limit || length == *limit, fmt::format("{} characters", limit.value_or(0)));
  }
  if (name == "pattern") {
    re2::RE2 pattern(pattern_text(rule), re2::RE2::Quiet);
    const bool invert = json::get_bool(rule, "invert");
    const bool found =
        pattern.ok() && re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
    return unless(found != invert, "text that matches " + pattern_text(rule));
  }
  if (name == "email") return unless(is_email(text), "an email address");
  if (name == "uri" || name == "url") {
    return unless(matches(text, R"([A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]+)"), "a URI");
  }
  if (name == "guid" || name == "uuid") {
    return unless(
        matches(text, "(?i)[{(\\[]?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}[})\\]]?"),
        "a GUID");
  }
  if (name == "case" || name == "lowercase" || name == "uppercase") {
    const json::Value* direction = argument(rule, "direction");
    const bool upper = name == "uppercase" || (direction != nullptr && direction->is_string() &&
                                               direction->get_string() == "upper");
    const char* wrong = upper ? R"([^\p{Ll}]*)" : R"([^\p{Lu}]*)";
    return unless(matches(text, wrong), upper ? "upper case" : "lower case");
  }
  if (name == "alphanum") return unless(matches(text, "[A-Za-z0-9]*"), "letters and digits");
  if (name == "token") return unless(matches(text, "[A-Za-z0-9_]*"), "letters, digits and _");
  if (name == "hex") return unless(matches(text, "[0-9A-Fa-f]*"), "hexadecimal digits");
  if (name == "base64") return unless(base64_decode(text).has_value(), "base64 text");
  if (name == "isoDate") return unless(types::read_civil(text).has_value(), "an ISO date");
  if (name == "hostname" || name == "domain") {
    return unless(
        text.size() <= 253 && matches(text, R"((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"
                                            R"(\.?)+)"),
        "a host name");
  }
  if (name == "ip") {
    return unless(
        matches(text, R"((?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4})") ||
            (text.find(':') != std::string_view::npos && matches(text, "[0-9A-Fa-f:.]{2,45}")),
        "an IP address");
  }
  return std::nullopt;
}

bool is_multiple(double value, double base) {
  if (base == 0) return false;
  const double ratio = value / base;
  return std::fabs(ratio - std::round(ratio)) < 1e-9 * std::max(1.0, std::fabs(ratio));
}

// Digits after the point in the shortest text of the number.
size_t fraction_digits(const json::Value& input) {
  const std::string text =
      input.is_string() ? std::string(json::as_view(input)) : types::number_text(input);
  const double number = to_double(text).value_or(0);
  const std::string plain =
      text.find_first_of("eE") == std::string::npos ? text : fmt::format("{:.15f}", number);
  const size_t point = plain.find('.');
  if (point == std::string::npos) return 0;
  const size_t last = plain.find_last_not_of('0');
  return last <= point ? 0 : last - point;
}

std::optional<std::string> check_number(std::string_view name, const json::Object& rule,
                                        const json::Value& input, double value) {
  const auto limit = number_of(argument(rule, name == "multiple" ? "base" : "limit"));
  const auto unless = [](bool good, std::string expected) {
    return good ? std::string() : std::move(expected);
  };
  const double bound = limit.value_or(0);
  if (name == "min") return unless(!limit || value >= bound, fmt::format("at least {}", bound));
  if (name == "max") return unless(!limit || value <= bound, fmt::format("at most {}", bound));
  if (name == "greater") return unless(!limit || value > bound, fmt::format("above {}", bound));
  if (name == "less") return unless(!limit || value < bound, fmt::format("below {}", bound));
  if (name == "multiple") {
    return unless(!limit || is_multiple(value, bound), fmt::format("a multiple of {}", bound));
  }
  if (name == "integer") return unless(value == std::trunc(value), "an integer");
  if (name == "precision") {
    return unless(!limit || static_cast<double>(fraction_digits(input)) <= bound,
                  fmt::format("at most {} digits after the point", bound));
  }
  if (name == "port") {
    return unless(value == std::trunc(value) && value >= 0 && value <= 65535, "a port number");
  }
  if (name == "positive") return unless(value > 0, "a positive number");
  if (name == "negative") return unless(value < 0, "a negative number");
  if (name == "unsafe" || name == "safe") return std::string();
  return std::nullopt;
}

std::optional<int64_t> instant_of(const json::Value* value) {
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  if (!value->is_string()) return std::nullopt;
  if (json::as_view(*value) == "now") return types::now_ms();
  const auto civil = types::read_civil(json::as_view(*value));
  if (!civil) return std::nullopt;
  return types::civil_to_ms(*civil) - int64_t{civil->offset_minutes.value_or(0)} * 60'000;
}

std::optional<std::string> check_date(std::string_view name, const json::Object& rule,
                                      const json::Value& input) {
  const json::Value* given = argument(rule, "date");
  if (given == nullptr) given = argument(rule, "limit");
  const auto limit = instant_of(given);
  const auto value = instant_of(&input);
  if (!limit || !value) return std::nullopt;
  const std::string shown = given->is_string() ? std::string(json::as_view(*given)) : "the limit";
  const auto unless = [](bool good, std::string expected) {
    return good ? std::string() : std::move(expected);
  };
  if (name == "min") return unless(*value >= *limit, "not before " + shown);
  if (name == "max") return unless(*value <= *limit, "not after " + shown);
  if (name == "greater") return unless(*value > *limit, "after " + shown);
  if (name == "less") return unless(*value < *limit, "before " + shown);
  return std::nullopt;
}

std::string title_of(const Field& field) {
  if (const json::Object* ui = json::get_object(field.options, "uiSchema")) {
    const std::string title = json::get_string(*ui, "title");
    if (!title.empty() && title.find("{{") == std::string::npos) return title;
  }
  return field.name;
}

Error failed(const Field& field, std::string_view rule, std::string expected) {
  Error error(Code::kInvalidArgument, "VALIDATION_FAILED",
              rule == "required" ? fmt::format("\"{}\" is required.", title_of(field))
                                 : fmt::format("\"{}\" must be {}.", title_of(field), expected));
  return std::move(error).with_field(field.name).with_expected(std::move(expected));
}

std::optional<std::string> check_rule(const Field& field, std::string_view name,
                                      const json::Object& rule, const json::Value& input) {
  switch (field.kind->family()) {
    case Family::kNumber: {
      const auto number = number_of(&input);
      return number ? check_number(name, rule, input, *number) : std::nullopt;
    }
    case Family::kDateTime:
    case Family::kDateOnly:
      return check_date(name, rule, input);
    case Family::kArray: {
      if (!input.is_array()) return std::nullopt;
      const auto limit = number_of(argument(rule, "limit"));
      const auto size = static_cast<double>(input.get_array().size());
      if (!limit) return std::nullopt;
      if (name == "min") return size >= *limit ? "" : fmt::format("at least {} items", *limit);
      if (name == "max") return size <= *limit ? "" : fmt::format("at most {} items", *limit);
      if (name == "length") return size == *limit ? "" : fmt::format("{} items", *limit);
      return std::nullopt;
    }
    default:
      if (input.is_string()) return check_string(name, rule, json::as_view(input));
      if (input.is_number() && field.kind->family() == Family::kText) {
        return check_string(name, rule, types::number_text(input));
      }
      return std::nullopt;
  }
}

}  // namespace

std::vector<Error> check_rules(const Field& field, const json::Value& input, bool creating) {
  std::vector<Error> errors;
  const bool empty = input.is_null() || (input.is_string() && input.get_string().empty());
  const bool made_here =
      field.auto_increment || field.kind->has_before_save(field) || !field.default_value.is_null();
  bool required = false;
  for (const auto& item : field.rules) {
    required |= item.is_object() && json::get_string(item.get_object(), "name") == "required";
  }
  if (required && empty && (!creating || !made_here || input.is_string())) {
    errors.push_back(failed(field, "required", "given"));
    return errors;
  }
  if (input.is_null()) {
    if (!field.nullable && !field.column.empty() && !(creating && made_here)) {
      errors.push_back(failed(field, "required", "given"));
    }
    return errors;
  }
  if (empty) return errors;
  for (const auto& item : field.rules) {
    if (!item.is_object()) continue;
    const json::Object& rule = item.get_object();
    const std::string name = json::get_string(rule, "name");
    const auto expected = check_rule(field, name, rule, input);
    if (expected && !expected->empty()) errors.push_back(failed(field, name, *expected));
  }
  return errors;
}

Status check_rule_definitions(const json::Array& rules) {
  const auto wrong = [](std::string message) {
    return fail(Error(Code::kInvalidArgument, "INVALID_FIELD_OPTIONS", std::move(message))
                    .with_field("validation"));
  };
  for (const auto& item : rules) {
    if (!item.is_object()) return wrong("a validation rule must be {name, args}.");
    const json::Object& rule = item.get_object();
    const std::string name = json::get_string(rule, "name");
    if (name == "pattern") {
      const std::string text = pattern_text(rule);
      const re2::RE2 pattern(text, re2::RE2::Quiet);
      if (text.empty() || !pattern.ok()) {
        return wrong(fmt::format("the validation pattern \"{}\" is not a regular expression{}.",
                                 text, pattern.ok() ? "" : ": " + pattern.error()));
      }
    }
    const bool bounded = name == "length" || name == "multiple" || name == "precision";
    if (bounded && !number_of(argument(rule, name == "multiple" ? "base" : "limit"))) {
      return wrong(fmt::format("the validation rule \"{}\" needs a number.", name));
    }
  }
  return {};
}

}  // namespace halcyon::schema
