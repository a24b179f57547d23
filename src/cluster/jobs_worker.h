// Works on the topics that this process serves: looks for jobs, claims them in batches, runs the
// handlers, keeps their claims alive and ends them in batches. Only for the files of this module.
//
// All its state belongs to one io thread, `home`; handlers run on all of them. Looking costs one
// statement an interval for all topics and schedules together (JobStore::probe). A topic that gave
// a full batch is asked again without looking, as soon as half of the batch is done. How much is
// claimed ahead follows from how long its jobs take: about kAhead of work.
//
// Thread rule: public functions from any thread; handle() before start().
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/background.h"
#include "cluster/jobs_internal.h"
#include "cluster/jobs_store.h"
#include "cluster/schedules_store.h"

namespace halcyon::cluster {

class Run;

struct Topic {
  std::string name;
  JobOptions options;
  Jobs::Handler handler;
  int running = 0;
  std::deque<std::shared_ptr<Run>> claimed;  // not begun
  double average_ms = -1;                    // of a handler; below 0: not known
  bool claiming = false;
  bool more = false;   // there may be jobs to claim
  uint64_t wakes = 0;  // times somebody said so
  std::map<std::string_view, runtime::Counter> results;
  runtime::Histogram seconds;

  size_t held() const { return static_cast<size_t>(running) + claimed.size(); }
  // How many to hold at a time.
  size_t wanted() const;
};

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  explicit Worker(JobsSetup setup);

  void handle(std::string topic, JobOptions options, Jobs::Handler handler);
  void start();
  Task<void> stop(const Context& ctx);
  Task<void> abandon();
  void set_accepting(bool accepting);
  // There is something new: for this topic's workers, here and elsewhere.
  void announce(const std::string& topic);
  void look();  // at the database, soon

  JobStore& store() { return store_; }
  ScheduleStore& schedules() { return schedules_; }
  const JobsSetup& setup() const { return setup_; }
  const std::vector<std::string>& topic_names() const { return topic_names_; }  // after start
  // False once it is stopped: nothing more is written then.
  bool alive() const { return !dead_.load(std::memory_order_acquire); }

 private:
  friend class Run;

  Task<std::chrono::milliseconds> look_step();
  Task<Result<std::chrono::milliseconds>> look_once();
  Task<Result<bool>> do_what_is_due(const Context& ctx, const Probe& probe);
  void claim_if_wanted(Topic& topic);
  Task<void> claim(Topic& topic, size_t limit);
  Task<void> give_back(std::vector<std::shared_ptr<Run>> runs, bool was_started);
  void dispatch(Topic& topic);
  void ended(const std::shared_ptr<Run>& run, Status status, double seconds);
  void forget(const std::shared_ptr<Run>& run, std::string_view result);
  Task<void> remove_ended();
  Task<void> write_failure(std::shared_ptr<Run> run, Error error);
  Task<std::chrono::milliseconds> heartbeat_step();
  Task<void> renew(std::span<const std::shared_ptr<Run>> due);
  void lose(const std::shared_ptr<Run>& run);
  Task<void> stop_here(const Context& ctx);
  Task<void> abandon_here();
  Task<void> stop_looking();
  Task<void> wait_until_quiet(const Context& ctx);
  void spawn(Task<void> task);
  bool may_claim() const;

  JobsSetup setup_;
  runtime::IoThread& home_;
  JobStore store_;
  ScheduleStore schedules_;
  const std::string owner_;
  std::atomic<bool> accepting_{true}, started_{false}, dead_{false};

  // Only on `home`.
  std::map<std::string, Topic, std::less<>> topics_;
  std::vector<std::string> topic_names_;
  std::unordered_map<int64_t, std::shared_ptr<Run>> runs_;  // claims, by the job's id
  std::vector<std::shared_ptr<Run>> endings_;               // to be removed
  bool removing_ = false, stopping_ = false;
  int tasks_ = 0, handlers_ = 0;  // under way
  size_t next_thread_ = 0;
  int64_t looked_at_ = 0;
  Context* looking_ = nullptr;  // of the look under way
  std::shared_ptr<Background> looker_, heart_;
};

// One attempt.
class Run final : public JobRun, public std::enable_shared_from_this<Run> {
 public:
  Run(std::shared_ptr<Worker> worker, Topic& topic, ClaimedJob job, int64_t token,
      int64_t claimed_until);

  int64_t id() const override { return job_.id; }
  const json::Value& payload() const override { return payload_; }
  int attempt() const override { return job_.attempt; }
  const Context& ctx() const override { return ctx_; }
  Task<Status> finish(sql::Database::Body writes) override;

  // Runs the handler; to be started on an io thread.
  static Task<void> execute(std::shared_ptr<Run> run);

 private:
  friend class Worker;
  Task<Status> handle();
  Task<Status> try_finish(const sql::Database::Body& writes);

  std::shared_ptr<Worker> worker_;
  Topic& topic_;
  ClaimedJob job_;
  const int64_t token_;
  Context ctx_;
  json::Value payload_;
  std::atomic<int64_t> claimed_until_;  // boot_ms, a margin before the database's time
  std::atomic<bool> finishing_{false}, finished_{false}, lost_{false};
  std::atomic<int> finishes_{0};  // begun
};

}  // namespace halcyon::cluster
