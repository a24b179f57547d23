// What the cluster tells about itself, as JSON: the same for the command line and the API.
#pragma once

#include <cstdint>
#include <string_view>

#include "cluster/cluster.h"
#include "json/json.h"

namespace halcyon::cluster {

// "starting", "ready", "draining"; "lost": the lease ran out and nobody has removed the member yet.
std::string_view shown_state(const MemberInfo& member);
json::Object to_json(const MemberInfo& member);

}  // namespace halcyon::cluster
