#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

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

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Index of the first byte from `i` on that a JSON string cannot hold as it is, or that is not
// ASCII.
size_t plain_until(std::string_view text, size_t i) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighBits = 0x8080808080808080;
  // Eight bytes at a time: subtracting borrows into the high bit exactly where the first hit is.
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    const uint64_t quote = (word ^ kOnes * '"') - kOnes;
    const uint64_t backslash = (word ^ kOnes * '\\') - kOnes;
    const uint64_t control = word - kOnes * 0x20;
    if (((word | quote | backslash | control) & kHighBits) != 0) break;
  }
  for (; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return i;
}

void append_json_escape(std::string& out, unsigned char c) {
  constexpr std::string_view kShort = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '\\';
  if (const size_t at = kShort.find(static_cast<char>(c)); at != std::string_view::npos) {
    out += kLetters[at];
  } else {
    out += "u00";
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
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
namespace {
struct Irregular {
  std::string_view one, many;
};
constexpr Irregular kIrregular[] = {
    {"person", "people"},  {"child", "children"}, {"woman", "women"},     {"movie", "movies"},
    {"cookie", "cookies"}, {"series", "series"},  {"species", "species"}, {"cache", "caches"},
    {"quiz", "quizzes"},   {"shoe", "shoes"},     {"canoe", "canoes"},
};
}  // namespace

std::string to_singular(std::string_view english) {
  auto cut = [&](size_t n, std::string_view tail) {
    return std::string(english.substr(0, english.size() - n)) + std::string(tail);
  };
  auto ends_with_any = [&](std::initializer_list<std::string_view> tails) {
    return std::ranges::any_of(tails, [&](auto tail) { return english.ends_with(tail); });
  };
  for (const Irregular& word : kIrregular) {
    if (english.ends_with(word.many)) return cut(word.many.size(), word.one);
  }
  if (english.size() <= 4) {  // ties, uses, axes
  } else if (english.ends_with("ies")) {
    return cut(3, "y");
  } else if (ends_with_any({"sses", "shes", "ches", "xes", "tzes", "oes"})) {
    return cut(2, "");
  } else if (english.ends_with("uses") && !ends_with_any({"ouses", "auses"})) {
    return cut(2, "");  // statuses, but houses, clauses
  }
  if (english.ends_with("s") && !ends_with_any({"ss", "us", "is"}) && english.size() > 1)
    return cut(1, "");
  return std::string(english);
}

std::string to_plural(std::string_view english) {
  const std::string word(english);
  for (const Irregular& known : kIrregular) {
    if (english.ends_with(known.one))
      return word.substr(0, word.size() - known.one.size()) + std::string(known.many);
  }
  if (english.empty() || to_singular(english) != english) return word;
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

size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char c = byte(at);
  if (c < 0x80) return 1;
  const size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (c < 0xC2 || c > 0xF4 || at + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(at + k) & 0xC0) != 0x80) return 0;
  }
  // Over-long forms, surrogates, beyond U+10FFFF.
  const unsigned char second = byte(at + 1);
  if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) ||
      (c == 0xF0 && second < 0x90) || (c == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t start = 0;  // of the run that needs no change and is copied at once
  for (size_t i = plain_until(text, 0); i < text.size(); i = plain_until(text, i)) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80 ? 0 : utf8_length(text, i);
    if (length > 0) {
      i += length;
      continue;
    }
    out.append(text, start, i - start);
    if (c < 0x80)
      append_json_escape(out, c);
    else
      out += kReplacement;
    start = ++i;
  }
  out.append(text, start);
  out += '"';
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
  const size_t padded = text.size();
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  if ((padded != text.size() && padded % 4 != 0) || text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
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
  // Left-over bits that are not zero would be a second text for the same bytes.
  if ((group & ((1u << bits) - 1)) != 0) return std::nullopt;
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
