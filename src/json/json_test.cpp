#include "json/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "json/writer.h"

namespace halcyon::json {
namespace {

TEST(Json, ParsesAndDumps) {
  for (const char* text : {"null", "true", "[]", "{}", R"({"a":[1,-2.5,"x",null,{"b":[[]]}]})",
                           "18446744073709551615", "-9223372036854775808", R"("\u0000é")"}) {
    auto value = parse(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(dump(*value), text);
  }
  EXPECT_EQ(dump(*parse("[1e-999,-0.0,0.30000000000000004,123456789012345678901234567890]")),
            "[0,0,0.30000000000000004,1.2345678901234568e+29]");
  EXPECT_EQ(dump(*parse(" {\"a\" : 1.50 } ")), R"({"a":1.5})");
}

TEST(Json, ErrorsAreBadRequests) {
  for (const char* text :
       {"", "{", "[1,]", "nul", "1 2", "{\"a\":}", "\"\xFF\"", "'a'", "01", "1e999", "-1e400"}) {
    auto value = parse(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().id, "INVALID_JSON");
    EXPECT_EQ(value.error().code, Code::kInvalidArgument);
  }
}

TEST(Json, DepthIsLimited) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(parse("[[1]]", 1));
  EXPECT_FALSE(parse(std::string(1'000'000, '[')));
}

TEST(Json, FindsAndSetsPaths) {
  Value value = *parse(R"({"a":{"b":[{"c":1},2]},"x":null})");
  ASSERT_NE(find(value, "a.b.0.c"), nullptr);
  EXPECT_EQ(find(value, "a.b.0.c")->as_int64(), 1);
  EXPECT_EQ(find(value, "a.b.1")->as_int64(), 2);
  EXPECT_TRUE(find(value, "x")->is_null());
  for (const char* path : {"a.b.2", "a.b.-1", "a.b.0.c.d", "a.b.x", "y", "", "a..b"}) {
    EXPECT_EQ(find(value, path), nullptr) << path;
  }
  set(value, "n.m", 5);
  set(value, "x.y", "z");
  EXPECT_EQ(dump(value), R"({"a":{"b":[{"c":1},2]},"x":{"y":"z"},"n":{"m":5}})");
}

TEST(Json, TypedLookUpsFallBack) {
  const Object object = parse(R"({"s":"t","b":true,"i":7,"o":{},"l":[]})")->as_object();
  EXPECT_EQ(get_string(object, "s"), "t");
  EXPECT_EQ(get_string(object, "i", "no"), "no");
  EXPECT_TRUE(get_bool(object, "b"));
  EXPECT_TRUE(get_bool(object, "s", true));
  EXPECT_EQ(get_int(object, "i"), 7);
  EXPECT_EQ(get_int(object, "none", 9), 9);
  EXPECT_NE(get_object(object, "o"), nullptr);
  EXPECT_EQ(get_object(object, "l"), nullptr);
  EXPECT_NE(get_array(object, "l"), nullptr);
  EXPECT_EQ(get_array(object, "o"), nullptr);
}

TEST(Writer, PlacesCommas) {
  std::string out;
  Writer w(out);
  w.begin_object();
  w.key("a");
  w.begin_array();
  w.integer(1);
  w.begin_array();
  w.end_array();
  w.begin_object();
  w.end_object();
  w.null();
  w.end_array();
  w.key("b\"");
  w.boolean(false);
  w.key("c");
  w.raw("[0]");
  w.key("d");
  w.value(*parse(R"({"e":[true,1.25]})"));
  w.end_object();
  EXPECT_EQ(out, R"({"a":[1,[],{},null],"b\"":false,"c":[0],"d":{"e":[true,1.25]}})");
}

std::string real_text(double number) {
  std::string out;
  Writer(out).real(number);
  return out;
}

TEST(Writer, RealsAreShortestAndReadBackTheSame) {
  EXPECT_EQ(real_text(0.1), "0.1");
  EXPECT_EQ(real_text(2.0), "2");
  EXPECT_EQ(real_text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(real_text(std::numeric_limits<double>::quiet_NaN()), "null");
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    double number;
    const uint64_t bits = random();
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isfinite(number)) continue;
    const std::string text = real_text(number);
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), number) << text;
    for (const std::string& json : {text, "[" + text + "]"}) {
      const auto read = parse(json);
      ASSERT_TRUE(read) << json;
      ASSERT_EQ((read->is_array() ? read->at(0) : *read).to_number<double>(), number) << json;
    }
  }
}

TEST(Writer, IntegersToTheirLimits) {
  std::string out;
  Writer w(out);
  w.begin_array();
  w.integer(INT64_MIN);
  w.integer(INT64_MAX);
  w.integer(0);
  w.end_array();
  EXPECT_EQ(out, "[-9223372036854775808,9223372036854775807,0]");
}

}  // namespace
}  // namespace halcyon::json
