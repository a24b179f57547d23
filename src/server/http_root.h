// The top of the URL space: API and health. Measures every request.
#pragma once

#include <array>

#include "api/dispatcher.h"
#include "net/server.h"
#include "runtime/metrics.h"
#include "server/health.h"
#include "sql/database.h"

namespace halcyon::server {

class HttpRoot {
 public:
  HttpRoot(api::Dispatcher& api, sql::Database& db, const Health& health,
           runtime::Metrics& metrics);
  Task<net::Response> handle(net::Request& request);
  void watch(const net::Server& server);  // its figures become metrics

 private:
  Task<net::Response> route(net::Request& request);

  api::Dispatcher& api_;
  const Health& health_;
  runtime::Metrics& metrics_;
  std::array<runtime::Counter, 6> by_class_;  // [2] counts 2xx, ...
  runtime::Histogram seconds_;
};

}  // namespace halcyon::server
