#include "json/json.h"

#include <fmt/format.h>

#include "base/text.h"
#include "json/writer.h"

namespace halcyon::json {

Result<Value> parse(std::string_view text, size_t max_depth) {
  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code error;
  const size_t used = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (error) {
    return std::unexpected(
        Error(Code::kInvalidArgument, "INVALID_JSON",
              fmt::format("This is not valid JSON: {} near position {}.", error.message(), used)));
  }
  return parser.release();
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
