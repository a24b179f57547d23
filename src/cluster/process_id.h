// Which process of which machine a member is, so that members on one machine notice at once that
// another was killed, and need not wait for its lease to end. Only for this module.
//
//   std::string me = process_id();         // "<boot id>/<pid namespace>/<pid>/<start time>"
//   if (is_dead_here(theirs)) ...          // certain; false for processes that cannot be seen
//
// Safe from any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace halcyon::cluster {

// Empty when /proc does not tell.
std::string process_id(pid_t pid);
bool is_dead_here(std::string_view process);

}  // namespace halcyon::cluster
