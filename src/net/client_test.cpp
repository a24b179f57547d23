#include "net/client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "net/server.h"

namespace halcyon::net {
namespace {

using namespace std::chrono_literals;

// A socket that listens on the loopback interface and answers each client with fixed bytes, after
// it has heard something.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) abort();
    if (::listen(fd_, 10) != 0) abort();
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() {
    shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    close(fd_);
  }
  int port() const { return port_; }
  void answer(std::string bytes) {
    thread_ = std::jthread([this, bytes = std::move(bytes)] {
      for (int client; (client = accept(fd_, nullptr, nullptr)) >= 0; close(client)) {
        char heard[4096];
        if (recv(client, heard, sizeof heard, 0) > 0)
          send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      }
    });
  }
  // The same over TLS, with a certificate of its own for "localhost".
  void answer_tls(const std::string& certificate_file, std::string bytes) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make_certificate(key);
    FILE* file = fopen(certificate_file.c_str(), "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    thread_ = std::jthread([this, key, certificate, bytes = std::move(bytes)] {
      SSL_CTX* context = SSL_CTX_new(TLS_server_method());
      SSL_CTX_use_certificate(context, certificate);
      SSL_CTX_use_PrivateKey(context, key);
      for (int client; (client = accept(fd_, nullptr, nullptr)) >= 0; close(client)) {
        SSL* tls = SSL_new(context);
        SSL_set_fd(tls, client);
        char heard[4096];
        if (SSL_accept(tls) == 1 && SSL_read(tls, heard, sizeof heard) > 0) {
          SSL_write(tls, bytes.data(), static_cast<int>(bytes.size()));
          SSL_shutdown(tls);
        }
        SSL_free(tls);
      }
      SSL_CTX_free(context);
      X509_free(certificate);
      EVP_PKEY_free(key);
    });
  }

 private:
  static X509* make_certificate(EVP_PKEY* key) {
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
  }
  int fd_;
  int port_ = 0;
  std::jthread thread_;
};

Task<Response> serve(Request& request) {
  Response response;
  if (request.path == "/stream") {
    auto left = std::make_shared<int>(3);
    response.stream = [left](std::string& chunk) -> Task<Result<bool>> {
      chunk = "part;";
      co_return --*left > 0;
    };
    co_return response;
  }
  if (request.path == "/slow") {
    const auto gone = request.peer_gone;
    while (!gone->load()) co_await runtime::sleep_for(10ms);
  }
  if (request.path == "/missing") response.status = 404;
  if (request.path == "/large") response.body.assign(2'000'000, 'x');
  response.headers.set("X-Seen", std::string(request.headers.get("X-Mine")));
  if (response.body.empty())
    response.body = fmt::format("{} {} {}", request.method, request.target, request.body);
  co_return response;
}

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.host = "127.0.0.1";
    server = std::make_unique<Server>(io, options, serve);
    ASSERT_TRUE(server->listen());
  }
  Result<ClientResponse> send(ClientRequest request) {
    return runtime::run(io.thread(0), client.send(std::move(request)));
  }
  std::string url(std::string_view path) {
    return fmt::format("http://127.0.0.1:{}{}", server->port(), path);
  }
  std::string error_of(ClientRequest request) {
    auto response = send(std::move(request));
    return response ? fmt::format("{}", response->status) : response.error().id;
  }
  runtime::IoPool io{2};
  Client client;
  std::unique_ptr<Server> server;
};

TEST_F(ClientTest, SendsAndReceives) {
  auto got = send({"GET", url("/a?b=c%20d")});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "GET /a?b=c%20d ");
  ClientRequest post("POST", url(""));
  post.body = "hello";
  post.headers.set("X-Mine", "mine");
  auto posted = send(std::move(post));
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->body, "POST / hello");
  EXPECT_EQ(posted->headers.get("x-seen"), "mine");
  EXPECT_EQ(send({"GET", url("/stream")})->body, "part;part;part;");
  EXPECT_EQ(send({"GET", url("/missing")})->status, 404);
  EXPECT_EQ(send({"HEAD", url("/large")})->headers.get("Content-Length"), "2000000");
  EXPECT_EQ(send({"GET", url("/large")})->body.size(), 2'000'000u);
}

