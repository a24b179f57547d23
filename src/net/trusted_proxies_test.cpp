#include "net/trusted_proxies.h"

#include <gtest/gtest.h>

namespace halcyon::net {
namespace {

// Whom a request from `peer` with these X-Forwarded-For headers is from.
std::string client(std::vector<std::string> trusted, std::string peer,
                   std::vector<std::string> headers) {
  Request request;
  request.remote_address = std::move(peer);
  for (auto& value : headers) request.headers.add("x-forwarded-for", std::move(value));
  return TrustedProxies(Networks::parse_with_words(trusted).value()).client_of(request);
}

TEST(TrustedProxies, NobodyElseIsBelieved) {
  EXPECT_EQ(client({"loopback"}, "203.0.113.5", {"10.0.0.1"}), "203.0.113.5");
  EXPECT_EQ(client({"none"}, "127.0.0.1", {"198.51.100.1"}), "127.0.0.1");
  EXPECT_EQ(client({"10.0.0.0/8"}, "127.0.0.1", {"198.51.100.1"}), "127.0.0.1");
  EXPECT_EQ(client({"loopback"}, "", {"198.51.100.1"}), "");
}

TEST(TrustedProxies, ATrustedPeerNamesTheClient) {
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {"198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client({"loopback"}, "::1", {"2001:0db8::0001"}), "2001:db8::1");
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {"198.51.100.1:4711"}), "198.51.100.1");
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {"[2001:db8::1]:4711"}), "2001:db8::1");
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {"::ffff:198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {}), "127.0.0.1");
}

// What the client itself wrote stands to the left of what the first balancer saw.
TEST(TrustedProxies, WhatTheClientWroteIsNotBelieved) {
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {"1.1.1.1, 198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client({"loopback"}, "127.0.0.1", {"1.1.1.1", "198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(client({"loopback", "10.0.0.0/8"}, "127.0.0.1", {"127.0.0.1, 198.51.100.1, 10.0.0.7"}),
            "198.51.100.1");
  // An address of our own network that a client claims, behind one that is really of it.
  EXPECT_EQ(client({"10.0.0.0/8"}, "10.0.0.7", {"10.9.9.9, 198.51.100.1"}), "198.51.100.1");
}

TEST(TrustedProxies, EveryBalancerOfAChainIsPassed) {
  EXPECT_EQ(client({"loopback", "10.0.0.0/8"}, "127.0.0.1", {"198.51.100.1, 10.0.0.8", "10.0.0.7"}),
            "198.51.100.1");
  // One that only balancers speak through: the one furthest away.
  EXPECT_EQ(client({"loopback", "10.0.0.0/8"}, "127.0.0.1", {"10.0.0.9, 10.0.0.8"}), "10.0.0.9");
}

TEST(TrustedProxies, NonsenseEndsTheWalk) {
  for (const char* nonsense : {"unknown", "", "  ", "_hidden", "1.2.3", "[::1", "a:b:c",
                               "1.2.3.4.5", "\"1.2.3.4\"", "<script>"}) {
    EXPECT_EQ(client({"loopback"}, "127.0.0.1", {std::string("1.1.1.1, ") + nonsense}), "127.0.0.1")
        << nonsense;
    EXPECT_EQ(client({"loopback", "10.0.0.0/8"}, "127.0.0.1",
                     {std::string("1.1.1.1, ") + nonsense + ", 10.0.0.7"}),
              "10.0.0.7")
        << nonsense;
  }
}

}  // namespace
}  // namespace halcyon::net
