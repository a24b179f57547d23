// The HTTP/1.1 server: keep-alive, pipelining, chunked bodies, gzip, limits, time-outs, drain.
//
//   Server server(io_pool, options, handler);
//   CO_TRY_STATUS / TRY_STATUS(server.listen());
//   ... server.port() ...
//   server.announce_drain();              // answers say "Connection: close"
//   server.drain();                       // no new connections, idle ones end soon
//   server.wait_idle(10s);                // what is in flight finishes
//   server.stop();
//
// The first io thread accepts; connections are spread evenly over all threads and stay on theirs.
// The handler is called on the connection's thread; an exception from it is answered with 500 and
// logged. While a handler works, Request::peer_gone tells that nobody waits for its answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "runtime/io.h"

namespace halcyon::net {

struct ServerOptions {
  std::string host = "0.0.0.0";
  int port = 0;  // 0: any free one, see Server::port
  // Several processes on one port: each sets reuse_port (the kernel spreads connections), or all
  // are given one listening socket by the process that made it (host and port are not used then).
  bool reuse_port = false;
  int inherited_fd = -1;  // the server takes a duplicate; the caller closes its own
  size_t header_limit = 16 * 1024;
  size_t body_limit = 10 * 1024 * 1024;
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a head to its end
  std::chrono::milliseconds body_timeout{60'000};    // between two pieces of a body, and for writes
  std::chrono::milliseconds idle_timeout{75'000};    // between requests; longer than a balancer's
  size_t max_connections = 10'000;                   // more are told 503 and closed
  size_t max_requests = 1'000;                       // in flight; more are answered 503 at once
  // Requests whose path begins with it are answered however many are in flight; empty: none.
  std::string never_shed;
  // When the server drains: what an idle connection gets to send one more request, which is
  // answered with "Connection: close". Closing it at once would meet requests on their way.
  std::chrono::milliseconds drain_idle{1'000};
  // When the server drains: WebSockets are told to come back elsewhere at random moments within
  // this time (or less when they are few), so that they do not all come at once.
  std::chrono::milliseconds websocket_spread{7'500};
  size_t websocket_message_limit = 1024 * 1024;
  bool gzip = true;
  ServerOptions() = default;
};

struct ServerStats {
  int64_t connections = 0;         // open, WebSockets included
  int64_t websockets = 0;          // open
  int64_t requests_in_flight = 0;  // being worked on
  int64_t requests = 0, shed = 0;  // since the start
  int64_t turned_away = 0;         // connections above max_connections, since the start
};

// A listening socket on options.host and port, for ServerOptions::inherited_fd of several servers
// or processes; closed on exec. The caller owns it. Error LISTEN_FAILED.
Result<int> open_listening_socket(const ServerOptions& options);
int listening_port(int fd);

class Server {
 public:
  Server(runtime::IoPool& io, ServerOptions options, Handler handler);
  ~Server();  // stop()

  Status listen();  // error LISTEN_FAILED: the address is in use or not ours
  int port() const;
  // Answers say "Connection: close" from now on, so that clients go elsewhere of their own accord.
  void announce_drain();
  // Accepts what waits in the socket's queue, then nothing more; lets idle connections send one
  // more request or end, tells WebSockets to come back elsewhere (1012). Requests that have begun
  // are finished.
  void drain();
  // After drain(): true when the last request is answered and all have been told, within `limit`.
  // From a plain thread. `hurry`: asked now and then; true ends the wait.
  bool wait_idle(std::chrono::milliseconds limit, const std::function<bool()>& hurry = {});
  void stop();  // closes everything, waits a little for handlers; from a plain thread, idempotent
  ServerStats stats() const;

  struct Shared;  // server.cpp

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace halcyon::net
