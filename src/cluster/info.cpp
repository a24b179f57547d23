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

}  // namespace halcyon::cluster
