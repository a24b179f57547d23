#include "json/json.h"

#include <gtest/gtest.h>

#include "json/writer.h"

namespace halcyon::json {
namespace {

TEST(Json, ParsesWithLimits) {
  EXPECT_TRUE(parse(R"({"a":[1,2.5,"x",null,true]})"));
  for (const char* text : {"", "{", "{}x", "[1,]", "nul", "\"\x01\""}) {
    auto value = parse(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().id, "INVALID_JSON");
  }
  EXPECT_FALSE(parse(std::string(100, '[') + std::string(100, ']')));
}

TEST(Json, Paths) {
  Value root = *parse(R"({"a":{"b":[{"c":5}]}})");
  ASSERT_NE(find(root, "a.b.0.c"), nullptr);
  EXPECT_EQ(find(root, "a.b.0.c")->get_int64(), 5);
  EXPECT_EQ(find(root, "a.b.1.c"), nullptr);
  EXPECT_EQ(find(root, "a.b.x"), nullptr);
  set(root, "a.d.e", 1);
  EXPECT_EQ(find(root, "a.d.e")->get_int64(), 1);
}

TEST(Writer, WritesWhatParsesBack) {
  std::string out;
  Writer w(out);
  w.begin_object();
  w.key("text\"");
  w.string("a\"\\\n\x01\xE4\xBD\xA0");
  w.key("list");
  w.begin_array();
  w.integer(INT64_MIN);
  w.real(0.1);
  w.real(1.0 / 0.0);
  w.boolean(true);
  w.raw("[1]");
  w.begin_object();
  w.end_object();
  w.end_array();
  w.key("bad");
  w.string("x\xFFy");
  w.end_object();
  EXPECT_EQ(out,
            "{\"text\\\"\":\"a\\\"\\\\\\n\\u0001\xE4\xBD\xA0\",\"list\":[-9223372036854775808,0.1,"
            "null,true,[1],{}],"
            "\"bad\":\"x\xEF\xBF\xBDy\"}");
  EXPECT_TRUE(parse(out));
}

}  // namespace
}  // namespace halcyon::json
