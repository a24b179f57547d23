// Texts. Lengths and places are counted in characters (code points), from 1.
#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "expr/functions_internal.h"

namespace halcyon::expr {
namespace {

using Value = Result<json::Value>;

std::string text_of(const json::Value& value) { return display_text(value); }

// Start of each character, and the end of the text.
std::vector<size_t> characters(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); i += std::max<size_t>(utf8_length(text, i), 1))
    starts.push_back(i);
  starts.push_back(text.size());
  return starts;
}

std::string part(const std::string& text, int64_t first, int64_t count) {
  const std::vector<size_t> starts = characters(text);
  const auto length = static_cast<int64_t>(starts.size()) - 1;
  const int64_t from = std::clamp<int64_t>(first, 0, length);
  const int64_t to = std::clamp<int64_t>(count, 0, length - from) + from;
  const size_t begin = starts[static_cast<size_t>(from)];
  return text.substr(begin, starts[static_cast<size_t>(to)] - begin);
}

template <icu::UnicodeString& (*F)(icu::UnicodeString&)>
std::string in_case(const std::string& text) {
  icu::UnicodeString wide = icu::UnicodeString::fromUTF8(text);
  std::string result;
  F(wide).toUTF8String(result);
  return result;
}
icu::UnicodeString& raise(icu::UnicodeString& text) { return text.toUpper(icu::Locale::getRoot()); }
icu::UnicodeString& sink(icu::UnicodeString& text) { return text.toLower(icu::Locale::getRoot()); }
icu::UnicodeString& capitalize(icu::UnicodeString& text) {
  return text.toTitle(nullptr, icu::Locale::getRoot());
}

template <std::string (*F)(const std::string&)>
Value one(Env& env, Args args) {
  return text_result(env, F(text_of(args[0])));
}

// Words with one space between them.
std::string single_spaced(const std::string& text) {
  std::string result;
  for (char c : trim(text)) {
    if (c != ' ' || !result.ends_with(' ')) result += c;
  }
  return result;
}

void append_flat(std::string& out, const json::Value& value) {
  if (!value.is_array()) {
    out += text_of(value);
    return;
  }
  for (const json::Value& item : value.get_array()) append_flat(out, item);
}
Value concat(Env& env, Args args) {
  std::string text;
  for (const json::Value& arg : args) {
    append_flat(text, arg);
    if (text.size() > env.options.max_bytes) break;
  }
  return text_result(env, text);
}

Value length(Env&, Args args) {
  if (args[0].is_array()) return json::Value(args[0].get_array().size());
  return json::Value(characters(text_of(args[0])).size() - 1);
}

Result<int64_t> count_argument(Args args, size_t index, int64_t otherwise) {
  if (args.size() <= index) return otherwise;
  TRY(const int64_t count, integer_of(args[index]));
  if (count < 0) return failed("A number of characters cannot be negative.");
  return count;
}

Value left(Env& env, Args args) {
  TRY(const int64_t count, count_argument(args, 1, 1));
  return text_result(env, part(text_of(args[0]), 0, count));
}
Value right(Env& env, Args args) {
  TRY(const int64_t count, count_argument(args, 1, 1));
  const std::string text = text_of(args[0]);
  const auto all = static_cast<int64_t>(characters(text).size()) - 1;
  return text_result(env, part(text, all - std::min(count, all), count));
}
Result<int64_t> place_argument(const json::Value& value) {
  TRY(const int64_t place, integer_of(value));
  if (place < 1) return failed("Places in a text are counted from 1.");
  return place - 1;
}
Value middle(Env& env, Args args) {
  TRY(const int64_t first, place_argument(args[1]));
  TRY(const int64_t count, count_argument(args, 2, 0));
  return text_result(env, part(text_of(args[0]), first, count));
}
Value replace(Env& env, Args args) {
  TRY(const int64_t first, place_argument(args[1]));
  TRY(const int64_t count, count_argument(args, 2, 0));
  const std::string text = text_of(args[0]);
  const auto all = static_cast<int64_t>(text.size());
  return text_result(env, part(text, 0, first) + text_of(args[3]) +
                              part(text, std::min(first, all) + std::min(count, all), all));
}

