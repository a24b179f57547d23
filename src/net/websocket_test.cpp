#include "net/websocket.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "net/server.h"
#include "net/testing.h"
#include "runtime/context.h"

namespace halcyon::net {
namespace {

using namespace std::chrono_literals;
using testing::PlainClient;

Task<void> converse(std::unique_ptr<WebSocket> socket) {
  while (true) {
    auto text = co_await socket->read();
    if (!text) co_return;
    if (*text == "throw") throw std::runtime_error("a bug");
    if (*text == "bye") {
      for (int i = 0; i < 3; ++i) socket->send(fmt::format("last{}", i));
      socket->close(4000, std::string(200, 'r'));
    } else if (*text == "flood") {
      for (int i = 0; i < 200; ++i) socket->send(std::string(100'000, 'x'));
    } else {
      socket->send("echo:" + *text);
    }
  }
}

class WebSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.host = "127.0.0.1";
    options.websocket_message_limit = 1000;
    server = std::make_unique<Server>(io, options, [](Request& request) -> Task<Response> {
      Response response;
      response.body = "plain";
      if (request.path == "/ws") response.websocket = converse;
      co_return response;
    });
    ASSERT_TRUE(server->listen());
  }
  std::unique_ptr<PlainClient> open() {
    auto client = std::make_unique<PlainClient>(server->port());
    client->say(
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const std::string head = client->hear_answer();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
    EXPECT_EQ(head.find("Beast"), std::string::npos);  // versions are nobody's business
    return client;
  }
  // A frame as clients send them: masked, here with zeros.
  static std::string frame(int opcode, const std::string& payload) {
    std::string out(1, static_cast<char>(0x80 | opcode));
    if (payload.size() < 126) {
      out += static_cast<char>(0x80 | payload.size());
    } else {
      out += static_cast<char>(0x80 | 126);
      out += static_cast<char>(payload.size() >> 8);
      out += static_cast<char>(payload.size() & 0xff);
    }
    return out + std::string(4, '\0') + payload;
  }
  static std::string close_code(int code) {
    return {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  }
  runtime::IoPool io{2};
  std::unique_ptr<Server> server;
};

TEST_F(WebSocketTest, MessagesSentBeforeACloseArrive) {
  auto client = open();
  client->say(frame(1, "hello") + frame(1, "bye"));
  const std::string heard = client->hear_until(close_code(4000));
  EXPECT_TRUE(
      heard.starts_with("\x81\x0a"
                        "echo:hello"
                        "\x81\x05last0\x81\x05last1\x81\x05last2\x88"))
      << heard;
  client->say(frame(8, close_code(4000)));
  client->hear_all();
  client.reset();
  while (server->stats().websockets != 0) std::this_thread::yield();
}

TEST_F(WebSocketTest, MessagesAboveTheLimitEndIt) {
  auto client = open();
  client->say(frame(1, std::string(1001, 'x')));
  EXPECT_NE(client->hear_all().find("\x88\x02" + close_code(1009)), std::string::npos);
  client.reset();
  while (server->stats().connections != 0) std::this_thread::yield();
}

TEST_F(WebSocketTest, ADrainSaysToComeBackElsewhere) {
  auto client = open();
  while (server->stats().websockets != 1) std::this_thread::yield();
  client->say(frame(1, "hello"));
  client->hear_until("echo:hello");
  server->drain();
  EXPECT_TRUE(server->wait_idle(5s));  // they do not hold it up
  EXPECT_NE(client->hear_until("restarts.").find(close_code(1012)), std::string::npos);
}

TEST_F(WebSocketTest, ADrainSpreadsTheFarewellsOfMany) {
  constexpr int kClients = 100;
  std::vector<std::unique_ptr<PlainClient>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(open());
  while (server->stats().websockets != kClients) std::this_thread::yield();
  server->drain();
  // 2 ms each at least: half of them are told well before the last one.
  std::atomic<int> told_early{0};
  const auto middle = runtime::Clock::now() + 100ms;
  {
    std::vector<std::jthread> readers;
    for (auto& client : clients) {
      readers.emplace_back([&] {
        EXPECT_NE(client->hear_until("restarts.").find(close_code(1012)), std::string::npos);
        if (runtime::Clock::now() < middle) ++told_early;
        client->say(frame(8, close_code(1012)));
        client->hear_all();
        client.reset();
      });
    }
  }
  EXPECT_TRUE(server->wait_idle(5s));
  EXPECT_EQ(server->stats().websockets, 0);
  EXPECT_GT(told_early, 10);
  EXPECT_LT(told_early, 90);
}

TEST_F(WebSocketTest, StopEndsThemAtOnce) {
  auto one = open(), two = open();
  while (server->stats().websockets != 2) std::this_thread::yield();
  server->stop();
  EXPECT_EQ(server->stats().connections, 0);
  one->hear_all();
}

TEST_F(WebSocketTest, AHandlerThatThrowsEndsOnlyItsOwn) {
  auto client = open(), other = open();
  client->say(frame(1, "throw"));
  client->hear_until(close_code(1000));
  other->say(frame(1, "hi"));
  EXPECT_NE(other->hear_until("echo:hi").find("echo:hi"), std::string::npos);
}

TEST_F(WebSocketTest, APeerThatDoesNotReadIsDropped) {
  auto client = open();
  client->say(frame(1, "flood"));
  while (server->stats().connections != 0) std::this_thread::sleep_for(1ms);
}

TEST_F(WebSocketTest, BadHandshakesAreRefused) {
  PlainClient plain(server->port());
  plain.say("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");  // no upgrade asked for: an ordinary answer
  EXPECT_TRUE(plain.hear_answer().ends_with("plain"));
  PlainClient old(server->port());
  old.say(
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_FALSE(old.hear_all().starts_with("HTTP/1.1 101"));
  while (server->stats().websockets != 0) std::this_thread::yield();
}

}  // namespace
}  // namespace halcyon::net
