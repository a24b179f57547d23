// A small HTTP/1.1 client: webhooks, sign-in providers, object storage, tests.
//
//   Client client;                                          // once; safe to share
//   ClientRequest request;
//   request.method = "POST";
//   request.url = "https://example.com/hook";
//   request.body = "{}";
//   CO_TRY(auto response, co_await client.send(std::move(request)));
//   if (response.status == 200) ...
//
// One connection a request; redirects are not followed; bodies are not decompressed. Any complete
// answer is a success, whatever its status. Errors:
//   INVALID_URL, INVALID_HEADER      400  the request cannot be sent
//   ADDRESS_NOT_ALLOWED              403  `allow_address` refused every address of the host
//   HTTP_CONNECT_FAILED              503  no such host, nobody listens, not reachable
//   HTTP_TLS_FAILED                  503  no TLS, or a certificate that is not trusted
//   HTTP_BROKEN                      503  the answer broke off or is no HTTP
//   HTTP_ANSWER_TOO_LARGE            503
//   HTTP_TIMEOUT                     504
//
// Thread rule: send() on an io thread; the task resumes there. The Client may be shared by threads
// and must outlive its requests.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "runtime/task.h"

namespace halcyon::net {

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http://host[:port]/path?query or https://...
  Headers headers;  // Host, Content-Length and Connection are set here
  std::string body;
  std::chrono::milliseconds timeout{30'000};  // from the name look-up to the last byte
  size_t max_body = 16 * 1024 * 1024;         // of the answer
  ClientRequest() = default;
  ClientRequest(std::string method_, std::string url_)
      : method(std::move(method_)), url(std::move(url_)) {}
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

struct ClientOptions {
  bool verify_peer = true;  // false only where the user asked for it
  std::string ca_file;      // PEM; empty: what the system trusts
  // Asked for each address a host name leads to, after the look-up, so that a name cannot lead
  // around it. Empty: all are allowed.
  std::function<bool(const std::string& address)> allow_address;
  ClientOptions() = default;
};

class Client {
 public:
  explicit Client(ClientOptions options = {});  // throws when ca_file cannot be read
  ~Client();
  Task<Result<ClientResponse>> send(ClientRequest request) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::net
