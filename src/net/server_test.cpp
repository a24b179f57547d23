#include "net/server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "net/testing.h"
#include "net/websocket.h"

namespace halcyon::net {
namespace {

using namespace std::chrono_literals;
using testing::PlainClient;

Task<Response> echo(Request& request) {
  Response response;
  if (request.path == "/slow") co_await runtime::sleep_for(200ms);
  if (request.path == "/throw") throw std::runtime_error("a bug");
  if (request.path == "/stream") {
    auto count = std::make_shared<int>(0);
    response.stream = [count](std::string& chunk) -> Task<Result<bool>> {
      chunk = fmt::format("part{};", (*count)++);
      co_return *count < 3;
    };
    co_return response;
  }
  if (request.path == "/ws") {
    response.websocket = [](std::unique_ptr<WebSocket> socket) -> Task<void> {
      while (true) {
        auto text = co_await socket->read();
        if (!text) co_return;
        socket->send("echo:" + *text);
      }
    };
    co_return response;
  }
  response.headers.set("Content-Type", "text/plain");
  response.body = request.path == "/big"
                      ? std::string(5000, 'x')
                      : fmt::format("{} {} [{}]", request.method, request.target, request.body);
  co_return response;
}

class ServerTest : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    options.host = "127.0.0.1";
    server = std::make_unique<Server>(io, options, echo);
    auto status = server->listen();
    ASSERT_TRUE(status) << status.error().message;
  }
  runtime::IoPool io{2};
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, KeepsTheConnectionAndPipelinesInOrder) {
  start();
  PlainClient client(server->port());
  std::string all;
  for (int i = 0; i < 100; ++i) all += fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  client.say(all);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(client.hear_answer().ends_with(fmt::format("GET /{} []", i)));
  }
}

