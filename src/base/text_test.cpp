#include "base/text.h"

#include <gtest/gtest.h>

#include <random>

namespace halcyon {
namespace {

TEST(Text, SplitsAndJoins) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n "), "");
}

TEST(Text, SnakeAndCamel) {
  EXPECT_EQ(to_snake("createdAt"), "created_at");
  EXPECT_EQ(to_snake("userID"), "user_id");
  EXPECT_EQ(to_snake("HTTPServer"), "http_server");
  EXPECT_EQ(to_snake("already_snake"), "already_snake");
  EXPECT_EQ(to_snake("f_x1"), "f_x1");
  EXPECT_EQ(to_camel("user_id"), "userId");
  EXPECT_EQ(to_camel("_private"), "private");
  EXPECT_EQ(to_camel(to_snake("createdById")), "createdById");
}

TEST(Text, EnglishPluralsGoBothWays) {
  for (auto [one, many] : {std::pair{"post", "posts"},
                           {"category", "categories"},
                           {"day", "days"},
                           {"box", "boxes"},
                           {"bus", "buses"},
                           {"class", "classes"},
                           {"dish", "dishes"},
                           {"status", "statuses"},
                           {"house", "houses"},
                           {"clause", "clauses"},
                           {"response", "responses"},
                           {"size", "sizes"},
                           {"movie", "movies"},
                           {"tie", "ties"},
                           {"use", "uses"},
                           {"series", "series"},
                           {"person", "people"},
                           {"child", "children"}}) {
    EXPECT_EQ(to_plural(one), many);
    EXPECT_EQ(to_singular(many), one);
    EXPECT_EQ(to_plural(many), many);
    EXPECT_EQ(to_singular(one), one);
  }
}

TEST(Text, NumbersMustBeTheWholeText) {
  EXPECT_EQ(to_int64("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(to_int64("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(to_double("1.5e3"), 1500.0);
  for (const char* text : {"", " 1", "1 ", "1x", "9223372036854775808", "+1", "0x10"}) {
    EXPECT_EQ(to_int64(text), std::nullopt) << text;
  }
  for (const char* text : {"", " 1", "1.5x", "1e999"}) {
    EXPECT_EQ(to_double(text), std::nullopt) << text;
  }
}

TEST(Text, ComparesWithoutCase) {
  EXPECT_TRUE(iequals("Content-Type", "content-TYPE"));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_TRUE(starts_with_ci("Bearer x", "bearer "));
  EXPECT_FALSE(starts_with_ci("Be", "bearer "));
}

TEST(Text, Utf8RefusesWhatTheStandardRefuses) {
  for (const char* good :
       {"", "a", "\u00e9", "\u4f60\u597d", "\U0001F600", "\uD7FF", "\uE000", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE4\xBD", "\xFF", "a\xC3"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << hex_encode(bad);
  }
}

TEST(Text, JsonStrings) {
  auto quoted = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("a \"b\" \\ /"), R"("a \"b\" \\ /")");
  EXPECT_EQ(quoted("\n\r\t\b\f\x01\x1f\x7f"), "\"\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\"");
  EXPECT_EQ(quoted(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(quoted("\u4f60\u597d \U0001F600"), "\"\u4f60\u597d \U0001F600\"");
  EXPECT_EQ(quoted("a\xFF\xE4\xBD"), "\"a\uFFFD\uFFFD\uFFFD\"");
  // A special byte at every place of and around an eight byte word.
  for (size_t length = 0; length < 20; ++length) {
    for (size_t at = 0; at < length; ++at) {
      for (auto [byte, escape] : {std::pair{'"', "\\\""}, {'\x1f', "\\u001f"}, {'\\', "\\\\"}}) {
        std::string text(length, 'x');
        text[at] = byte;
        const std::string want =
            "\"" + std::string(at, 'x') + escape + std::string(length - at - 1, 'x') + "\"";
        ASSERT_EQ(quoted(text), want);
      }
    }
  }
}

TEST(Text, EncodingsRoundTrip) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(static_cast<size_t>(round % 40), '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(hex_decode(hex_encode(bytes)), bytes);
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(percent_decode(percent_encode(bytes), false), bytes);
  }
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_decode("_-8"), "\xff\xef");
  EXPECT_EQ(percent_encode("a b/\u00e9'"), "a%20b%2F%C3%A9'");
  EXPECT_EQ(percent_decode("a+b%2", true), "a b%2");
}

TEST(Text, DecodersRefuseWhatNoEncoderMakes) {
  for (const char* text : {"a", "Zm9vYg=", "Zm9vYg===", "Zh==", "Zm9vY!", "=", "Zm=v"}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
  for (const char* text : {"a", "0g", "zz"}) EXPECT_EQ(hex_decode(text), std::nullopt) << text;
}

}  // namespace
}  // namespace halcyon
