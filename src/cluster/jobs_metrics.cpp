#include "cluster/jobs_metrics.h"

#include <algorithm>

#include "cluster/build.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {
constexpr milliseconds kRefresh{5'000};
constexpr int64_t kAskedLately = 60'000;  // milliseconds
}  // namespace

JobsMetrics::JobsMetrics(std::shared_ptr<Worker> worker) : worker_(std::move(worker)) {}

void JobsMetrics::start() {
  const auto weak = weak_from_this();
  reader_ =
      std::make_shared<Background>(worker_->setup().io.thread(0), [weak]() -> Task<milliseconds> {
        auto self = weak.lock();
        co_return self && !self->stopped_ ? co_await self->step() : kRefresh;
      });
  asked_at_ = boot_ms();
  worker_->setup().metrics->gauge("halcyon_schedules_overdue",
                                  "Schedules whose fire time passed more than a lease ago", {},
                                  [weak] {
                                    auto self = weak.lock();
                                    if (!self) return 0.0;
                                    self->asked_at_ = boot_ms();
                                    return static_cast<double>(self->overdue_.load());
                                  });
  reader_->start();
}

void JobsMetrics::stop() {
  if (stopped_.exchange(true) || !reader_) return;
  runtime::start(worker_->setup().io.thread(0), reader_->stop(), [self = shared_from_this()] {});
}

JobsMetrics::Gauges& JobsMetrics::gauges_of(const std::string& topic) {
  auto [it, is_new] = gauges_.try_emplace(topic);
  if (!is_new) return it->second;
  runtime::Metrics& metrics = *worker_->setup().metrics;
  const auto jobs = [&](const char* state) {
    return metrics.gauge("halcyon_jobs", "Jobs in the queue of the whole cluster",
                         {{"topic", topic}, {"state", state}});
  };
  it->second.waiting = jobs("waiting");
  it->second.running = jobs("running");
  it->second.dead = jobs("dead");
  it->second.oldest =
      metrics.gauge("halcyon_jobs_oldest_seconds", "Age of the oldest job that waits for a worker",
                    {{"topic", topic}});
  return it->second;
}

Task<milliseconds> JobsMetrics::step() {
  const auto self = shared_from_this();
  const int64_t begun = boot_ms();
  if (begun - asked_at_ > kAskedLately || !worker_->alive()) co_return kRefresh;
  (void)co_await refresh();  // the looker's log tells when the database fails
  // A long queue takes long to count: never more than a fiftieth of the time.
  co_return std::max(kRefresh, milliseconds(50 * (boot_ms() - begun)));
}

Task<Status> JobsMetrics::refresh() {
  Within ctx(milliseconds(10'000));
  CO_TRY(auto topics, co_await worker_->store().stats(ctx));
  for (const auto& [name, gauges] : gauges_) topics.try_emplace(name);  // empty by now
  for (const std::string& name : worker_->topic_names()) topics.try_emplace(name);
  for (const auto& [name, stats] : topics) {
    Gauges& gauges = gauges_of(name);
    gauges.waiting.set(static_cast<double>(stats.waiting));
    gauges.running.set(static_cast<double>(stats.running));
    gauges.dead.set(static_cast<double>(stats.dead));
    gauges.oldest.set(static_cast<double>(stats.oldest_ms) / 1000);
  }
  sql::Select select;
  select.columns = {{worker_->schedules().overdue_count(), "n"}};
  sql::Database& db = worker_->setup().db;
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  overdue_ = to_number(rows.cell(0, 0));
  co_return Status{};
}

}  // namespace halcyon::cluster