TEST_F(ServerTest, ReadsBodiesByLengthAndInChunks) {
  start();
  PlainClient client(server->port());
  client.say("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(client.hear_answer().ends_with("POST /a [hello]"));
  client.say(
      "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  EXPECT_TRUE(client.hear_answer().ends_with("POST /b [abcdefg]"));
  client.say("POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.hear_answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.say("ok");
  EXPECT_TRUE(client.hear_answer().ends_with("POST /c [ok]"));
}

TEST_F(ServerTest, BadRequestsGetACodeAndTheConnectionCloses) {
  ServerOptions options;
  options.header_limit = 1000;
  options.body_limit = 100;
  start(options);
  struct Case {
    std::string bytes, status, code;
  };
  for (const Case& c : {
           Case{"nonsense\r\n\r\n", "400", "BAD_REQUEST"},
           Case{"GET / HTTP/1.1\r\nX: " + std::string(2000, 'a') + "\r\n\r\n", "431",
                "HEADER_TOO_LARGE"},
           Case{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "413",
                "BODY_TOO_LARGE"},
           Case{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" +
                    std::string(255, 'a') + "\r\n0\r\n\r\n",
                "413", "BODY_TOO_LARGE"},
       }) {
    PlainClient client(server->port());
    client.say(c.bytes);
    const std::string answer = client.hear_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + c.status)) << answer;
    EXPECT_NE(answer.find(c.code), std::string::npos) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  }
}

TEST_F(ServerTest, SlowHeadsAndBodiesTimeOutAndIdleConnectionsClose) {
  ServerOptions options;
  options.header_timeout = 100ms;
  options.body_timeout = 100ms;
  options.idle_timeout = 150ms;
  start(options);
  PlainClient head(server->port());
  head.say("GET / HT");
  EXPECT_TRUE(head.hear_all().starts_with("HTTP/1.1 408"));
  PlainClient body(server->port());
  body.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(body.hear_all().starts_with("HTTP/1.1 408"));
  PlainClient idle(server->port());
  EXPECT_EQ(idle.hear_all(), "");
}

TEST_F(ServerTest, AHandlerThatThrowsIsAnInternalErrorAndTheServerGoesOn) {
  start();
  PlainClient client(server->port());
  client.say("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.hear_answer().starts_with("HTTP/1.1 500"));
  client.say("GET /on HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.hear_answer().ends_with("GET /on []"));
}

TEST_F(ServerTest, CompressesWhenAskedAndWorthIt) {
  start();
  PlainClient client(server->port());
  client.say("GET /big HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
  const std::string small = client.hear_answer();
  EXPECT_NE(small.find("Content-Encoding: gzip"), std::string::npos);
  EXPECT_LT(small.size(), 1000u);
  client.say("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_GT(client.hear_answer().size(), 5000u);
  client.say("GET /small HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
  EXPECT_EQ(client.hear_answer().find("Content-Encoding"), std::string::npos);
}

TEST_F(ServerTest, HeadHasNoBodyAndHttp10Closes) {
  start();
  PlainClient client(server->port());
  client.say("HEAD /big HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.0\r\n\r\n");
  const std::string all = client.hear_all();
  EXPECT_NE(all.find("Content-Length: 5000\r\n\r\nHTTP/1.1 200"), std::string::npos)
      << all.substr(0, 500);
  EXPECT_TRUE(all.ends_with("GET /next []"));
}

TEST_F(ServerTest, StreamsInChunks) {
  start();
  PlainClient client(server->port());
  client.say("GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.hear_all();
  EXPECT_NE(all.find("6\r\npart0;\r\n6\r\npart1;\r\n6\r\npart2;\r\n0\r\n\r\n"), std::string::npos)
      << all;
}

TEST_F(ServerTest, ShedsAboveTheLimitBeforeTheWorkIsBegun) {
  ServerOptions options;
  options.max_requests = 1;
  options.never_shed = "/healthz/";
  start(options);
  PlainClient first(server->port()), second(server->port()), probe(server->port());
  first.say("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  while (server->stats().requests_in_flight == 0) std::this_thread::yield();
  second.say("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string shed = second.hear_answer();
  EXPECT_TRUE(shed.starts_with("HTTP/1.1 503")) << shed;
  EXPECT_NE(shed.find("Retry-After: 1"), std::string::npos);
  probe.say("GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(probe.hear_answer().starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(first.hear_answer().ends_with("GET /slow []"));
}

TEST_F(ServerTest, DrainFinishesWhatIsInFlightAndClosesTheRest) {
  ServerOptions options;
  options.drain_idle = 20ms;
  start(options);
  PlainClient busy(server->port()), idle(server->port());
  idle.say("GET /once HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.hear_answer();
  while (server->stats().requests_in_flight != 0) std::this_thread::yield();
  busy.say("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  while (server->stats().requests_in_flight == 0) std::this_thread::yield();
  server->drain();
  EXPECT_EQ(idle.hear_all(), "");
  const std::string last = busy.hear_all();
  EXPECT_TRUE(last.ends_with("GET /slow []"));
  EXPECT_NE(last.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(server->wait_idle(2s));
  EXPECT_FALSE(PlainClient(server->port()).connected());
}

TEST_F(ServerTest, WebSocketEchoes) {
  start();
  PlainClient client(server->port());
  client.say(
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  const std::string head = client.hear_answer();
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
  EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);  // RFC 6455, 1.3
  client.say(std::string("\x81\x82\0\0\0\0hi", 8));
  client.say(std::string("\x88\x82\0\0\0\0\x03\xe8", 8));
  const std::string frames = client.hear_all();
  EXPECT_EQ(frames.substr(0, 9),
            "\x81\x07"
            "echo:hi");
}

TEST_F(ServerTest, PortInUseIsAClearError) {
  start();
  ServerOptions options;
  options.host = "127.0.0.1";
  options.port = server->port();
  runtime::IoPool one(1);
  Server second(one, options, echo);
  auto status = second.listen();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().id, "LISTEN_FAILED");
}

}  // namespace
}  // namespace halcyon::net
