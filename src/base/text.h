// Small text helpers used everywhere. All of them treat text as UTF-8 bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace halcyon {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);          // ASCII white space
std::string to_lower(std::string_view text);           // ASCII only
std::string to_snake(std::string_view name);           // createdAt -> created_at (DB_UNDERSCORED)
std::string to_camel(std::string_view name);           // user_id -> userId
std::string to_singular(std::string_view english);     // posts -> post, categories -> category
std::string to_plural(std::string_view english);       // post -> posts
bool iequals(std::string_view a, std::string_view b);  // ASCII case-insensitive
bool starts_with_ci(std::string_view text, std::string_view prefix);
// Whole-string conversions: nullopt when anything but the number is there or it is out of range.
std::optional<int64_t> to_int64(std::string_view text);
std::optional<double> to_double(std::string_view text);
bool is_valid_utf8(std::string_view text);
// Bytes of the well-formed UTF-8 character at text[at] (1 to 4); 0 when there is none.
size_t utf8_length(std::string_view text, size_t at);
// Appends `text` as a JSON string with its quotes; each byte that is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);
std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view hex);
std::string base64_encode(std::string_view bytes);
// Standard and URL alphabets, padding optional; nullopt unless it is the exact encoding of bytes.
std::optional<std::string> base64_decode(std::string_view text);
std::string percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);  // as encodeURIComponent

// Hash for maps that are looked up by string_view: StringMap<int> m; m.find(view).
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

}  // namespace halcyon
