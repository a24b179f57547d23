#include "server/housekeeping.h"

#include <algorithm>

#include "base/log.h"

namespace halcyon::server {
namespace {

const std::string kTopic = "housekeeping";
constexpr std::chrono::seconds kTime{50};

}  // namespace

void Housekeeping::handle(cluster::Jobs& jobs) {
  cluster::JobOptions options;
  options.concurrency = 1;
  options.everywhere = true;
  options.timeout = kTime;
  jobs.handle(kTopic, options,
              [this](cluster::JobRun& job) -> Task<Status> { co_return co_await run(job); });
}

Task<Status> Housekeeping::put(const Context& ctx, cluster::Schedules& schedules) {
  for (const Chore& chore : chores_) {
    cluster::Schedule schedule;
    schedule.name = kTopic + "." + chore.name;
    schedule.cron = chore.cron;
    schedule.topic = kTopic;
    schedule.payload = json::Object{{"chore", chore.name}};
    CO_TRY_STATUS(co_await schedules.put(ctx, std::move(schedule)));
  }
  co_return Status{};
}

Task<Status> Housekeeping::run(cluster::JobRun& job) {
  std::string name;
  if (job.payload().is_object()) {
    if (const json::Object* payload = json::get_object(job.payload().get_object(), "payload")) {
      name = json::get_string(*payload, "chore");
    }
  }
  const auto chore = std::ranges::find(chores_, name, &Chore::name);
  if (chore == chores_.end()) {  // of a member of another version
    log_info("an unknown chore was left out", {{"chore", name}});
    co_return Status{};
  }
  Status done = co_await chore->run(job.ctx());
  if (!done) {
    log_warn("a chore failed",
             {{"chore", name}, {"code", done.error().id}, {"error", done.error().internal}});
  }
  co_return Status{};
}

}  // namespace halcyon::server
