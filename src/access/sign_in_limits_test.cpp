#include <algorithm>
#include <thread>

#include "access/testing.h"

namespace halcyon::access {
namespace {

class SignInLimitsTest : public testing::AccessTest {
 protected:
  Settings access_settings() const override {
    Settings settings = AccessTest::access_settings();
    settings.sign_in_max_failures = 2;
    // One window for the whole test, whatever the time: it began with the epoch.
    settings.sign_in_window = std::chrono::hours(24 * 365 * 200);
    return settings;
  }
  std::string sign_in(Access& access, const std::string& address, const std::string& account,
                      const std::string& password) {
    Context from;
    from.client_address = address;
    auto made =
        await(access.sign_in(from, "", json::Object{{"account", account}, {"password", password}}));
    if (made) return "ok";
    retry_after_ = made.error().retry_after;
    return made.error().id;
  }
  std::string wrong(const std::string& address, const std::string& account = "root") {
    return sign_in(*access_, address, account, "wrong");
  }
  std::string right(const std::string& address) {
    return sign_in(*access_, address, "root", "first-password");
  }
  int retry_after_ = 0;
};
HALCYON_INSTANTIATE_DIALECTS(SignInLimitsTest);

TEST_P(SignInLimitsTest, WrongPasswordsOfOneAddressAreLimitedOnEveryReplica) {
  EXPECT_EQ(wrong("10.0.0.1"), "INVALID_CREDENTIALS");
  EXPECT_EQ(right("10.0.0.1"), "ok");  // a right one forgives
  EXPECT_EQ(wrong("10.0.0.1"), "INVALID_CREDENTIALS");
  // Another replica counts on.
  data::Writer writer;
  auto other = open_access(*catalog_, writer);
  EXPECT_EQ(sign_in(*other, "10.0.0.1", "ROOT", "wrong"), "INVALID_CREDENTIALS");
  EXPECT_EQ(right("10.0.0.1"), "TOO_MANY_SIGN_INS");
  EXPECT_GT(retry_after_, 0);
  EXPECT_LE(retry_after_, 3600);
  EXPECT_EQ(sign_in(*other, "10.0.0.1", "root", "first-password"), "TOO_MANY_SIGN_INS");
  EXPECT_EQ(wrong("10.0.0.1", "nobody"), "INVALID_CREDENTIALS");  // other accounts go on
  EXPECT_EQ(right("10.0.0.2"), "ok");                             // other addresses too
}

TEST_P(SignInLimitsTest, AnAccountIsLimitedOverAllAddressesButNotWhereItIsKnown) {
  EXPECT_EQ(right("192.168.0.1"), "ok");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(wrong("10.0.1." + std::to_string(i)), "INVALID_CREDENTIALS") << i;
  }
  EXPECT_EQ(right("10.0.2.1"), "TOO_MANY_SIGN_INS");
  EXPECT_EQ(right("192.168.0.1"), "ok");
  // The administrator of the machine lifts it.
  ASSERT_TRUE(await(access_->create_or_reset_admin(ctx(), "root", "", "first-password")));
  EXPECT_EQ(right("10.0.2.1"), "ok");
}

TEST_P(SignInLimitsTest, AnAddressIsLimitedOverAllAccounts) {
  for (int i = 0; i < 20; ++i) {
    // An IPv6 client has many addresses in its network.
    EXPECT_EQ(wrong("2001:db8:0:7:" + std::to_string(i) + "::1", "user" + std::to_string(i)),
              "INVALID_CREDENTIALS");
  }
  EXPECT_EQ(right("2001:db8:0:7::99"), "TOO_MANY_SIGN_INS");
  EXPECT_EQ(right("2001:db8:0:8::99"), "ok");
}

TEST_P(SignInLimitsTest, ManyAtOnceDoNotSlipThrough) {
  std::vector<std::string> answers(12);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < answers.size(); ++i) {
    threads.emplace_back([&, i] {
      Context from;
      from.client_address = "10.0.0.9";
      auto made = database_->await(
          access_->sign_in(from, "", json::Object{{"account", "root"}, {"password", "wrong"}}),
          i % 2);
      answers[i] = made ? "ok" : made.error().id;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(std::ranges::count(answers, "INVALID_CREDENTIALS"), 2);
  EXPECT_EQ(std::ranges::count(answers, "TOO_MANY_SIGN_INS") +
                std::ranges::count(answers, "INVALID_CREDENTIALS"),
            12);
}

}  // namespace
}  // namespace halcyon::access
