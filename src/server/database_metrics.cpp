#include "server/database_metrics.h"

#include <map>

namespace halcyon::server {
namespace {

using namespace std::chrono_literals;
constexpr auto kEvery = 5s;
constexpr auto kPatience = 1s;

}  // namespace

DatabaseMetrics::DatabaseMetrics(sql::Database& db, runtime::Metrics& metrics) : db_(db) {
  show_pool(metrics);
  show_standbys(metrics);
}

void DatabaseMetrics::show_pool(runtime::Metrics& metrics) {
  const auto reading = [&db = db_](auto read) -> std::function<double()> {
    return [&db, read] { return static_cast<double>(read(db.stats())); };
  };
  const auto gauge = [&](const char* name, const char* help, runtime::Labels labels, auto read) {
    metrics.gauge(name, help, labels, reading(read));
  };
  const auto counter = [&](const char* name, const char* help, auto read) {
    metrics.counter(name, help, {}, reading(read));
  };
  using Stats = sql::PoolStats;
  constexpr const char* kPool = "halcyon_db_pool_connections";
  constexpr const char* kPoolHelp = "Connections of the pool: for transactions and slow statements";
  gauge(kPool, kPoolHelp, {{"state", "used"}},
        [](const Stats& s) { return s.open - s.lanes_open - s.idle; });
  gauge(kPool, kPoolHelp, {{"state", "idle"}}, [](const Stats& s) { return s.idle; });
  metrics.gauge("halcyon_db_pool_limit", "Most connections of the pool (DB_POOL_MAX)")
      .set(db_.options().pool_max);
  gauge("halcyon_db_pool_waiting", "Calls that wait for a connection of the pool", {},
        [](const Stats& s) { return s.waiting; });
  gauge("halcyon_db_lanes", "Pipelined connections for short statements, that should be open", {},
        [](const Stats& s) { return s.lanes; });
  gauge("halcyon_db_lanes_open", "Pipelined connections that are open", {},
        [](const Stats& s) { return s.lanes_open; });
  gauge("halcyon_db_lane_statements", "Statements in the lanes that are not answered yet", {},
        [](const Stats& s) { return s.lane_load; });
  counter("halcyon_db_statements_total", "Statements run",
          [](const Stats& s) { return s.statements; });
  counter("halcyon_db_transactions_total", "Transactions run",
          [](const Stats& s) { return s.transactions; });
  counter("halcyon_db_retries_total",
          "Statements and transactions repeated: conflicts and lost connections",
          [](const Stats& s) { return s.retries; });
  counter("halcyon_db_failovers_total", "Times another host of DB_HOST became the one to write to",
          [](const Stats& s) { return s.failovers; });
}

void DatabaseMetrics::show_standbys(runtime::Metrics& metrics) {
  const auto show = [&](const char* name, const char* help, double sql::Standby::* value) {
    metrics.gauges(name, help, [seen = seen_, value] {
      std::lock_guard lock(seen->mutex);
      // Two may have one name: the one further behind counts.
      std::map<runtime::Labels, double> worst;
      for (const sql::Standby& standby : seen->standbys) {
        const runtime::Labels labels{{"standby", standby.name},
                                     {"synchronous", standby.synchronous ? "true" : "false"}};
        double& shown = worst[labels];
        shown = std::max(shown, standby.*value);
      }
      return runtime::Metrics::Samples(worst.begin(), worst.end());
    });
  };
  show("halcyon_db_replication_lag_seconds", "How long ago what a standby has replayed was written",
       &sql::Standby::lag_seconds);
  show("halcyon_db_replication_lag_bytes", "What a standby has yet to replay",
       &sql::Standby::lag_bytes);
}

Task<void> DatabaseMetrics::refresh() {
  {
    std::lock_guard lock(seen_->mutex);
    if (runtime::Clock::now() - seen_->asked_at < kEvery) co_return;
    seen_->asked_at = runtime::Clock::now();
  }
  Context ctx;
  ctx.deadline = runtime::Clock::now() + kPatience;
  auto standbys = co_await db_.standbys(ctx);
  std::lock_guard lock(seen_->mutex);
  seen_->standbys = standbys ? *std::move(standbys) : std::vector<sql::Standby>{};
}

}  // namespace halcyon::server
