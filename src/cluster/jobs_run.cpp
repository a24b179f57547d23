// One attempt at one job: the handler's call, and the end of the job together with its writes.
#include "cluster/jobs_worker.h"

namespace halcyon::cluster {

using runtime::Clock;

namespace {
constexpr std::chrono::milliseconds kRetryPause{200};  // while nobody knows whether COMMIT came
}  // namespace

Run::Run(std::shared_ptr<Worker> worker, Topic& topic, ClaimedJob job, int64_t token,
         int64_t claimed_until)
    : worker_(std::move(worker)),
      topic_(topic),
      job_(std::move(job)),
      token_(token),
      claimed_until_(claimed_until) {
  ctx_.request_id = "job-" + std::to_string(job_.id);
}

Task<Status> Run::handle() {
  if (job_.payload != "null") {
    CO_TRY(payload_, json::parse(job_.payload, 256));
  }
  co_return co_await topic_.handler(*this);
}

Task<void> Run::execute(std::shared_ptr<Run> run) {
  const auto begun = Clock::now();
  Status status;
  // What ends the process here would end every other worker that takes the job after it.
  try {
    status = co_await run->handle();
  } catch (const std::exception& error) {
    status =
        fail(Error(Code::kInternal, "INTERNAL", "The job failed.").with_internal(error.what()));
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  Worker& worker = *run->worker_;
  if (runtime::IoThread::current() == &worker.home_) {
    worker.ended(run, std::move(status), seconds);
    co_return;
  }
  worker.home_.post([run, status = std::move(status), seconds]() mutable {
    run->worker_->ended(run, std::move(status), seconds);
  });
}

Task<Status> Run::try_finish(const sql::Database::Body& writes) {
  const JobEnding claim{job_.id, token_};
  Worker& worker = *worker_;
  auto body = [&](sql::Transaction& tx) -> Task<Status> {
    // First, so that the row is locked: nobody takes the job over while the writes go on.
    CO_TRY(int64_t removed, co_await worker.store_.remove_ended(tx, ctx_, {&claim, 1}));
    if (removed != 1 || !worker.alive()) co_return fail(job_lost());
    co_return co_await writes(tx);
  };
  co_return co_await worker.setup_.db.in_transaction(ctx_, body);
}

Task<Status> Run::finish(sql::Database::Body writes) {
  const auto self = shared_from_this();
  if (!worker_->alive()) co_return fail(job_lost());
  CO_TRY_STATUS(co_await worker_->setup_.lease.wait_until_held(ctx_));
  if (finished_ || lost_ || !worker_->alive()) co_return fail(job_lost());
  finishing_ = true;
  ++finishes_;
  bool unknown = false;  // an earlier try may have been committed
  for (;;) {
    Status status = co_await try_finish(writes);
    if (!status && status.error().id == "DATABASE_COMMIT_UNKNOWN" && !ctx_.expired()) {
      unknown = true;
      co_await runtime::sleep_for(kRetryPause);
      continue;
    }
    const bool is_gone = !status && status.error().id == "JOB_LOST";
    if (is_gone && unknown && boot_ms() < claimed_until_) {
      // Nobody else could take it, so it was our own earlier try that removed the row.
      auto exists = co_await worker_->store_.exists(ctx_, job_.id);
      if (exists && !*exists) status = Status{};
    }
    if (status) finished_ = true;
    if (!status && status.error().id == "JOB_LOST") lost_ = true;
    finishing_ = false;
    co_return status;
  }
}

}  // namespace halcyon::cluster
