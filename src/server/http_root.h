// The top of the URL space: API, health, and the web client everywhere else. Measures every request
// and says in the log who sent it.
//
//   HttpRoot root(dispatcher, health, metrics, HttpRootOptions{...});
//   net::Server server(io, options, [&](net::Request& r) { return root.handle(r); });
//   root.watch(server);
//
// Thread rule: handle() from any io thread; watch() once, before metrics are rendered with it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "api/dispatcher.h"
#include "features/realtime/realtime.h"
#include "net/server.h"
#include "net/trusted_proxies.h"
#include "runtime/metrics.h"
#include "server/health.h"
#include "server/web_client.h"

namespace halcyon::server {

struct HttpRootOptions {
  Networks trusted_proxies;
  std::string web_root;                   // empty: no web client
  std::vector<std::string> never_a_page;  // addresses where no page of the web client can be
  size_t max_requests = 0;                // in flight, for the figures
  HttpRootOptions() = default;
};

class HttpRoot {
 public:
  HttpRoot(api::Dispatcher& api, const Health& health, runtime::Metrics& metrics,
           HttpRootOptions options);
  // What is spoken on WebSockets at `path`.
  void serve_sockets(std::string path, features::realtime::Realtime& realtime);
  Task<net::Response> handle(net::Request& request);
  void watch(const net::Server& server);  // its figures become metrics

 private:
  // Kinds of requests that take their own time each.
  enum class Kind { kRead, kWrite, kWeb, kHealth };
  static constexpr size_t kKinds = 4;
  struct Figures {
    std::array<runtime::Counter, 6> by_class;  // [2] counts 2xx, ...; [0] is not used
    runtime::Histogram seconds;
  };

  Kind kind_of(const net::Request& request) const;
  Task<net::Response> route(net::Request& request, Kind kind);

  net::Response open_socket(const net::Request& request);

  api::Dispatcher& api_;
  features::realtime::Realtime* realtime_ = nullptr;
  std::string socket_path_;
  const Health& health_;
  runtime::Metrics& metrics_;
  const net::TrustedProxies proxies_;
  const WebClient web_;
  const std::vector<std::string> never_a_page_;
  const size_t max_requests_;
  std::array<Figures, kKinds> figures_;
};

}  // namespace halcyon::server
