#include "access/testing.h"
#include "base/ids.h"
#include "base/time.h"

namespace halcyon::access {
namespace {

class PurgeTest : public testing::AccessTest {
 protected:
  // `days` ago; sessions last seven by default, and can be renewed for one more.
  static std::string ago(int days) { return std::to_string(now_ms() - days * kDayMs); }
  void session(const std::string& authenticator, int days) {
    create("issuedTokens", R"({"id":")" + uuid_v4() + R"(","jti":")" + uuid_v4() +
                               R"(","userId":1,"authenticator":")" + authenticator +
                               R"(","signInTime":)" + ago(days) + "}");
  }
  void signed_out(const std::string& token, const std::string& expiration) {
    create("tokenBlacklist", R"({"token":")" + token + R"(","expiration":)" + expiration + "}");
  }
  std::vector<std::string> left(const std::string& collection, std::string_view field) {
    std::vector<std::string> list;
    for (const json::Value& row : find(collection, "{}")) {
      list.push_back(json::get_string(row.get_object(), field));
    }
    std::ranges::sort(list);
    return list;
  }
};
HALCYON_INSTANTIATE_DIALECTS(PurgeTest);

TEST_P(PurgeTest, WhatIsOfNoUseToAnyoneIsDeletedAndNothingElse) {
  session("old", 9);
  session("may be renewed", 7);
  session("young", 0);
  signed_out("old", ago(11));
  signed_out("listed while its session may be", ago(9));
  signed_out("young", ago(-1));
  signed_out("an API key, for ever", "null");
  ASSERT_TRUE(await(access_->purge(ctx())));
  EXPECT_EQ(left("issuedTokens", "authenticator"),
            (std::vector<std::string>{"may be renewed", "young"}));
  EXPECT_EQ(left("tokenBlacklist", "token"),
            (std::vector<std::string>{"an API key, for ever", "listed while its session may be",
                                      "young"}));
}

}  // namespace
}  // namespace halcyon::access
