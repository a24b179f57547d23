#include "server/http_root.h"

#include <fmt/format.h>

#include "base/log.h"

namespace halcyon::server {
namespace {

net::Response text(int status, std::string body, std::string type = "text/plain; charset=utf-8") {
  net::Response response;
  response.status = status;
  response.headers.set("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

net::Response not_found() {
  return text(404,
              R"({"errors":[{"code":"NOT_FOUND","message":"There is nothing at this address."}]})",
              "application/json; charset=utf-8");
}

}  // namespace

HttpRoot::HttpRoot(api::Dispatcher& api, sql::Database& db, runtime::Metrics& metrics)
    : api_(api), db_(db), metrics_(metrics) {
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

// Liveness is about this process alone; readiness needs the database (promise P10).
Task<net::Response> HttpRoot::health(std::string_view path) {
  if (path == "/healthz/live") co_return text(200, "ok");
  if (path != "/healthz/ready" && path != "/healthz/startup") co_return not_found();
  if (!ready_.load()) co_return text(503, "draining");
  Context ctx;
  ctx.deadline = runtime::Clock::now() + std::chrono::seconds(2);
  Status reached = co_await db_.ping(ctx);
  if (!reached) co_return text(503, "database unreachable");
  co_return text(200, "ok");
}

Task<net::Response> HttpRoot::route(net::Request& request) {
  if (api_.is_api_path(request.path)) co_return co_await api_.handle(request);
  if (request.path.starts_with("/healthz/")) co_return co_await health(request.path);
  if (request.path == "/") {
    co_return text(
        200, "Halcyon is running. The API is at /api/, its description at /api/swagger:get.\n");
  }
  co_return not_found();
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

Task<net::Response> HttpRoot::handle_admin(net::Request& request) {
  if (request.path == "/metrics")
    co_return text(200, metrics_.render(), "text/plain; version=0.0.4");
  co_return co_await health(request.path);
}

}  // namespace halcyon::server
