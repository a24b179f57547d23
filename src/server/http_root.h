// The top of the URL space: API, health, metrics. Measures every request.
#pragma once

#include <array>
#include <atomic>

#include "api/dispatcher.h"
#include "net/server.h"
#include "runtime/metrics.h"
#include "sql/database.h"

namespace halcyon::server {

class HttpRoot {
 public:
  HttpRoot(api::Dispatcher& api, sql::Database& db, runtime::Metrics& metrics);
  Task<net::Response> handle(net::Request& request);
  Task<net::Response> handle_admin(net::Request& request);  // health and metrics only
  void set_ready(bool ready) { ready_ = ready; }
  void watch(const net::Server& server);  // its figures become metrics

 private:
  Task<net::Response> route(net::Request& request);
  Task<net::Response> health(std::string_view path);

  api::Dispatcher& api_;
  sql::Database& db_;
  runtime::Metrics& metrics_;
  std::atomic<bool> ready_{true};
  std::array<runtime::Counter, 6> by_class_;  // [2] counts 2xx, ...
  runtime::Histogram seconds_;
};

}  // namespace halcyon::server
