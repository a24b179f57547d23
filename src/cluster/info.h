// What the cluster tells about itself, as JSON: the same for the command line and the API.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "cluster/cluster.h"
#include "cluster/jobs.h"
#include "cluster/schedules.h"
#include "json/json.h"

namespace halcyon::cluster {

// "starting", "ready", "draining"; "lost": the lease ran out and nobody has removed the member yet.
std::string_view shown_state(const MemberInfo& member);
json::Object to_json(const MemberInfo& member);

std::string_view to_text(JobState state);  // "waiting", "running", "dead"
std::optional<JobState> job_state(std::string_view text);
json::Object to_json(const JobInfo& job);
json::Object to_json(const TopicStats& stats);

std::string_view to_text(Missed missed);  // "skip", "once", "all"
json::Object to_json(const ScheduleInfo& info);

}  // namespace halcyon::cluster
