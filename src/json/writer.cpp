#include "json/writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace halcyon::json {
namespace {

// Bytes that need work inside a JSON string: controls, quote, backslash. Others are copied in runs.
constexpr std::array<bool, 256> kSpecial = [] {
  std::array<bool, 256> table{};
  for (size_t i = 0; i < 0x20; ++i) table[i] = true;
  table['"'] = table['\\'] = true;
  return table;
}();

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[c >> 4];
  out += kDigits[c & 15];
}

// Valid UTF-8 with U+FFFD for what is not.
std::string repair(std::string_view text) {
  std::string result;
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    const auto piece = text.substr(i, length);
    if (is_valid_utf8(piece)) {
      result += piece;
      i += piece.size();
    } else {
      result += "\xEF\xBF\xBD";
      ++i;
    }
  }
  return result;
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  if (!is_valid_utf8(text)) return append_escaped(out, repair(text));
  out += '"';
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (!kSpecial[c]) continue;
    out.append(text, start, i - start);
    append_escape(out, c);
    start = i + 1;
  }
  out.append(text, start);
  out += '"';
}

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
