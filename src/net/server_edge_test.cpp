// What clients do that they should not, and what they rightly do but seldom.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include "net/server.h"
#include "net/testing.h"
#include "net/websocket.h"

namespace halcyon::net {
namespace {

using namespace std::chrono_literals;
using testing::PlainClient;

class ServerEdgeTest : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    options.host = "127.0.0.1";
    server = std::make_unique<Server>(io, options, [this](Request& r) { return handle(r); });
    auto status = server->listen();
    ASSERT_TRUE(status) << status.error().message;
  }

  Task<Response> handle(Request& request) {
    Response response;
    if (request.path == "/watch") {
      const auto gone = request.peer_gone;
      while (!gone->load()) co_await runtime::sleep_for(10ms);
      told_gone.count_down();
    } else if (request.path == "/wait") {
      co_await runtime::sleep_for(100ms);
    } else if (request.path == "/huge") {
      response.body.assign(64 * 1024 * 1024, 'x');
      co_return response;
    } else if (request.path == "/breaks" || request.path == "/throws") {
      auto first = std::make_shared<bool>(true);
      response.stream = [first, fail = request.path ==
                                       "/breaks"](std::string& chunk) -> Task<Result<bool>> {
        if (!std::exchange(*first, false)) {
          if (!fail) throw std::runtime_error("in a stream");
          co_return halcyon::fail(Code::kInternal, "BROKE", "It broke.");
        }
        chunk = "part";
        co_return true;
      };
      co_return response;
    } else if (request.path == "/sized") {
      response.headers.set("Content-Length", "8");
      auto left = std::make_shared<int>(2);
      response.stream = [left](std::string& chunk) -> Task<Result<bool>> {
        chunk = "half";
        co_return --*left > 0;
      };
      co_return response;
    }
    response.headers.set("Content-Type", "text/plain");
    response.body = fmt::format("{}|{}|{}|{}|{}", request.method, request.path, request.query,
                                request.headers.get("X-Late"), request.body);
    co_return response;
  }

  std::string ask(const std::string& bytes) {
    PlainClient client(server->port());
    client.say(bytes);
    client.finish();
    return client.hear_all();
  }

  std::latch told_gone{1};
  runtime::IoPool io{2};
  std::unique_ptr<Server> server;
};

