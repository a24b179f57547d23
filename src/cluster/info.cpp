#include "cluster/info.h"

namespace halcyon::cluster {

std::string_view shown_state(const MemberInfo& member) {
  if (!member.alive) return "lost";
  if (member.state == MemberState::kDraining || member.drain_requested) return "draining";
  return member.state == MemberState::kStarting ? "starting" : "ready";
}

json::Object to_json(const MemberInfo& member) {
  json::Array workers;
  for (const int64_t worker : member.worker_ids) workers.push_back(worker);
  return {{"id", member.id},
          {"host", member.host},
          {"pid", member.pid},
          {"state", std::string(shown_state(member))},
          {"drainRequested", member.drain_requested},
          {"version", member.version},
          {"schemaVersion", member.schema_version},
          {"workerMode", member.worker_mode},
          {"startedMs", member.started_ms},
          {"leaseUntilMs", member.lease_until_ms},
          {"busPosition", member.bus_position},
          {"workerIds", std::move(workers)}};
}

std::string_view to_text(JobState state) {
  switch (state) {
    case JobState::kWaiting:
      return "waiting";
    case JobState::kRunning:
      return "running";
    case JobState::kDead:
      return "dead";
  }
  return "";
}

std::optional<JobState> job_state(std::string_view text) {
  for (const JobState state : {JobState::kWaiting, JobState::kRunning, JobState::kDead}) {
    if (to_text(state) == text) return state;
  }
  return std::nullopt;
}

json::Object to_json(const JobInfo& job) {
  return {{"id", job.id},
          {"topic", job.topic},
          {"state", std::string(to_text(job.state))},
          {"uniqueKey", job.unique_key},
          {"priority", job.priority},
          {"attempts", job.attempts},
          {"maxAttempts", job.max_attempts},
          {"owner", job.owner},
          {"error", job.error},
          {"runAtMs", job.run_at_ms},
          {"createdMs", job.created_ms},
          {"leaseUntilMs", job.lease_until_ms},
          {"payload", job.payload}};
}

json::Object to_json(const TopicStats& stats) {
  return {{"waiting", stats.waiting},
          {"running", stats.running},
          {"dead", stats.dead},
          {"oldestMs", stats.oldest_ms}};
}

std::string_view to_text(Missed missed) {
  switch (missed) {
    case Missed::kSkip:
      return "skip";
    case Missed::kOnce:
      return "once";
    case Missed::kAll:
      return "all";
  }
  return "";
}

json::Object to_json(const ScheduleInfo& info) {
  const Schedule& schedule = info.schedule;
  const auto time = [](int64_t ms) { return ms > 0 ? json::Value(ms) : json::Value(nullptr); };
  return {{"name", schedule.name},        {"cron", schedule.cron},
          {"zone", schedule.zone},        {"topic", schedule.topic},
          {"payload", schedule.payload},  {"missed", std::string(to_text(schedule.missed))},
          {"enabled", schedule.enabled},  {"untilMs", time(schedule.until_ms.value_or(0))},
          {"nextMs", time(info.next_ms)}, {"lastMs", time(info.last_ms)}};
}

}  // namespace halcyon::cluster
