#include "server/http_root.h"

#include <fmt/format.h>

#include "base/log.h"

namespace halcyon::server {
HttpRoot::HttpRoot(api::Dispatcher& api, sql::Database& db, const Health& health,
                   runtime::Metrics& metrics)
    : api_(api), health_(health), metrics_(metrics) {
  for (size_t i = 0; i < by_class_.size(); ++i) {
    by_class_[i] = metrics.counter("halcyon_http_requests_total", "HTTP requests answered",
                                   {{"status", fmt::format("{}xx", i)}});
  }
  seconds_ = metrics.seconds("halcyon_http_request_seconds", "Time to answer a request");
  auto pool = [&](const char* name, const char* help, auto read) {
    metrics.gauge(name, help, {}, [&db, read] { return static_cast<double>(read(db.stats())); });
  };
  pool("halcyon_db_connections", "Open database connections",
       [](const sql::PoolStats& s) { return s.open; });
  pool("halcyon_db_connections_idle", "Idle database connections",
       [](const sql::PoolStats& s) { return s.idle; });
  pool("halcyon_db_waiting", "Calls waiting for a connection",
       [](const sql::PoolStats& s) { return s.waiting; });
  pool("halcyon_db_statements", "Statements run",
       [](const sql::PoolStats& s) { return s.statements; });
  pool("halcyon_db_transactions", "Transactions run",
       [](const sql::PoolStats& s) { return s.transactions; });
  pool("halcyon_db_retries", "Transactions repeated",
       [](const sql::PoolStats& s) { return s.retries; });
}

void HttpRoot::watch(const net::Server& server) {
  auto gauge = [&](const char* name, const char* help, auto read) {
    metrics_.gauge(name, help, {},
                   [&server, read] { return static_cast<double>(read(server.stats())); });
  };
  gauge("halcyon_http_connections", "Client connections",
        [](const net::ServerStats& s) { return s.connections; });
  gauge("halcyon_http_requests_in_flight", "Requests being worked on",
        [](const net::ServerStats& s) { return s.requests_in_flight; });
  gauge("halcyon_http_requests_shed", "Requests refused for overload",
        [](const net::ServerStats& s) { return s.shed; });
}

Task<net::Response> HttpRoot::route(net::Request& request) {
  if (api_.is_api_path(request.path)) co_return co_await api_.handle(request);
  if (Health::is_health_path(request.path)) co_return health_.answer(request.path);
  if (request.path == "/") {
    co_return plain_text(
        200, "Halcyon is running. The API is at /api/, its description at /api/swagger:get.\n");
  }
  co_return nothing_here();
}

Task<net::Response> HttpRoot::handle(net::Request& request) {
  const auto started = runtime::Clock::now();
  net::Response response = co_await route(request);
  const std::chrono::duration<double> took = runtime::Clock::now() - started;
  seconds_.observe(took.count());
  by_class_[static_cast<size_t>(response.status / 100) % by_class_.size()].add();
  if (log_enabled(LogLevel::kInfo)) {
    log_info("request", {{"method", request.method},
                         {"path", std::string(request.path)},
                         {"status", response.status},
                         {"ms", took.count() * 1000},
                         {"requestId", response.headers.get("X-Request-Id")},
                         {"client", request.remote_address}});
  }
  co_return response;
}

}  // namespace halcyon::server
