// The job queue's table: every statement that touches it. Only for the files of this module.
//
// A row's place is (lane, position): its topic and minus its priority while it waits for a worker,
// "~delayed" and the time it is due, "~running" and the end of its claim's lease, "~dead" and the
// time of its death. So one index finds the next job of a topic, what is due and what has lost its
// worker, each without passing over anything else. `token` is new with every claim; what ends a job
// names it. `grave` is 0 while a job lives and its id once it is dead, so that the unique index
// over (topic, unique_key, grave) counts the living only.
//
// Thread rule: io threads, as sql::Database.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cluster/jobs.h"
#include "schema/settings.h"
#include "sql/ast.h"
#include "sql/database.h"
#include "sql/ddl.h"

namespace halcyon::cluster {

inline constexpr char kDelayedLane[] = "~delayed", kRunningLane[] = "~running",
                      kDeadLane[] = "~dead";
constexpr int kLongestTopic = 128, kLongestKey = 255, kLongestError = 2000;  // bytes
constexpr size_t kJobsAtOnce = 512;                                          // rows a statement

struct Claim {
  std::string topic, owner;
  int64_t token = 0;
  std::chrono::milliseconds lease{0};
  size_t limit = 1;
  sql::Expr fence;  // ANDed in
};
struct ClaimedJob {
  int64_t id = 0;
  std::string payload;  // JSON text
  int priority = 0, attempt = 0, max_attempts = 0;
};
struct JobEnding {
  int64_t id = 0, token = 0;
};
struct JobFailure {
  JobEnding claim;
  std::string error;
  bool dead = false;                   // else it is tried again
  std::chrono::milliseconds pause{0};  // before that
};
// What there is to do, by the database's clock; one cheap statement.
struct Probe {
  int64_t now_ms = 0;
  std::optional<int64_t> delayed_ms, lease_ms, schedule_ms;  // the earliest of each
  std::vector<bool> ready;                                   // parallel to the topics asked for
};

class JobStore {
 public:
  JobStore(sql::Database& db, const schema::Settings& settings);
  static sql::TableSpec spec(const schema::Settings& settings);

  sql::Database& db() const { return db_; }
  // `about_now`: about the database's now, for what is shown; delays are by its own clock.
  Task<Result<std::vector<int64_t>>> insert(sql::Executor& db, const Context& ctx,
                                            const std::vector<NewJob>& jobs,
                                            int64_t about_now) const;
  // Leaves out jobs whose key is taken.
  Task<Status> insert_new(sql::Executor& db, const Context& ctx, const std::vector<NewJob>& jobs,
                          int64_t about_now) const;

  // `schedule_ms`: an expression for the earliest fire time.
  Task<Result<Probe>> probe(const Context& ctx, const std::vector<std::string>& topics,
                            sql::Expr schedule_ms) const;
  Task<Result<std::vector<ClaimedJob>>> claim(const Context& ctx, const Claim& claim) const;
  // How many were changed; kJobsAtOnce means that there may be more.
  Task<Result<size_t>> promote_due(const Context& ctx) const;
  Task<Result<size_t>> take_over(const Context& ctx) const;

  // The ids whose claims were extended. Passes over rows that a finish has locked.
  Task<Result<std::vector<int64_t>>> renew(const Context& ctx, const std::string& owner,
                                           std::span<const int64_t> ids) const;
  // How many were still claimed so.
  Task<Result<int64_t>> remove_ended(sql::Executor& db, const Context& ctx,
                                     std::span<const JobEnding> endings) const;
  Task<Result<int64_t>> fail_job(const Context& ctx, const JobFailure& failure) const;
  Task<Status> give_back(const Context& ctx, std::span<const JobEnding> claims,
                         bool was_started) const;
  Task<Result<bool>> exists(const Context& ctx, int64_t id) const;

  Task<Result<std::vector<JobInfo>>> list(const Context& ctx, const JobFilter& filter) const;
  Task<Result<std::map<std::string, TopicStats>>> stats(const Context& ctx) const;
  Task<Result<std::string>> retry(const Context& ctx, int64_t id) const;  // the job's topic
  Task<Status> remove(const Context& ctx, int64_t id) const;

 private:
  // Locks rows that nobody else has locked and changes them.
  struct Change {
    sql::Expr where;
    std::vector<sql::Order> order;
    std::optional<int64_t> limit;
    std::vector<sql::Assignment> set;
    std::vector<std::string> columns;  // of the answer; the first is "id"
  };
  // Where UPDATE returns nothing the answer has the values before the change.
  Task<Result<sql::Rows>> change(const Context& ctx, const Change& change) const;
  sql::Insert insert_of(std::span<const NewJob> jobs, int64_t about_now) const;
  Task<Result<int64_t>> insert_keyed(sql::Executor& db, const Context& ctx, const NewJob& job,
                                     int64_t about_now) const;

  sql::Database& db_;
  sql::TableRef table_;
};

// 503 JOB_LOST
Error job_lost();
Status check_job(const NewJob& job);  // 400 INVALID_JOB

}  // namespace halcyon::cluster
