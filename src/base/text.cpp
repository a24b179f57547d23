#include "base/text.h"

#include <array>
#include <charconv>

namespace halcyon {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n\f\v";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  while (true) {
    const size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end == std::string_view::npos ? end : end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string_view trim(std::string_view text) {
  const size_t start = text.find_first_not_of(kWhiteSpace);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kWhiteSpace) - start + 1);
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

std::string to_snake(std::string_view name) {
  std::string result;
  for (size_t i = 0; i < name.size(); ++i) {
    if (is_upper(name[i])) {
      const bool after_word = i > 0 && !is_upper(name[i - 1]) && name[i - 1] != '_';
      const bool before_word = i > 0 && i + 1 < name.size() && is_upper(name[i - 1]) &&
                               !is_upper(name[i + 1]) && name[i + 1] != '_' &&
                               !is_digit(name[i + 1]);
      if (after_word || before_word) result += '_';
      result += lower(name[i]);
    } else {
      result += name[i] == '-' ? '_' : name[i];
    }
  }
  return result;
}

std::string to_camel(std::string_view name) {
  std::string result;
  bool raise = false;
  for (char c : name) {
    if (c == '_' || c == '-') {
      raise = !result.empty();
    } else {
      result += raise && c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
      raise = false;
    }
  }
  return result;
}

// Enough English for default names of keys; both keep words they do not know.
std::string to_singular(std::string_view english) {
  auto cut = [&](size_t n, std::string_view tail) {
    return std::string(english.substr(0, english.size() - n)) + std::string(tail);
  };
  if (english.ends_with("people")) return cut(6, "person");
  if (english.ends_with("children")) return cut(8, "child");
  if (english.ends_with("ies") && english.size() > 4) return cut(3, "y");
  for (std::string_view tail : {"sses", "shes", "ches", "xes", "zes"}) {
    if (english.ends_with(tail)) return cut(2, "");
  }
  if (english.ends_with("ses") && english.size() > 4)
    return cut(english.ends_with("uses") ? 2 : 1, "");
  if (english.ends_with("s") && !english.ends_with("ss") && !english.ends_with("us") &&
      !english.ends_with("is") && english.size() > 1) {
    return cut(1, "");
  }
  return std::string(english);
}

std::string to_plural(std::string_view english) {
  const std::string word(english);
  if (english.empty() || to_singular(english) != english) return word;
  if (english.ends_with("person")) return word.substr(0, word.size() - 6) + "people";
  if (english.ends_with("child")) return word + "ren";
  const char before = english.size() > 1 ? english[english.size() - 2] : 'a';
  if (english.ends_with("y") && std::string_view("aeiou").find(before) == std::string_view::npos) {
    return word.substr(0, word.size() - 1) + "ies";
  }
  for (std::string_view tail : {"s", "x", "z", "ch", "sh"}) {
    if (english.ends_with(tail)) return word + "es";
  }
  return word + "s";
}

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool starts_with_ci(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

std::optional<int64_t> to_int64(std::string_view text) { return to_number<int64_t>(text); }
std::optional<double> to_double(std::string_view text) { return to_number<double>(text); }

bool is_valid_utf8(std::string_view text) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data());
  size_t i = 0;
  while (i < text.size()) {
    const unsigned char c = s[i];
    if (c < 0x80) {
      ++i;
      continue;
    }
    const size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0xC2 || c > 0xF4 || i + length > text.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((s[i + k] & 0xC0) != 0x80) return false;
    }
    // Over-long forms, surrogates, beyond U+10FFFF.
    if ((c == 0xE0 && s[i + 1] < 0xA0) || (c == 0xED && s[i + 1] > 0x9F) ||
        (c == 0xF0 && s[i + 1] < 0x90) || (c == 0xF4 && s[i + 1] > 0x8F)) {
      return false;
    }
    i += length;
  }
  return true;
}

std::string hex_encode(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<std::string> hex_decode(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i]), low = hex_value(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::string base64_encode(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kBase64[group >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(group >> bits & 255);
    }
  }
  return bytes;
}

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kMarks = "-_.!~*'()";
  std::string result;
  for (char c : text) {
    if (is_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z') ||
        kMarks.find(c) != std::string_view::npos) {
      result += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      result += '%';
      result += kDigits[byte >> 4];
      result += kDigits[byte & 15];
    }
  }
  return result;
}

}  // namespace halcyon
