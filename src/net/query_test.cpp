#include "net/query.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace halcyon::net {
namespace {

std::string parsed(std::string_view query) {
  auto value = parse_query(query);
  return value ? json::dump(*value) : value.error().id;
}

TEST(Query, BracketNotation) {
  EXPECT_EQ(parsed(""), "{}");
  EXPECT_EQ(parsed("a=1&b=two%20words&c=x+y"), R"({"a":"1","b":"two words","c":"x y"})");
  EXPECT_EQ(parsed("fields[]=id&fields[]=name"), R"({"fields":["id","name"]})");
  EXPECT_EQ(parsed("fields%5B%5D=id"), R"({"fields":["id"]})");
  EXPECT_EQ(parsed("a[1]=y&a[0]=x"), R"({"a":["x","y"]})");
  EXPECT_EQ(parsed("filter[a][$eq]=1&filter[b.c][$in][]=2"),
            R"({"filter":{"a":{"$eq":"1"},"b.c":{"$in":["2"]}}})");
  EXPECT_EQ(parsed("a=1&a=2"), R"({"a":["1","2"]})");
  EXPECT_EQ(parsed("tree&x="), R"({"tree":null,"x":""})");
  EXPECT_EQ(parsed("filter={\"a\":{\"$eq\":\"b=c\"}}"),
            R"({"filter":"{\"a\":{\"$eq\":\"b=c\"}}"})");
  EXPECT_EQ(parsed("a[200]=x"), R"({"a":{"200":"x"}})");
}

TEST(Query, ManyMembersStayAList) {
  std::string query;
  for (int i = 0; i < 300; ++i) query += "k[]=" + std::to_string(i) + "&";
  auto value = parse_query(query);
  ASSERT_TRUE(value);
  ASSERT_TRUE(value->at("k").is_array());
  EXPECT_EQ(value->at("k").get_array().size(), 300u);
  EXPECT_EQ(value->at("k").get_array()[299], "299");
}

TEST(Query, LimitsAreErrorsNotLosses) {
  std::string many, deep = "a";
  for (int i = 0; i < 1001; ++i) many += "a=1&";
  for (int i = 0; i < 30; ++i) deep += "[b]";
  EXPECT_EQ(parsed(many), "INVALID_QUERY");
  EXPECT_EQ(parsed(deep + "=1"), "INVALID_QUERY");
  EXPECT_EQ(parsed("a[b=1"), R"({"a[b":"1"})");
}

}  // namespace
}  // namespace halcyon::net
