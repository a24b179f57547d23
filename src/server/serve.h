// `halcyon serve`: this process as the whole server, as a supervisor (CLUSTER_MODE), or as one of
// its workers.
#pragma once

#include <string>
#include <vector>

#include "base/config.h"

namespace halcyon::server {

// Until a signal ends it; the exit code. `arguments`: of the process, argv[0] included.
int serve(const Config& config, std::vector<std::string> arguments);

inline constexpr int kBadConfig = 2;  // exit code of a process that refuses its settings

// Prints the error for people; the exit code: 2 for bad settings, else 1.
int fail_with(const Error& error);

}  // namespace halcyon::server
