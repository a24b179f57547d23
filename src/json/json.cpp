#include "json/json.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "json/writer.h"

namespace halcyon::json {

namespace {

// Builds the value as Boost's own parser does, but reads doubles exactly: Boost 1.81 is one unit in
// the last place off for one in ten of those with 16 and more digits, and takes 1e999 for infinity.
struct Handler {
  using View = boost::json::string_view;
  using Code = boost::system::error_code;
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);

  boost::json::value_stack stack;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_object_end(size_t size, Code&) {
    stack.push_object(size);
    return true;
  }
  bool on_array_end(size_t size, Code&) {
    stack.push_array(size);
    return true;
  }
  bool on_key_part(View part, size_t, Code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_key(View part, size_t, Code&) {
    stack.push_key(part);
    return true;
  }
  bool on_string_part(View part, size_t, Code&) {
    stack.push_chars(part);
    return true;
  }
  bool on_string(View part, size_t, Code&) {
    stack.push_string(part);
    return true;
  }
  bool on_number_part(View, Code&) { return true; }  // only of texts given in pieces
  bool on_int64(int64_t number, View, Code&) {
    stack.push_int64(number);
    return true;
  }
  bool on_uint64(uint64_t number, View, Code&) {
    stack.push_uint64(number);
    return true;
  }
  bool on_double(double near, View text, Code& error) {
    double number = near;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number).ec;
    // Out of range is too large or too small; what is too small is nothing.
    if (read != std::errc{}) number = near;
    if (!std::isfinite(number)) {
      error = boost::json::error::exponent_overflow;
      return false;
    }
    stack.push_double(number);
    return true;
  }
  bool on_bool(bool value, Code&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(Code&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(View, Code&) { return true; }
  bool on_comment(View, Code&) { return true; }
};

}  // namespace

Result<Value> parse(std::string_view text, size_t max_depth) {
  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::basic_parser<Handler> parser(options);
  parser.handler().stack.reset();
  boost::system::error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) error = boost::json::error::extra_data;
  if (error) {
    return std::unexpected(
        Error(Code::kInvalidArgument, "INVALID_JSON",
              fmt::format("This is not valid JSON: {} near position {}.", error.message(), used)));
  }
  return parser.handler().stack.release();
}

std::string dump(const Value& value) {
  std::string text;
  Writer(text).value(value);
  return text;
}

const Value* find(const Object& root, std::string_view key) {
  return root.if_contains({key.data(), key.size()});
}

const Value* find(const Value& root, std::string_view path) {
  const Value* at = &root;
  for (std::string_view part : split(path, '.')) {
    if (at->is_object()) {
      at = find(at->get_object(), part);
    } else if (at->is_array()) {
      const auto index = to_int64(part);
      const auto& array = at->get_array();
      at = index && *index >= 0 && static_cast<size_t>(*index) < array.size()
               ? &array[static_cast<size_t>(*index)]
               : nullptr;
    } else {
      return nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

void set(Value& root, std::string_view path, Value value) {
  Value* at = &root;
  for (std::string_view part : split(path, '.')) {
    if (!at->is_object()) at->emplace_object();
    at = &at->get_object()[boost::json::string_view(part.data(), part.size())];
  }
  *at = std::move(value);
}

std::string get_string(const Object& object, std::string_view key, std::string_view fallback) {
  const Value* value = find(object, key);
  return std::string(value != nullptr && value->is_string() ? as_view(*value) : fallback);
}

bool get_bool(const Object& object, std::string_view key, bool fallback) {
  const Value* value = find(object, key);
  return value != nullptr && value->is_bool() ? value->get_bool() : fallback;
}

int64_t get_int(const Object& object, std::string_view key, int64_t fallback) {
  const Value* value = find(object, key);
  return value != nullptr && value->is_int64() ? value->get_int64() : fallback;
}

const Object* get_object(const Object& object, std::string_view key) {
  const Value* value = find(object, key);
  return value != nullptr ? value->if_object() : nullptr;
}

const Array* get_array(const Object& object, std::string_view key) {
  const Value* value = find(object, key);
  return value != nullptr ? value->if_array() : nullptr;
}

}  // namespace halcyon::json
