#include "base/networks.h"

#include <gtest/gtest.h>

namespace halcyon {
namespace {

Networks of(std::vector<std::string> entries) {
  auto parsed = Networks::parse(entries);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed.value_or(Networks{});
}

TEST(Networks, HoldsTheAddressesOfItsEntries) {
  const Networks n = of({"127.0.0.1", " 10.0.0.0/8", "192.168.4.0/22", "fd00::/7", "::1"});
  for (const char* inside : {"127.0.0.1", "10.255.0.3", "192.168.7.255", "fdff::1", "fc00::", "::1",
                             "::ffff:10.1.1.1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(n.contains(inside)) << inside;
  for (const char* outside : {"127.0.0.2", "11.0.0.0", "192.168.8.0", "fe00::1", "::2", "", "10.1",
                              "10.0.0.1:80", "localhost", "::ffff:11.0.0.1", "::10.0.0.1"})
    EXPECT_FALSE(n.contains(outside)) << outside;
  EXPECT_TRUE(of({"0.0.0.0/0"}).contains("8.8.8.8"));
  EXPECT_FALSE(of({"0.0.0.0/0"}).contains("2001:db8::1"));
  EXPECT_TRUE(of({"::ffff:10.0.0.0/104"}).contains("10.2.3.4"));
  EXPECT_FALSE(of({}).contains("127.0.0.1"));
}

TEST(Networks, KnowsWords) {
  const auto words = [](std::vector<std::string> entries) {
    return Networks::parse_with_words(entries).value();
  };
  const Networks near = words({"loopback", " private "});
  for (const char* inside : {"127.1.2.3", "::1", "10.0.0.1", "172.31.255.255", "192.168.0.1",
                             "169.254.1.1", "fd12::1", "fe80::1"})
    EXPECT_TRUE(near.contains(inside)) << inside;
  for (const char* outside : {"172.32.0.0", "8.8.8.8", "2001:db8::1", "::2"})
    EXPECT_FALSE(near.contains(outside)) << outside;
  EXPECT_FALSE(words({"loopback"}).contains("10.0.0.1"));
  EXPECT_TRUE(words({"none"}).empty());
  EXPECT_TRUE(words({"none", "203.0.113.7"}).contains("203.0.113.7"));
  const std::vector<std::string> other{"everybody"};
  EXPECT_FALSE(Networks::parse_with_words(other));
}

TEST(Networks, WritesAddressesInOneForm) {
  const auto form = [](const char* text) { return to_text(parse_ip(text).value()); };
  EXPECT_EQ(form("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(form("::ffff:10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(form("2001:0DB8:0:0::1"), "2001:db8::1");
  EXPECT_EQ(form("::1"), "::1");
}

TEST(Networks, RefusesWhatIsNoNetwork) {
  for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "fd00::/129", "host",
                           "10.0.0.0/8/8", "1.2.3", "10.0.0.0/0x8"}) {
    const std::vector<std::string> entries{text};
    const auto parsed = Networks::parse(entries);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().id, "INVALID_CONFIG");
  }
}

}  // namespace
}  // namespace halcyon
