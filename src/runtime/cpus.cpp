#include "runtime/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/text.h"

namespace halcyon::runtime {
namespace {

double smaller(double a, double b) {
  if (a <= 0) return b;
  return b <= 0 ? a : std::min(a, b);
}

double quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return to_double(quota).value_or(0) / period;
}

double quota_v1(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return quota > 0 && period > 0 ? quota / period : 0;
}

// Limits of outer groups hold too, so every group from `path` up to the root is asked.
template <class Read>
double smallest(const std::string& base, std::string path, Read read) {
  double least = read(base);
  while (path.size() > 1) {
    least = smaller(least, read(base + path));
    path.erase(path.rfind('/'));
  }
  return least;
}

}  // namespace

double cgroup_cpu_quota(const std::string& sysfs, const std::string& self) {
  double least = 0;
  // Lines are "id:controllers:path"; version 2 has the single line "0::path".
  for (std::string_view line : split(self, '\n')) {
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const std::string path(line.substr(parts[0].size() + parts[1].size() + 2));
    if (parts[1].empty()) least = smaller(least, smallest(sysfs, path, quota_v2));
    for (std::string_view controller : split(parts[1], ',')) {
      if (controller == "cpu") least = smaller(least, smallest(sysfs + "/cpu", path, quota_v1));
    }
  }
  return least;
}

size_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t cpus = std::max(1u, std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = static_cast<size_t>(CPU_COUNT(&set));
  std::ifstream file("/proc/self/cgroup");
  const std::string self(std::istreambuf_iterator<char>(file), {});
  const double quota = cgroup_cpu_quota("/sys/fs/cgroup", self);
  if (quota > 0)
    cpus = std::min(cpus, static_cast<size_t>(std::max(1.0, std::ceil(quota - 0.001))));
  return cpus;
}

}  // namespace halcyon::runtime
