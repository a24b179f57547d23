// JSON values are Boost.JSON's; this header adds safe parsing, path access and dumping.
//
//   TRY(json::Value v, json::parse(text));            // depth and size limited, error INVALID_JSON
//   const json::Value* n = json::find(v, "a.b.0.c");  // nullptr when absent
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

// Parses one JSON text; at most `max_depth` levels. Error: 400 INVALID_JSON with the position.
Result<Value> parse(std::string_view text, size_t max_depth = 64);
// Compact text; numbers in their shortest form (1.5, 1e+30), so a double 2.0 is read back as 2.
std::string dump(const Value& value);

// Dotted path through objects and array indexes; nullptr when absent.
const Value* find(const Value& root, std::string_view path);
const Value* find(const Object& root, std::string_view key);
void set(Value& root, std::string_view path, Value value);  // makes objects on the way

// Typed look-ups with a default; wrong kinds give the default.
std::string get_string(const Object& object, std::string_view key, std::string_view fallback = "");
bool get_bool(const Object& object, std::string_view key, bool fallback = false);
int64_t get_int(const Object& object, std::string_view key, int64_t fallback = 0);
const Object* get_object(const Object& object, std::string_view key);
const Array* get_array(const Object& object, std::string_view key);
inline std::string_view as_view(const Value& value) {  // value must be a string
  const auto& text = value.get_string();
  return {text.data(), text.size()};
}

}  // namespace halcyon::json
