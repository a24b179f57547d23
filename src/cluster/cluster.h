// Membership of one process in the cluster, and what rests on it.
//
//   CO_TRY(auto cluster, co_await Cluster::join(db, io, options, ctx));  // tables, row, renewals
//   cluster->bus().subscribe(...);
//   cluster->jobs().handle(...);
//   CO_TRY_STATUS(co_await cluster->start(ctx));       // bus, jobs, schedules
//   ... cluster->lease().holds() ...
//   co_await cluster->leave(ctx);                      // lets everything go, so that nobody waits
//
// Load what is kept in memory (the model) between join and start: start reads on from where the bus
// was at join. Works the same with one process or with many. Renewals and the bus have an io thread
// and connections of their own, so that requests cannot starve them.
// Thread rule: join, start and leave from one task; destroy it from outside the io threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/bus.h"
#include "cluster/idempotency.h"
#include "cluster/interests.h"
#include "cluster/jobs.h"
#include "cluster/lease.h"
#include "cluster/locks.h"
#include "cluster/schedules.h"
#include "json/json.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "schema/settings.h"
#include "sql/database.h"

namespace halcyon::cluster {

struct Options {
  schema::Settings tables;
  std::chrono::milliseconds lease_ttl{10'000};      // CLUSTER_LEASE
  std::chrono::milliseconds poll_interval{250};     // floor of the bus and of jobs
  std::chrono::milliseconds message_life{600'000};  // how long realtime can resume
  std::string host, version, worker_mode;           // shown by `halcyon cluster status`
  int64_t schema_version = 0;                       // sql/migrations.h
  // Which topics this process works on (WORKER_MODE).
  std::function<bool(std::string_view topic)> serves_topic;
  std::string seal_key;  // 32 bytes, for stored answers that are secret (idempotency.h)
  runtime::Metrics* metrics = nullptr;
  std::function<int64_t()> boot_ms;  // the monotonic clock; tests set it
  // False: only looks and asks (`halcyon cluster`): no tables are made, no member row, no lease,
  // and nothing that needs them; start() is not called.
  bool joins = true;
  Options() = default;
};

enum class MemberState { kStarting, kReady, kDraining };
struct MemberInfo {
  std::string id, host, version, worker_mode;
  int64_t pid = 0, started_ms = 0, lease_until_ms = 0, bus_position = 0, schema_version = 0;
  MemberState state = MemberState::kStarting;
  bool alive = false;            // its lease stands, by the database's clock
  bool drain_requested = false;  // `halcyon cluster drain`
  std::vector<int64_t> worker_ids;
};

class Cluster {
 public:
  virtual ~Cluster() = default;
  static Task<Result<std::unique_ptr<Cluster>>> join(sql::Database& db, runtime::IoPool& io,
                                                     Options options, const Context& ctx);
  virtual Task<Status> start(const Context& ctx) = 0;
  // Takes no more jobs, gives back those that have not begun and waits for the others, until
  // ctx.deadline or until ctx is cancelled; what runs then is told to end and given back. For good;
  // the rest goes on, so that requests may still be served. Jobs can still be enqueued.
  virtual Task<void> stop_jobs(const Context& ctx) = 0;
  // Stops the background work (jobs as stop_jobs does, unless it was called), then lets leases,
  // worker ids, locks and the member row go.
  virtual Task<void> leave(const Context& ctx) = 0;

  virtual Lease& lease() = 0;
  virtual Bus& bus() = 0;
  virtual Interests& interests() = 0;
  virtual Locks& locks() = 0;
  virtual Jobs& jobs() = 0;
  virtual Schedules& schedules() = 0;
  virtual Idempotency& idempotency() = 0;

  // A new id (promise P8): unique whatever the clocks do. Sleeps when it must (base/snowflake.h).
  // Goes on for some minutes without the database: what counts is the time reserved in advance.
  // Error 503 LEASE_LOST.
  virtual Result<int64_t> next_id() = 0;

  // 0: there may be other members at work. Else no other member has had a write acknowledged since
  // this gave the same number before. What is cached for a moment rests on it. One atomic load.
  virtual uint64_t alone() const = 0;
  // Deletes messages of the bus older than message_life and idempotency keys that have expired: to
  // be called now and then by some member, as server/housekeeping does.
  virtual Task<Status> purge(const Context& ctx) = 0;

  virtual Task<Result<std::vector<MemberInfo>>> members(const Context& ctx) = 0;
  virtual Task<Status> set_state(const Context& ctx, MemberState state) = 0;
  // Asks a member to drain (unready, no new jobs) or to serve again. Error 404 MEMBER_NOT_FOUND.
  virtual Task<Status> request_drain(const Context& ctx, std::string member, bool drain) = 0;
  // Called, on an io thread, when somebody asked this member to drain or to serve again.
  virtual void on_drain_request(std::function<void(bool drain)> callback) = 0;
  // Asked, on an io thread of the cluster, when the others had given this member up (its row was
  // deleted) and it has joined again: may it serve? While the answer is false or an error, the
  // lease is not held.
  virtual void on_return(std::function<Task<Result<bool>>(const Context&)> may_return) = 0;
};

}  // namespace halcyon::cluster
