// Background jobs: a queue in the database, worked on by every member that serves the topic.
//
// A job runs at least once; what it writes through JobRun::finish happens exactly once, since the
// job's row goes in the same transaction, fenced by the claim's token. A worker that dies loses its
// claims when their lease ends, and others take them. Claims and endings are batched. Jobs that
// ended leave the queue's table; dead letters stay until retried or cancelled.
//
//   jobs.handle("workflow:process", options, [&](JobRun& run) -> Task<Status> {
//     co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> { ...writes... });
//   });
//   NewJob job; job.topic = "workflow:process"; job.payload = ...;
//   CO_TRY(auto id, co_await jobs.enqueue(ctx, tx, std::move(job)));   // exists when tx commits
//
// A handler ends soon after its context is cancelled: its claim is lost then, or the process ends.
// What it refers to must outlive Cluster::leave.
// Thread rule: enqueue from io threads; handlers run on io threads, one task a job.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

struct NewJob {
  std::string topic;
  json::Value payload;
  int priority = 0;        // higher first
  std::string unique_key;  // not empty: no second job of this topic and key waits or runs
  std::chrono::milliseconds delay{0};  // from the database's now
  int64_t run_at_ms = 0;               // 0: now + delay
  int max_attempts = 10;
};

struct JobOptions {
  int concurrency = 4;      // at a time, in this process
  bool everywhere = false;  // worked on whatever WORKER_MODE says: small chores of the system
  std::chrono::milliseconds lease{30'000};     // renewed by heartbeats while the handler runs
  std::chrono::milliseconds timeout{600'000};  // of one attempt: the handler's Context::deadline
  std::chrono::milliseconds first_backoff{1'000};  // doubles with every attempt, with jitter
  std::chrono::milliseconds longest_backoff{3'600'000};
  JobOptions() = default;
};

// One attempt at one job.
class JobRun {
 public:
  virtual ~JobRun() = default;
  virtual int64_t id() const = 0;
  virtual const json::Value& payload() const = 0;
  virtual int attempt() const = 0;  // from 1
  virtual const Context& ctx() const = 0;
  // Runs `writes` and ends the job in one transaction. Error 503 JOB_LOST: the claim ended
  // meanwhile and nothing was written. A handler that succeeds without calling it ends the job too.
  virtual Task<Status> finish(sql::Database::Body writes) = 0;
};

enum class JobState { kWaiting, kRunning, kDead };
struct JobInfo {
  int64_t id = 0;
  std::string topic, unique_key, owner, error;  // `error`: of the last attempt
  JobState state = JobState::kWaiting;
  int priority = 0, attempts = 0, max_attempts = 0;
  int64_t run_at_ms = 0, created_ms = 0, lease_until_ms = 0;
  json::Value payload;
};
struct TopicStats {
  int64_t waiting = 0, running = 0, dead = 0;
  int64_t oldest_ms = 0;  // age of the oldest waiting job that is due
};
struct JobFilter {
  std::string topic;  // empty: all
  std::optional<JobState> state;
  int64_t after_id = 0;
  size_t limit = 100;
};

class Jobs {
 public:
  using Handler = std::function<Task<Status>(JobRun&)>;
  virtual ~Jobs() = default;
  // Before start() only. Whether this process serves the topic is decided by WORKER_MODE.
  virtual void handle(std::string topic, JobOptions options, Handler handler) = 0;
  // The new job's id; of the waiting one when unique_key is taken.
  virtual Task<Result<int64_t>> enqueue(const Context& ctx, sql::Transaction& tx, NewJob job) = 0;
  virtual Task<Result<std::vector<int64_t>>> enqueue(const Context& ctx,
                                                     std::vector<NewJob> jobs) = 0;

  virtual Task<Result<std::vector<JobInfo>>> list(const Context& ctx, JobFilter filter) = 0;
  virtual Task<Result<std::map<std::string, TopicStats>>> stats(const Context& ctx) = 0;
  // A dead job waits again, with all its attempts. Error 404 JOB_NOT_FOUND.
  virtual Task<Status> retry(const Context& ctx, int64_t id) = 0;
  // Removes a job, whatever its state. The handler of a running one is told when its claim is to be
  // renewed, a third of the lease later at most, and what it writes through finish() is not
  // written. Error 404 JOB_NOT_FOUND.
  virtual Task<Status> cancel(const Context& ctx, int64_t id) = 0;
};

}  // namespace halcyon::cluster
