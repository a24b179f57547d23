// How many processors this process may use, so that it starts as many io threads and no more.
//
//   IoPool io(usable_cpus());
//
// A container is given a share of the machine's processors by a CPU quota of its cgroup (version 1
// or 2); more threads than that only take turns being throttled.
#pragma once

#include <cstddef>
#include <string>

namespace halcyon::runtime {

// Processors this process may use: the cgroup's CPU quota rounded up, at most the affinity mask.
size_t usable_cpus();

// The smallest quota on the way from the process's cgroup to the root, in processors; 0: none.
// `sysfs` is normally /sys/fs/cgroup, `self` the text of /proc/self/cgroup.
double cgroup_cpu_quota(const std::string& sysfs, const std::string& self);

}  // namespace halcyon::runtime