Value find_in(Args args, const std::string& needle, const std::string& text) {
  int64_t first = 0;
  if (args.size() > 2) {
    TRY(first, place_argument(args[2]));
  }
  const std::vector<size_t> starts = characters(text);
  if (first < static_cast<int64_t>(starts.size())) {
    const size_t found = text.find(needle, starts[static_cast<size_t>(first)]);
    if (found != std::string::npos)
      return json::Value(std::ranges::lower_bound(starts, found) - starts.begin() + 1);
  }
  return failed("The text searched for is not there.");
}
Value find(Env&, Args args) { return find_in(args, text_of(args[0]), text_of(args[1])); }
Value search(Env&, Args args) {
  return find_in(args, in_case<sink>(text_of(args[0])), in_case<sink>(text_of(args[1])));
}

Value substitute(Env& env, Args args) {
  const std::string text = text_of(args[0]), old = text_of(args[1]), fresh = text_of(args[2]);
  int64_t only = 0;  // the one to replace; 0: all
  if (args.size() > 3) {
    TRY(only, integer_of(args[3]));
    if (only < 1) return failed("Occurrences are counted from 1.");
  }
  if (old.empty()) return text_result(env, text);
  std::string result;
  size_t done = 0;
  int64_t seen = 0;
  for (size_t at = text.find(old); at != std::string::npos; at = text.find(old, at + old.size())) {
    if (only != 0 && ++seen != only) continue;
    result.append(text, done, at - done).append(fresh);
    done = at + old.size();
    if (result.size() > env.options.max_bytes) break;
  }
  return text_result(env, result.append(text, done));
}

Value repeat(Env& env, Args args) {
  TRY(const int64_t count, count_argument(args, 1, 0));
  const std::string text = text_of(args[0]);
  std::string result;
  // One past the limit is enough for text_result to see it.
  for (int64_t i = 0; i < count && !text.empty() && result.size() <= env.options.max_bytes; ++i)
    result += text;
  return text_result(env, result);
}

Value to_number(Env&, Args args) { return exact_number_of(args[0]); }
Value exact(Env&, Args args) { return json::Value(text_of(args[0]) == text_of(args[1])); }

Value join_texts(Env& env, Args args) {
  const std::string separator = text_of(args[0]);
  const bool skip_blank = is_true(args[1]);
  std::string result;
  bool first = true;
  auto put = [&](const json::Value& value) {
    const std::string text = text_of(value);
    if (skip_blank && text.empty()) return;
    if (!first) result += separator;
    first = false;
    result += text;
  };
  for (const json::Value& arg : args.subspan(2)) {
    if (arg.is_array()) {
      for (const json::Value& item : arg.get_array()) put(item);
    } else {
      put(arg);
    }
    if (result.size() > env.options.max_bytes) break;
  }
  return text_result(env, result);
}

std::string same(const std::string& text) { return text; }

constexpr std::array<Function, 20> kText = {{
    {"concat", 1, kAnyNumber, false, concat},
    {"concatenate", 1, kAnyNumber, false, concat},
    {"exact", 2, 2, false, exact},
    {"find", 2, 3, false, find},
    {"left", 1, 2, false, left},
    {"len", 1, 1, false, length},
    {"lower", 1, 1, false, one<in_case<sink>>},
    {"mid", 3, 3, false, middle},
    {"number", 1, 1, true, to_number},
    {"proper", 1, 1, false, one<in_case<capitalize>>},
    {"replace", 4, 4, false, replace},
    {"rept", 2, 2, false, repeat},
    {"right", 1, 2, false, right},
    {"search", 2, 3, false, search},
    {"string", 1, 1, false, one<same>},
    {"substitute", 3, 4, false, substitute},
    {"textjoin", 3, kAnyNumber, false, join_texts},
    {"trim", 1, 1, false, one<single_spaced>},
    {"upper", 1, 1, false, one<in_case<raise>>},
    {"value", 1, 1, true, to_number},
}};

}  // namespace

std::span<const Function> text_functions() { return kText; }

}  // namespace halcyon::expr
