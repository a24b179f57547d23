#include "cluster/jobs.h"

#include <set>

#include "cluster/jobs_metrics.h"
#include "cluster/jobs_worker.h"

namespace halcyon::cluster {

namespace {

class Engine final : public JobsEngine {
 public:
  explicit Engine(JobsSetup setup) : worker_(std::make_shared<Worker>(std::move(setup))) {}
  ~Engine() override {
    if (metrics_) metrics_->stop();
  }

  void handle(std::string topic, JobOptions options, Handler handler) override {
    worker_->handle(std::move(topic), options, std::move(handler));
  }

  Task<Result<int64_t>> enqueue(const Context& ctx, sql::Transaction& tx, NewJob job) override {
    CO_TRY_STATUS(check_job(job));
    std::vector<NewJob> jobs;
    jobs.push_back(std::move(job));
    CO_TRY(auto ids, co_await worker_->store().insert(tx, ctx, jobs, about_now()));
    tx.on_commit([worker = worker_, jobs = std::move(jobs)] { announce(*worker, jobs); });
    co_return ids.front();
  }

  Task<Result<std::vector<int64_t>>> enqueue(const Context& ctx,
                                             std::vector<NewJob> jobs) override {
    bool is_plain = jobs.size() <= kJobsAtOnce;
    for (const NewJob& job : jobs) {
      CO_TRY_STATUS(check_job(job));
      is_plain = is_plain && job.unique_key.empty();
    }
    if (jobs.empty()) co_return std::vector<int64_t>{};
    sql::Database& db = worker_->setup().db;
    std::vector<int64_t> ids;
    if (is_plain) {  // one statement
      CO_TRY(ids, co_await worker_->store().insert(db, ctx, jobs, about_now()));
    } else {
      auto body = [&](sql::Transaction& tx) -> Task<Result<std::vector<int64_t>>> {
        co_return co_await worker_->store().insert(tx, ctx, jobs, about_now());
      };
      CO_TRY(ids, co_await sql::transact<std::vector<int64_t>>(db, ctx, body));
    }
    announce(*worker_, jobs);
    co_return ids;
  }

  Task<Result<std::vector<JobInfo>>> list(const Context& ctx, JobFilter filter) override {
    co_return co_await worker_->store().list(ctx, filter);
  }
  Task<Result<std::map<std::string, TopicStats>>> stats(const Context& ctx) override {
    co_return co_await worker_->store().stats(ctx);
  }
  Task<Status> retry(const Context& ctx, int64_t id) override {
    CO_TRY(std::string topic, co_await worker_->store().retry(ctx, id));
    worker_->announce(topic);
    co_return Status{};
  }
  Task<Status> cancel(const Context& ctx, int64_t id) override {
    co_return co_await worker_->store().remove(ctx, id);
  }

  Schedules& schedules() override { return worker_->schedules(); }
  Task<Status> start(const Context&) override {
    worker_->start();
    if (worker_->setup().metrics != nullptr) {
      metrics_ = std::make_shared<JobsMetrics>(worker_);
      metrics_->start();
    }
    co_return Status{};
  }
  Task<void> stop(const Context& ctx) override {
    if (metrics_) metrics_->stop();
    co_await worker_->stop(ctx);
  }
  Task<void> abandon() override {
    if (metrics_) metrics_->stop();
    co_await worker_->abandon();
  }
  void set_accepting(bool accepting) override { worker_->set_accepting(accepting); }

 private:
  int64_t about_now() const { return worker_->setup().lease.database_now_ms(); }

  static void announce(Worker& worker, const std::vector<NewJob>& jobs) {
    std::set<std::string_view> topics;
    bool look = false;
    for (const NewJob& job : jobs) {
      const bool is_delayed = job.run_at_ms > 0 || job.delay.count() > 0;
      if (!is_delayed) topics.insert(job.topic);
      // Due before the next look, perhaps.
      look = look || (is_delayed && job.delay < worker.setup().poll_interval);
    }
    for (std::string_view topic : topics) worker.announce(std::string(topic));
    if (look) worker.look();
  }

  std::shared_ptr<Worker> worker_;
  std::shared_ptr<JobsMetrics> metrics_;
};

}  // namespace

std::unique_ptr<JobsEngine> make_jobs(JobsSetup setup) {
  return std::make_unique<Engine>(std::move(setup));
}

std::vector<sql::TableSpec> job_tables(const schema::Settings& settings) {
  return {JobStore::spec(settings), ScheduleStore::spec(settings)};
}

}  // namespace halcyon::cluster