TEST_F(ClientTest, ErrorsSayWhatFailed) {
  for (const char* bad : {"", "x", "ftp://x/", "http://", "http:///x", "http://a b/",
                          "http://x:99999/", "http://x/\r\nEvil: 1"}) {
    EXPECT_NE(error_of({"GET", bad}), "200") << bad;
  }
  EXPECT_EQ(error_of({"GET", "ftp://x/"}), "INVALID_URL");
  EXPECT_EQ(error_of({"GET\r\nEvil: 1", url("/")}), "INVALID_HEADER");
  ClientRequest header("GET", url("/"));
  header.headers.set("X", "a\r\nEvil: 1");
  EXPECT_EQ(error_of(std::move(header)), "INVALID_HEADER");
  ClientRequest slow("GET", url("/slow"));
  slow.timeout = 50ms;
  EXPECT_EQ(error_of(std::move(slow)), "HTTP_TIMEOUT");
  ClientRequest large("GET", url("/large"));
  large.max_body = 1000;
  EXPECT_EQ(error_of(std::move(large)), "HTTP_ANSWER_TOO_LARGE");
  EXPECT_EQ(error_of({"GET", fmt::format("https://127.0.0.1:{}/", server->port())}),
            "HTTP_TLS_FAILED");
  const int closed_port = Listener().port();
  EXPECT_EQ(error_of({"GET", fmt::format("http://127.0.0.1:{}/", closed_port)}),
            "HTTP_CONNECT_FAILED");
}

TEST_F(ClientTest, AnswersThatBreakOffAreErrors) {
  for (const char* bytes : {"", "HTTP/1.1 200 OK\r\n", "nonsense\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    Listener listener;
    listener.answer(bytes);
    EXPECT_EQ(error_of({"GET", fmt::format("http://127.0.0.1:{}/", listener.port())}),
              "HTTP_BROKEN")
        << bytes;
  }
  // Without a length the end of the connection is the end of the body.
  Listener listener;
  listener.answer("HTTP/1.0 200 OK\r\n\r\nall of it");
  EXPECT_EQ(send({"GET", fmt::format("http://127.0.0.1:{}/", listener.port())})->body, "all of it");
}

TEST_F(ClientTest, AddressesMayBeRefused) {
  ClientOptions options;
  std::string asked;
  options.allow_address = [&](const std::string& address) {
    asked = address;
    return false;
  };
  const Client guarded(options);
  auto refused = runtime::run(io.thread(0), guarded.send({"GET", url("/")}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id, "ADDRESS_NOT_ALLOWED");
  EXPECT_EQ(asked, "127.0.0.1");
  EXPECT_EQ(server->stats().requests, 0);
}

TEST_F(ClientTest, ChecksCertificates) {
  const std::string file = ::testing::TempDir() + "halcyon-client-test.pem";
  Listener listener;
  listener.answer_tls(file, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
  const std::string by_name = fmt::format("https://localhost:{}/", listener.port());
  const std::string by_address = fmt::format("https://127.0.0.1:{}/", listener.port());
  EXPECT_EQ(error_of({"GET", by_name}), "HTTP_TLS_FAILED");  // nobody vouches for it
  ClientOptions trusting;
  trusting.ca_file = file;
  const Client trusts(trusting);
  auto good = runtime::run(io.thread(0), trusts.send({"GET", by_name}));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->body, "secret");
  auto wrong_name = runtime::run(io.thread(0), trusts.send({"GET", by_address}));
  ASSERT_FALSE(wrong_name);
  EXPECT_EQ(wrong_name.error().id, "HTTP_TLS_FAILED");
  ClientOptions careless;
  careless.verify_peer = false;
  const Client any(careless);
  EXPECT_EQ(runtime::run(io.thread(0), any.send({"GET", by_address}))->body, "secret");
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace halcyon::net
