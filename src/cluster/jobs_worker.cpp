#include "cluster/jobs_worker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "base/crypto.h"
#include "base/log.h"

namespace halcyon::cluster {

using runtime::Clock;
using std::chrono::milliseconds;

namespace {

const std::string kJobsHint = "jobs";
constexpr milliseconds kShortestLook{10};  // between two looks, however many hints come
constexpr milliseconds kPatience{5'000};   // of the worker's own statements
constexpr milliseconds kEndTime{3'000};    // for handlers that were told to end
constexpr milliseconds kRetryPause{200};   // after the database failed one of them
constexpr double kAhead = 250;             // milliseconds of work to hold
constexpr size_t kMostAhead = 2 * kJobsAtOnce;

int64_t fresh_token() {
  int64_t token = 0;
  std::memcpy(&token, random_bytes(sizeof(token)).data(), sizeof(token));
  return token & INT64_MAX;
}

// Doubles with every attempt, with a quarter of jitter to both sides: attempts that failed together
// do not come again together.
milliseconds backoff(const JobOptions& options, int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  const double nominal =
      static_cast<double>(options.first_backoff.count()) * std::pow(2.0, std::min(attempt - 1, 40));
  const double capped = std::min(nominal, static_cast<double>(options.longest_backoff.count()));
  return milliseconds(
      static_cast<int64_t>(capped * std::uniform_real_distribution(0.75, 1.25)(random)));
}

// What the holder leaves unused of a lease, so that it stops before others begin.
milliseconds margin(milliseconds lease) { return std::min(lease / 10, milliseconds(1000)); }

}  // namespace

size_t Topic::wanted() const {
  const auto slots = static_cast<size_t>(std::max(1, options.concurrency));
  if (average_ms < 0) return slots;
  // Never so much that it would wait for a good part of its lease.
  const double ahead = std::min(kAhead, static_cast<double>(options.lease.count()) / 10);
  const double jobs = static_cast<double>(slots) * ahead / std::max(average_ms, 0.01);
  return slots + (jobs < 1 ? 0 : static_cast<size_t>(std::min(jobs, double{kMostAhead})));
}

Worker::Worker(JobsSetup setup)
    : setup_(std::move(setup)),
      home_(setup_.io.thread(0)),
      store_(setup_.db, setup_.tables),
      schedules_(store_, setup_.tables, setup_.lease.ttl()),
      owner_(setup_.lease.holder()) {}

void Worker::handle(std::string name, JobOptions options, Jobs::Handler handler) {
  if (!options.everywhere && setup_.serves_topic && !setup_.serves_topic(name)) return;
  Topic& topic = topics_[name];
  topic.name = name;
  topic.options = options;
  topic.handler = std::move(handler);
  if (setup_.metrics == nullptr) return;
  for (const char* result : {"done", "failed", "dead", "lost"}) {
    topic.results[result] =
        setup_.metrics->counter("halcyon_job_attempts_total", "Attempts at jobs by this process",
                                {{"topic", name}, {"result", result}});
  }
  topic.seconds = setup_.metrics->seconds("halcyon_job_seconds", "Time a job's handler took",
                                          {{"topic", name}});
}

void Worker::start() {
  for (const auto& [name, topic] : topics_) topic_names_.push_back(name);
  const auto weak = weak_from_this();
  looker_ = std::make_shared<Background>(home_, [weak]() -> Task<milliseconds> {
    auto self = weak.lock();
    co_return self ? co_await self->look_step() : milliseconds(1000);
  });
  heart_ = std::make_shared<Background>(home_, [weak]() -> Task<milliseconds> {
    auto self = weak.lock();
    co_return self ? co_await self->heartbeat_step() : milliseconds(1000);
  });
  schedules_.on_change([weak] {
    if (auto self = weak.lock()) self->look();
  });
  setup_.db.on_hint(kJobsHint, [weak] {
    if (auto self = weak.lock()) self->look();
  });
  started_ = true;
  looker_->start();
  heart_->start();
}

void Worker::set_accepting(bool accepting) {
  accepting_ = accepting;
  if (accepting) look();
}

void Worker::look() {
  if (alive() && started_) looker_->wake();
}

void Worker::announce(const std::string& name) {
  if (!alive()) return;
  setup_.db.hint(kJobsHint);
  home_.post([weak = weak_from_this(), name] {
    auto self = weak.lock();
    if (!self) return;
    auto it = self->topics_.find(name);
    if (it == self->topics_.end()) return;
    it->second.more = true;
    ++it->second.wakes;
    self->claim_if_wanted(it->second);
  });
}

bool Worker::may_claim() const {
  return alive() && started_ && !stopping_ && accepting_ && setup_.lease.holds();
}

// On `home`; counted, so that stop and abandon can wait for it.
void Worker::spawn(Task<void> task) {
  ++tasks_;
  runtime::start_here(std::move(task), [self = shared_from_this()] { --self->tasks_; });
}

// --- looking ---

Task<milliseconds> Worker::look_step() {
  if (!may_claim()) co_return setup_.poll_interval;
  const int64_t since = boot_ms() - looked_at_;
  if (since >= 0 && since < kShortestLook.count()) co_return kShortestLook - milliseconds(since);
  Result<milliseconds> pause = co_await look_once();
  looked_at_ = boot_ms();
  if (pause) co_return *pause;
  log_warn("looking for jobs failed",
           {{"code", pause.error().id}, {"error", pause.error().internal}});
  co_return std::max(setup_.poll_interval, kRetryPause);
}

Task<Result<milliseconds>> Worker::look_once() {
  Within ctx(kPatience);
  looking_ = &ctx;
  struct Reset {
    Context*& place;
    ~Reset() { place = nullptr; }
  } reset{looking_};
  CO_TRY(Probe probe, co_await store_.probe(ctx, topic_names_, schedules_.earliest()));
  if (!may_claim()) co_return setup_.poll_interval;
  CO_TRY(bool again, co_await do_what_is_due(ctx, probe));
  for (size_t i = 0; i < topic_names_.size(); ++i) {
    if (!probe.ready[i]) continue;
    Topic& topic = topics_.find(topic_names_[i])->second;
    topic.more = true;
    claim_if_wanted(topic);
  }
  if (again) co_return milliseconds(0);
  int64_t next = probe.now_ms + setup_.poll_interval.count();
  for (const auto& at : {probe.delayed_ms, probe.lease_ms, probe.schedule_ms}) {
    if (at && *at > probe.now_ms) next = std::min(next, *at);
  }
  co_return milliseconds(std::max<int64_t>(1, next - probe.now_ms));
}

// True when there is something new to look at.
Task<Result<bool>> Worker::do_what_is_due(const Context& ctx, const Probe& probe) {
  const auto due = [&](const std::optional<int64_t>& at) { return at && *at <= probe.now_ms; };
  size_t changed = 0;
  if (due(probe.schedule_ms)) {
    CO_TRY(ScheduleStore::Fired fired, co_await schedules_.fire_due(ctx));
    changed += fired.jobs + (fired.more ? 1 : 0);
  }
  if (due(probe.delayed_ms)) {
    CO_TRY(size_t promoted, co_await store_.promote_due(ctx));
    changed += promoted;
  }
  if (due(probe.lease_ms)) {
    CO_TRY(size_t taken, co_await store_.take_over(ctx));
    if (taken > 0) log_warn("jobs of dead workers wait again", {{"jobs", taken}});
    changed += taken;
  }
  if (changed > 0) setup_.db.hint(kJobsHint);
  co_return changed > 0;
}

// --- claiming ---

void Worker::claim_if_wanted(Topic& topic) {
  if (!topic.more || topic.claiming || !may_claim()) return;
  const size_t wanted = topic.wanted(), held = topic.held();
  if (held >= wanted) return;
  const bool is_idle =
      topic.claimed.empty() && topic.running < std::max(1, topic.options.concurrency);
  if (!is_idle && held > wanted / 2) return;
  // Few different sizes, as the size is part of the statement's text.
  size_t limit = std::min(wanted - held, kJobsAtOnce);
  if (limit > 8) limit = std::bit_floor(limit);
  topic.claiming = true;
  spawn(claim(topic, limit));
}

Task<void> Worker::claim(Topic& topic, size_t limit) {
  const auto self = shared_from_this();
  const milliseconds lease = topic.options.lease;
  Claim claim;
  claim.topic = topic.name;
  claim.owner = owner_;
  claim.token = fresh_token();
  claim.lease = lease;
  claim.limit = limit;
  claim.fence = setup_.lease.fence();
  const uint64_t wakes = topic.wakes;
  const int64_t until = boot_ms() + (lease - margin(lease)).count();
  Within ctx(std::min(kPatience, lease));
  auto jobs = co_await store_.claim(ctx, claim);
  topic.claiming = false;
  if (!jobs) {
    topic.more = false;  // the next look tells
    log_warn("claiming jobs failed",
             {{"topic", topic.name}, {"code", jobs.error().id}, {"error", jobs.error().internal}});
    co_return;
  }
  topic.more = jobs->size() == limit || topic.wakes != wakes;
  std::vector<std::shared_ptr<Run>> runs;
  for (ClaimedJob& job : *jobs) {
    auto run = std::make_shared<Run>(self, topic, std::move(job), claim.token, until);
    auto& place = runs_[run->id()];
    if (place) {  // our own earlier claim on it ended, and its handler still runs
      place->lost_ = true;
      place->ctx_.cancelled = true;
    }
    place = run;
    runs.push_back(run);
  }
  if (!alive()) co_return;
  if (stopping_ || !setup_.lease.holds()) {
    co_await give_back(std::move(runs), false);
    co_return;
  }
  std::ranges::move(runs, std::back_inserter(topic.claimed));
  dispatch(topic);
  claim_if_wanted(topic);
}

Task<void> Worker::give_back(std::vector<std::shared_ptr<Run>> runs, bool was_started) {
  if (runs.empty() || !alive()) co_return;
  std::vector<JobEnding> claims;
  for (const auto& run : runs) {
    claims.push_back({run->id(), run->token_});
    run->lost_ = true;
    forget(run, was_started ? "lost" : "");
  }
  Within ctx(kPatience);
  if (Status given = co_await store_.give_back(ctx, claims, was_started); !given) {
    log_warn("jobs were not given back", {{"code", given.error().id}, {"jobs", claims.size()}});
  }
  setup_.db.hint(kJobsHint);
}

// --- running ---

void Worker::dispatch(Topic& topic) {
  while (alive() && topic.running < std::max(1, topic.options.concurrency) &&
         !topic.claimed.empty()) {
    auto run = std::move(topic.claimed.front());
    topic.claimed.pop_front();
    if (run->lost_) continue;
    ++topic.running;
    ++handlers_;
    run->ctx_.deadline = Clock::now() + topic.options.timeout;
    auto& io = setup_.io.thread(next_thread_++ % setup_.io.size());
    runtime::start(io, Run::execute(std::move(run)), [] {});
  }
}

void Worker::ended(const std::shared_ptr<Run>& run, Status status, double seconds) {
  Topic& topic = run->topic_;
  --topic.running;
  --handlers_;
  const double ms = seconds * 1000;
  topic.average_ms = topic.average_ms < 0 ? ms : topic.average_ms * 0.95 + ms * 0.05;
  if (setup_.metrics != nullptr) topic.seconds.observe(seconds);
  if (run->finished_) {
    if (!status) {
      log_warn("a job's handler failed after it had finished the job",
               {{"topic", topic.name}, {"job", run->id()}, {"code", status.error().id}});
    }
    forget(run, "done");
  } else if (run->lost_ || !alive()) {
    forget(run, "lost");
  } else if (status) {
    endings_.push_back(run);
    if (!std::exchange(removing_, true)) {
      // After this turn of the loop: what else ends in it goes along.
      home_.post([self = shared_from_this()] { self->spawn(self->remove_ended()); });
    }
  } else {
    spawn(write_failure(run, std::move(status).error()));
  }
  dispatch(topic);
  claim_if_wanted(topic);
}

void Worker::forget(const std::shared_ptr<Run>& run, std::string_view result) {
  auto it = runs_.find(run->id());
  if (it != runs_.end() && it->second == run) runs_.erase(it);
  auto counter = run->topic_.results.find(result);
  if (counter != run->topic_.results.end()) counter->second.add();
}

Task<void> Worker::remove_ended() {
  while (!endings_.empty() && alive()) {
    std::vector<std::shared_ptr<Run>> batch;
    const size_t count = std::min(endings_.size(), kJobsAtOnce);
    std::move(endings_.begin(), endings_.begin() + static_cast<ptrdiff_t>(count),
              std::back_inserter(batch));
    endings_.erase(endings_.begin(), endings_.begin() + static_cast<ptrdiff_t>(count));
    std::vector<JobEnding> claims;
    for (const auto& run : batch) claims.push_back({run->id(), run->token_});
    Within ctx(kPatience);
    auto removed = co_await store_.remove_ended(setup_.db, ctx, claims);
    if (removed) {
      auto left = static_cast<size_t>(*removed);  // the others had lost their claim
      for (const auto& run : batch) {
        forget(run, left > 0 ? "done" : "lost");
        if (left > 0) --left;
      }
      continue;
    }
    log_warn("ended jobs were not removed", {{"code", removed.error().id}, {"jobs", count}});
    for (auto& run : batch) {
      const bool may_hold = boot_ms() < run->claimed_until_;
      may_hold ? endings_.push_back(run) : forget(run, "lost");
    }
    co_await runtime::sleep_for(kRetryPause);
  }
  removing_ = false;
}

Task<void> Worker::write_failure(std::shared_ptr<Run> run, Error error) {
  const Topic& topic = run->topic_;
  JobFailure failure;
  failure.claim = {run->id(), run->token_};
  failure.error = error.id + ": " + (error.internal.empty() ? error.message : error.internal);
  failure.dead = run->attempt() >= run->job_.max_attempts;
  failure.pause = backoff(topic.options, run->attempt());
  log_warn(failure.dead ? "a job failed for the last time" : "a job failed",
           {{"topic", topic.name},
            {"job", run->id()},
            {"attempt", run->attempt()},
            {"error", failure.error}});
  while (alive()) {
    Within ctx(kPatience);
    auto written = co_await store_.fail_job(ctx, failure);
    if (written) {
      forget(run, *written == 0 ? "lost" : failure.dead ? "dead" : "failed");
      // Its pause may be shorter than what is left of the looker's.
      if (failure.pause < setup_.poll_interval) look();
      co_return;
    }
    if (boot_ms() >= run->claimed_until_) break;
    co_await runtime::sleep_for(kRetryPause);
  }
  forget(run, "lost");
}

// --- heartbeats ---

Task<milliseconds> Worker::heartbeat_step() {
  milliseconds pause(1000);
  std::vector<std::shared_ptr<Run>> due;
  const int64_t now = boot_ms();
  for (const auto& [name, topic] : topics_) pause = std::min(pause, topic.options.lease / 6);
  for (const auto& [id, run] : runs_) {
    const milliseconds lease = run->topic_.options.lease;
    const int64_t left = run->claimed_until_ - now;
    // A finish has the row locked and needs no lease: nobody can take the job.
    if (run->finishing_ || run->finished_ || run->lost_) continue;
    if (left <= 0) run->ctx_.cancelled = true;  // somebody may have it by now
    // A handler that does not end long after its time is taken for dead.
    const bool is_overdue = Clock::now() > run->ctx_.deadline + lease;
    if (left < (lease * 2 / 3).count() && !is_overdue) {
      due.push_back(run);
    }
  }
  for (size_t from = 0; from < due.size() && alive(); from += kJobsAtOnce) {
    co_await renew(std::span(due).subspan(from, std::min(kJobsAtOnce, due.size() - from)));
  }
  co_return std::max(pause, milliseconds(10));
}

Task<void> Worker::renew(std::span<const std::shared_ptr<Run>> due) {
  std::vector<std::shared_ptr<Run>> runs;
  std::vector<int64_t> ids;
  std::vector<int> finishes;
  for (const auto& run : due) {
    const int begun = run->finishes_;  // before the question whether one is under way
    if (run->finishing_ || run->finished_) continue;
    runs.push_back(run);
    ids.push_back(run->id());
    finishes.push_back(begun);
  }
  if (runs.empty()) co_return;
  const int64_t asked_at = boot_ms();
  Within ctx(milliseconds(2'000));
  auto renewed = co_await store_.renew(ctx, owner_, ids);
  if (!renewed) {
    log_warn("claims on jobs were not renewed",
             {{"code", renewed.error().id}, {"jobs", ids.size()}});
    co_return;
  }
  std::ranges::sort(*renewed);
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& run = runs[i];
    const milliseconds lease = run->topic_.options.lease;
    auto it = runs_.find(run->id());
    if (it == runs_.end() || it->second != run) continue;  // ended meanwhile
    if (std::ranges::binary_search(*renewed, run->id())) {
      run->claimed_until_ = asked_at + (lease - margin(lease)).count();
    } else if (run->finishes_ == finishes[i]) {  // else its own finish may have locked the row
      lose(run);
    }
  }
}

// Somebody else has the job, or it was cancelled.
void Worker::lose(const std::shared_ptr<Run>& run) {
  run->lost_ = true;
  run->ctx_.cancelled = true;
  // Not begun: dispatch passes over it.
  if (std::ranges::find(run->topic_.claimed, run) != run->topic_.claimed.end()) {
    forget(run, "lost");
  }
}

// --- the end ---

namespace {
// Runs `task` on `home` and continues on the caller's io thread.
Task<void> on_thread(runtime::IoThread& home, Task<void> task) {
  auto starter = [&](std::move_only_function<void()> resume) {
    runtime::start(home, std::move(task), [resume = std::move(resume)]() mutable { resume(); });
  };
  co_await runtime::Suspend(std::move(starter));
}
}  // namespace

Task<void> Worker::stop(const Context& ctx) {
  const auto self = shared_from_this();
  co_await on_thread(home_, stop_here(ctx));
}

Task<void> Worker::abandon() {
  const auto self = shared_from_this();
  dead_.store(true, std::memory_order_release);
  co_await on_thread(home_, abandon_here());
}

Task<void> Worker::wait_until_quiet(const Context& ctx) {
  while (!ctx.expired()) {
    if (tasks_ == 0 && handlers_ == 0 && endings_.empty()) co_return;
    co_await runtime::sleep_for(milliseconds(10));
  }
}

Task<void> Worker::stop_here(const Context& ctx) {
  if (!alive() || std::exchange(stopping_, true)) co_return;
  co_await stop_looking();
  std::vector<std::shared_ptr<Run>> not_begun;
  for (auto& [name, topic] : topics_) {
    std::ranges::move(topic.claimed, std::back_inserter(not_begun));
    topic.claimed.clear();
  }
  co_await give_back(std::move(not_begun), false);
  co_await wait_until_quiet(ctx);
  std::vector<std::shared_ptr<Run>> running;
  for (const auto& [id, run] : runs_) {
    run->ctx_.cancelled = true;
    if (!run->finishing_) running.push_back(run);
  }
  if (!running.empty()) {
    log_warn("jobs were still running at the end", {{"jobs", running.size()}});
    co_await give_back(std::move(running), true);
  }
  dead_.store(true, std::memory_order_release);
  co_await abandon_here();
}

Task<void> Worker::stop_looking() {
  if (looking_ != nullptr) looking_->cancelled = true;  // the database may be away
  if (looker_) co_await looker_->stop();
}

Task<void> Worker::abandon_here() {
  co_await stop_looking();
  if (heart_) co_await heart_->stop();
  for (const auto& [id, run] : runs_) run->ctx_.cancelled = true;
  // The handlers use the database; they were told to end.
  Within time(kEndTime);
  co_await wait_until_quiet(time);
  for (auto& [name, topic] : topics_) topic.claimed.clear();
  endings_.clear();
  runs_.clear();
}

}  // namespace halcyon::cluster
