// The HTTP/1.1 server: keep-alive, pipelining, chunked bodies, gzip, limits, time-outs, drain.
//
//   Server server(io_pool, options, handler);
//   CO_TRY_STATUS / TRY_STATUS(server.listen());
//   ... server.port() ...
//   server.drain();                       // no new connections, answers say "close"
//   run(io, server.wait_idle(10s));       // in-flight requests finish
//
// Each io thread accepts on a socket of its own (SO_REUSEPORT) and keeps its connections. The
// handler is called on the connection's io thread; an exception from it is answered with 500 and
// logged.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "runtime/io.h"

namespace halcyon::net {

struct ServerOptions {
  std::string host = "0.0.0.0";
  int port = 0;  // 0: any free one, see Server::port
  size_t header_limit = 16 * 1024;
  size_t body_limit = 10 * 1024 * 1024;
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a head to its end
  std::chrono::milliseconds body_timeout{60'000};    // between two pieces of a body, and for writes
  std::chrono::milliseconds idle_timeout{75'000};    // between requests; longer than a balancer's
  size_t max_connections = 10'000;
  size_t max_requests = 1'000;  // in flight; more are answered 503 at once
  bool gzip = true;
  ServerOptions() = default;
};

struct ServerStats {
  int64_t connections = 0, requests_in_flight = 0, requests = 0, shed = 0;
};

class Server {
 public:
  Server(runtime::IoPool& io, ServerOptions options, Handler handler);
  ~Server();  // stop()

  Status listen();  // error LISTEN_FAILED: the address is in use or not ours
  int port() const;
  void drain();
  // True when nothing is in flight within `limit`.
  bool wait_idle(std::chrono::milliseconds limit);  // from a plain thread
  void stop();                                      // closes everything
  ServerStats stats() const;

  struct Shared;  // server.cpp

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace halcyon::net
