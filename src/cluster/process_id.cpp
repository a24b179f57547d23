#include "cluster/process_id.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "base/text.h"

namespace halcyon::cluster {

namespace {

// "<boot id>/<pid namespace>/": what a pid means only here.
const std::string& place() {
  static const std::string text = [] {
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    struct stat space{};
    if (boot.empty() || stat("/proc/self/ns/pid", &space) != 0) return std::string();
    return boot + "/" + std::to_string(space.st_ino) + "/";
  }();
  return text;
}

// Fields of /proc/<pid>/stat from the third on (state, ..., start time is the 20th of these).
std::vector<std::string> stat_of(std::string_view pid) {
  std::ifstream file("/proc/" + std::string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');  // names may hold anything
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  for (std::string field; rest >> field;) fields.push_back(std::move(field));
  return fields;
}

constexpr size_t kState = 0, kStartTime = 19;

}  // namespace

std::string process_id(pid_t pid) {
  const std::string text = std::to_string(pid);
  const auto fields = stat_of(text);
  if (place().empty() || fields.size() <= kStartTime) return "";
  return place() + text + "/" + fields[kStartTime];
}

bool is_dead_here(std::string_view process) {
  if (place().empty() || !process.starts_with(place())) return false;
  process.remove_prefix(place().size());
  const size_t slash = process.find('/');
  if (slash == std::string_view::npos) return false;
  const auto fields = stat_of(process.substr(0, slash));
  if (fields.size() <= kStartTime) {
    // No such process; unless it only cannot be read.
    return access(("/proc/" + std::string(process.substr(0, slash))).c_str(), F_OK) != 0;
  }
  const std::string& state = fields[kState];
  return state == "Z" || state == "X" || fields[kStartTime] != process.substr(slash + 1);
}

}  // namespace halcyon::cluster