TEST_F(ServerEdgeTest, AmbiguousFramingIsRefused) {
  start();
  struct Case {
    std::string head, status;
  };
  const std::string chunks = "3\r\nabc\r\n0\r\n\r\n";
  for (const Case& c : {
           Case{"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "501"},
           Case{"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "400"},
           Case{"Content-Length: 3\r\nContent-Length: 4\r\n", "400"},
           Case{"Content-Length: +3\r\n", "400"},
           Case{"Content-Length: 3, 4\r\n", "400"},
           Case{"Content-Length: 99999999999999999999999\r\n", "400"},
           Case{"Transfer-Encoding: gzip\r\n", "501"},
           Case{"Transfer-Encoding: gzip, chunked\r\n", "501"},
           Case{"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "501"},
           Case{"Host: y\r\n", "400"},
           Case{"A b: c\r\n", "400"},
           Case{"A : c\r\n", "400"},
           Case{std::string("A: b\0c\r\n", 8), "400"},
       }) {
    const std::string answer = ask("POST / HTTP/1.1\r\nHost: x\r\n" + c.head + "\r\n" + chunks);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + c.status)) << c.head << answer;
    // One refusal, and nothing behind it is taken for a request.
    EXPECT_EQ(answer.find("HTTP/1.1", 8), std::string::npos) << c.head << answer;
  }
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));  // no Host
  EXPECT_TRUE(ask("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
                  .starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask("GET / HTTP/2.0\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 505"));
  EXPECT_TRUE(ask("GET /" + std::string(20'000, 'a')).starts_with("HTTP/1.1 414"));
  EXPECT_TRUE(ask("\x16\x03\x01 this is TLS\r\n\r\n").starts_with("HTTP/1.1 400"));
}

TEST_F(ServerEdgeTest, RareButRightRequests) {
  start();
  EXPECT_TRUE(ask("\r\n\r\nGET /a?b HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/a|b||"));
  EXPECT_TRUE(ask("GET http://host:1/a?b HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/a|b||"));
  EXPECT_TRUE(ask("GET http://host?b HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/|b||"));
  EXPECT_TRUE(ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("OPTIONS|*|||"));
  EXPECT_TRUE(ask("PURGE /a HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("PURGE|/a|||"));
  // A trailer is not a header.
  EXPECT_TRUE(ask("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3;ext=1\r\nabc\r\n0\r\nX-Late: evil\r\n\r\n")
                  .ends_with("POST|/a|||abc"));
}

TEST_F(ServerEdgeTest, RequestsInAnyPieces) {
  start();
  const std::string all =
      "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
      "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmore\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n";
  for (size_t step : {1u, 7u, 50u}) {
    PlainClient client(server->port());
    std::jthread speaker([&] {
      for (size_t at = 0; at < all.size(); at += step) {
        client.say(all.substr(at, step));
        std::this_thread::yield();
      }
    });
    EXPECT_TRUE(client.hear_answer().ends_with("POST|/1|||body"));
    EXPECT_TRUE(client.hear_answer().ends_with("POST|/2|||more"));
    EXPECT_TRUE(client.hear_answer().ends_with("GET|/3|||"));
  }
}

TEST_F(ServerEdgeTest, LargeBodiesComeWhole) {
  start();
  std::string body(3'000'000, 'a');
  for (size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>('b' + i % 20);
  const std::string answer = ask(
      fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  EXPECT_TRUE(answer.ends_with("POST|/|||" + body));
}

TEST_F(ServerEdgeTest, AHandlerLearnsThatItsPeerIsGone) {
  start();
  PlainClient client(server->port());
  client.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
  while (server->stats().requests_in_flight == 0) std::this_thread::yield();
  client.reset();
  told_gone.wait();
  while (server->stats().connections != 0) std::this_thread::yield();
}

TEST_F(ServerEdgeTest, AClientThatOnlyStoppedTalkingStillGetsItsAnswer) {
  start();
  PlainClient client(server->port());
  client.say("GET /wait HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  client.finish();
  const std::string all = client.hear_all();
  EXPECT_NE(all.find("GET|/wait|||"), std::string::npos) << all;
  EXPECT_TRUE(all.ends_with("GET|/2|||")) << all;
  // Work that takes longer is told, and may answer all the same.
  PlainClient patient(server->port());
  patient.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
  patient.finish();
  EXPECT_TRUE(patient.hear_all().ends_with("GET|/watch|||"));
}

TEST_F(ServerEdgeTest, ConnectionsAboveTheLimitAreToldSo) {
  ServerOptions options;
  options.max_connections = 1;
  start(options);
  {
    PlainClient first(server->port());
    first.say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(first.hear_answer().ends_with("GET|/1|||"));
    PlainClient second(server->port());
    EXPECT_TRUE(second.hear_all().starts_with("HTTP/1.1 503"));
  }
  while (server->stats().connections != 0) std::this_thread::yield();
  EXPECT_TRUE(ask("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/2|||"));
}

TEST_F(ServerEdgeTest, AClientThatDoesNotReadIsDropped) {
  ServerOptions options;
  options.body_timeout = 100ms;
  start(options);
  PlainClient client(server->port());
  client.say("GET /huge HTTP/1.1\r\nHost: x\r\n\r\n");
  while (server->stats().requests == 0) std::this_thread::yield();
  while (server->stats().connections != 0) std::this_thread::sleep_for(1ms);
}

TEST_F(ServerEdgeTest, BrokenStreamsAreSeenToBeIncomplete) {
  start();
  for (const char* path : {"/breaks", "/throws"}) {
    const std::string all = ask(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path));
    EXPECT_NE(all.find("4\r\npart\r\n"), std::string::npos) << all;
    EXPECT_EQ(all.find("0\r\n\r\n"), std::string::npos) << all;
  }
}

TEST_F(ServerEdgeTest, StreamsOfKnownLengthKeepTheConnection) {
  start();
  PlainClient client(server->port());
  client.say("GET /sized HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string sized = client.hear_answer();
  EXPECT_TRUE(sized.ends_with("\r\n\r\nhalfhalf")) << sized;
  EXPECT_EQ(sized.find("chunked"), std::string::npos);
  EXPECT_TRUE(client.hear_answer().ends_with("GET|/2|||"));
  EXPECT_TRUE(ask("GET /sized HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nhalfhalf"));
}

TEST_F(ServerEdgeTest, AnAnnouncedDrainAsksClientsToGo) {
  start();
  PlainClient client(server->port());
  client.say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.hear_answer().find("Connection: close"), std::string::npos);
  server->announce_drain();
  client.say("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.hear_all().find("Connection: close"), std::string::npos);
  // New ones are still served.
  EXPECT_TRUE(ask("GET /3 HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/3|||"));
}

TEST_F(ServerEdgeTest, ADrainWaitsForRequestsOnTheirWay) {
  start();
  PlainClient half(server->port()), fresh(server->port());
  half.say("GET /half HTTP/1.1\r\n");
  while (server->stats().connections != 2) std::this_thread::yield();
  std::this_thread::sleep_for(20ms);  // nothing tells that the server has read the half
  server->drain();
  EXPECT_FALSE(server->wait_idle(20ms));
  half.say("Host: x\r\n\r\n");
  EXPECT_TRUE(half.hear_all().ends_with("GET|/half|||"));
  fresh.say("GET /fresh HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(fresh.hear_all().ends_with("GET|/fresh|||"));
  EXPECT_TRUE(server->wait_idle(5s));
}

TEST_F(ServerEdgeTest, AnIdleConnectionMaySendOneMoreRequestAfterTheDrain) {
  start();
  PlainClient idle(server->port());
  idle.say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.hear_answer();
  while (server->stats().requests_in_flight != 0) std::this_thread::yield();
  server->drain();
  EXPECT_FALSE(server->wait_idle(20ms));
  idle.say("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string last = idle.hear_all();
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(last.ends_with("GET|/2|||"));
  EXPECT_TRUE(server->wait_idle(500ms));
}

TEST_F(ServerEdgeTest, StopEndsWhatIsInFlight) {
  start();
  PlainClient client(server->port()), idle(server->port());
  client.say("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
  while (server->stats().requests_in_flight == 0) std::this_thread::yield();
  server->stop();
  EXPECT_EQ(server->stats().connections, 0);
  EXPECT_EQ(client.hear_all(), "");
}

TEST_F(ServerEdgeTest, AnInheritedSocketIsServedAndOutlivesTheServer) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 10), 0);
  ServerOptions options;
  options.inherited_fd = fd;
  start(options);
  const int port = server->port();
  ASSERT_NE(port, 0);
  EXPECT_TRUE(ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/1|||"));
  server->drain();
  EXPECT_TRUE(server->wait_idle(5s));
  server->stop();
  PlainClient waiting(port);  // in the queue of the socket until the next server takes over
  EXPECT_TRUE(waiting.connected());
  waiting.say("GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  start(options);
  EXPECT_TRUE(waiting.hear_all().ends_with("GET|/2|||"));
  close(fd);
}

TEST_F(ServerEdgeTest, TwoServersMayShareAPort) {
  ServerOptions options;
  options.reuse_port = true;
  start(options);
  auto first = std::move(server);
  options.port = first->port();
  start(options);
  first->drain();
  first->stop();
  EXPECT_TRUE(ask("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET|/2|||"));
}

TEST_F(ServerEdgeTest, ManyClientsAtOnce) {
  start();
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> clients;
    for (int c = 0; c < 8; ++c) {
      clients.emplace_back([&, c] {
        PlainClient client(server->port());
        for (int i = 0; i < 100; ++i) {
          client.say(fmt::format("POST /{} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{}", c,
                                 i % 10));
          if (client.hear_answer().ends_with(fmt::format("POST|/{}|||{}", c, i % 10))) ++right;
        }
      });
    }
  }
  EXPECT_EQ(right, 800);
  EXPECT_EQ(server->stats().requests, 800);
}

}  // namespace
}  // namespace halcyon::net
