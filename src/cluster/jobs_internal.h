// The job queue and the schedules as Cluster makes them; features see jobs.h and schedules.h only.
//
//   auto jobs = make_jobs({db, io, settings, lease});     // tables: job_tables(settings)
//   jobs->handle(...);
//   CO_TRY_STATUS(co_await jobs->start(ctx));
//   ... jobs->set_accepting(false) ...                    // `halcyon cluster drain`
//   co_await jobs->stop(ctx);                             // before the lease is let go
//
// After abandon() it behaves like a process that died: nothing more is written, and others take its
// jobs over when their leases end. One of stop() and abandon() before it is destroyed, if it was
// started; `db`, `io` and `lease` must outlive it. Thread rule: start, stop and abandon from one
// task; the rest as jobs.h says.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "cluster/jobs.h"
#include "cluster/lease.h"
#include "cluster/schedules.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "schema/settings.h"
#include "sql/database.h"
#include "sql/ddl.h"

namespace halcyon::cluster {

struct JobsSetup {
  sql::Database& db;
  runtime::IoPool& io;
  schema::Settings tables;
  Lease& lease;
  std::chrono::milliseconds poll_interval{250};
  std::function<bool(std::string_view topic)> serves_topic;  // empty: every topic
  runtime::Metrics* metrics = nullptr;
  JobsSetup(sql::Database& d, runtime::IoPool& i, schema::Settings t, Lease& l)
      : db(d), io(i), tables(std::move(t)), lease(l) {}
};

class JobsEngine : public Jobs {
 public:
  virtual Schedules& schedules() = 0;
  virtual Task<Status> start(const Context& ctx) = 0;
  // Claims nothing more, gives back what has not begun, waits for running jobs until ctx.deadline
  // and gives back those that still run then (their attempt counts, their finish fails).
  virtual Task<void> stop(const Context& ctx) = 0;
  // Returns when its statements have ended and handlers (their contexts are cancelled) have too, or
  // after some seconds.
  virtual Task<void> abandon() = 0;
  virtual void set_accepting(bool accepting) = 0;  // false: no new claims, running jobs go on
};

std::unique_ptr<JobsEngine> make_jobs(JobsSetup setup);
// Names "<prefix>halcyon_jobs" and "<prefix>halcyon_schedules"; made by Tables::create.
std::vector<sql::TableSpec> job_tables(const schema::Settings& settings);

}  // namespace halcyon::cluster
