#include "json/writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace halcyon::json {

void Writer::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  append_escaped(out_, name);
  out_ += ':';
  after_key_ = true;
}

void Writer::string(std::string_view text) {
  value_start();
  append_escaped(out_, text);
}

void Writer::integer(int64_t number) {
  value_start();
  std::array<char, 24> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  out_.append(buffer.data(), end);
}

void Writer::real(double number) {
  if (!std::isfinite(number)) return null();
  if (number == 0) number = 0;  // no -0
  value_start();
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  out_.append(buffer.data(), end);
}

void Writer::boolean(bool value) {
  value_start();
  out_ += value ? "true" : "false";
}

void Writer::null() {
  value_start();
  out_ += "null";
}

void Writer::raw(std::string_view json) {
  value_start();
  out_ += json;
}

void Writer::value(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return null();
    case boost::json::kind::bool_:
      return boolean(value.get_bool());
    case boost::json::kind::int64:
      return integer(value.get_int64());
    case boost::json::kind::uint64:
      return raw(std::to_string(value.get_uint64()));
    case boost::json::kind::double_:
      return real(value.get_double());
    case boost::json::kind::string:
      return string(as_view(value));
    case boost::json::kind::array:
      begin_array();
      for (const auto& item : value.get_array()) this->value(item);
      return end_array();
    case boost::json::kind::object:
      begin_object();
      for (const auto& item : value.get_object()) {
        key({item.key().data(), item.key().size()});
        this->value(item.value());
      }
      return end_object();
  }
}

}  // namespace halcyon::json
