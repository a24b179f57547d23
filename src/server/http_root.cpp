#include "server/http_root.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "net/websocket.h"

namespace halcyon::server {
namespace {

constexpr std::array kKindNames{"read", "write", "web", "health"};

}  // namespace

HttpRoot::HttpRoot(api::Dispatcher& api, const Health& health, runtime::Metrics& metrics,
                   HttpRootOptions options)
    : api_(api),
      health_(health),
      metrics_(metrics),
      proxies_(std::move(options.trusted_proxies)),
      web_(options.web_root),
      never_a_page_(std::move(options.never_a_page)),
      max_requests_(options.max_requests) {
  for (size_t kind = 0; kind < kKinds; ++kind) {
    Figures& figures = figures_[kind];
    for (size_t i = 1; i < figures.by_class.size(); ++i) {
      figures.by_class[i] =
          metrics.counter("halcyon_http_requests_total", "HTTP requests answered",
                          {{"kind", kKindNames[kind]}, {"status", fmt::format("{}xx", i)}});
    }
    figures.seconds = metrics.seconds("halcyon_http_request_seconds", "Time to answer a request",
                                      {{"kind", kKindNames[kind]}});
  }
}

void HttpRoot::watch(const net::Server& server) {
  const auto reading = [&server](auto read) -> std::function<double()> {
    return [&server, read] { return static_cast<double>(read(server.stats())); };
  };
  const auto gauge = [&](const char* name, const char* help, auto read) {
    metrics_.gauge(name, help, {}, reading(read));
  };
  const auto counter = [&](const char* name, const char* help, auto read) {
    metrics_.counter(name, help, {}, reading(read));
  };
  using Stats = net::ServerStats;
  gauge("halcyon_http_connections", "Client connections, WebSockets included",
        [](const Stats& s) { return s.connections; });
  gauge("halcyon_http_websockets", "Open WebSockets", [](const Stats& s) { return s.websockets; });
  gauge("halcyon_http_requests_in_flight", "Requests being worked on",
        [](const Stats& s) { return s.requests_in_flight; });
  metrics_
      .gauge("halcyon_http_requests_limit", "Most requests worked on at a time (HTTP_MAX_REQUESTS)")
      .set(static_cast<double>(max_requests_));
  counter("halcyon_http_requests_shed_total",
          "Requests answered 503 because too many were in flight",
          [](const Stats& s) { return s.shed; });
  counter("halcyon_http_connections_refused_total",
          "Connections answered 503 because too many were open",
          [](const Stats& s) { return s.turned_away; });
}

void HttpRoot::serve_sockets(std::string path, features::realtime::Realtime& realtime) {
  socket_path_ = std::move(path);
  realtime_ = &realtime;
}

net::Response HttpRoot::open_socket(const net::Request& request) {
  if (!net::is_websocket_upgrade(request)) {
    net::Response response = plain_text(426, "Here WebSockets are spoken.\n");
    response.headers.set("Upgrade", "websocket");
    return response;
  }
  net::Response response;
  response.status = 101;
  response.websocket = [realtime = realtime_](std::unique_ptr<net::WebSocket> socket) {
    return realtime->serve(std::move(socket));
  };
  return response;
}

HttpRoot::Kind HttpRoot::kind_of(const net::Request& request) const {
  if (api_.is_api_path(request.path)) {
    if (request.path.ends_with("/__health_check")) return Kind::kHealth;
    return request.method == "GET" || request.method == "HEAD" ? Kind::kRead : Kind::kWrite;
  }
  return Health::is_health_path(request.path) ? Kind::kHealth : Kind::kWeb;
}

Task<net::Response> HttpRoot::route(net::Request& request, Kind kind) {
  if (api_.is_api_path(request.path)) co_return co_await api_.handle(request);
  if (realtime_ != nullptr && request.path == socket_path_) co_return open_socket(request);
  if (kind == Kind::kHealth) co_return health_.answer(request.path);
  if (std::ranges::find(never_a_page_, request.path) != never_a_page_.end())
    co_return nothing_here();
  co_return web_.answer(request);
}

Task<net::Response> HttpRoot::handle(net::Request& request) {
  const auto started = runtime::Clock::now();
  request.client_address = proxies_.client_of(request);
  const Kind kind = kind_of(request);
  net::Response response = co_await route(request, kind);
  const std::chrono::duration<double> took = runtime::Clock::now() - started;
  Figures& figures = figures_[static_cast<size_t>(kind)];
  figures.seconds.observe(took.count());
  figures.by_class[std::clamp<size_t>(static_cast<size_t>(response.status / 100), 1, 5)].add();
  if (log_enabled(LogLevel::kInfo)) {
    log_info("request", {{"method", request.method},
                         {"path", std::string(request.path)},
                         {"status", response.status},
                         {"ms", took.count() * 1000},
                         {"requestId", response.headers.get("X-Request-Id")},
                         {"client", request.client_address},
                         {"peer", request.remote_address}});
  }
  co_return response;
}

}  // namespace halcyon::server
