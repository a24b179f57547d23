// Streaming JSON writer for answers: appends to a std::string, no tree in between.
//
//   Writer w(out);
//   w.begin_object(); w.key("id"); w.integer(5); w.key("name"); w.string("a"); w.end_object();
//
// Commas are the writer's business. Strings must be valid UTF-8; invalid bytes become U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "json/json.h"

namespace halcyon::json {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void begin_object() {
    value_start();
    out_ += '{';
    first_ = true;
  }
  void end_object() {
    out_ += '}';
    first_ = false;
  }
  void begin_array() {
    value_start();
    out_ += '[';
    first_ = true;
  }
  void end_array() {
    out_ += ']';
    first_ = false;
  }
  void key(std::string_view name);  // escapes
  void string(std::string_view text);
  void integer(int64_t number);
  void real(double number);  // null when not finite
  void boolean(bool value);
  void null();
  void raw(std::string_view json);  // already valid JSON
  void value(const Value& value);
  std::string& out() { return out_; }

 private:
  void value_start() {
    if (after_key_)
      after_key_ = false;
    else if (!first_)
      out_ += ',';
    first_ = false;
  }
  std::string& out_;
  bool first_ = true;
  bool after_key_ = false;
};

inline void append_escaped(std::string& out, std::string_view text) {  // with the quotes
  append_json_string(out, text);
}

}  // namespace halcyon::json
