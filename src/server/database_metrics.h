// Figures of the database: pool, lanes, statements, failovers, and how far its standbys are behind.
//
//   DatabaseMetrics figures(db, metrics);
//   co_await figures.refresh();              // before the metrics are rendered
//
// Only the standbys need a statement: it is run when somebody asks for the metrics, every few
// seconds at most, and given up soon, so that a lost database costs no figure but its own.
// Thread rule: refresh() from io threads. `db` must outlive what renders the metrics.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "runtime/context.h"
#include "runtime/metrics.h"
#include "sql/database.h"

namespace halcyon::server {

class DatabaseMetrics {
 public:
  DatabaseMetrics(sql::Database& db, runtime::Metrics& metrics);
  Task<void> refresh();

 private:
  struct Seen {
    std::mutex mutex;
    std::vector<sql::Standby> standbys;
    runtime::Clock::time_point asked_at{};
  };
  void show_pool(runtime::Metrics& metrics);
  void show_standbys(runtime::Metrics& metrics);

  sql::Database& db_;
  const std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
};

}  // namespace halcyon::server
