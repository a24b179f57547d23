#include "runtime/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace halcyon::runtime {
namespace {

// Fields of /proc/self/stat, numbered as in proc(5).
constexpr size_t kThreads = 20, kStart = 22, kVirtual = 23, kResident = 24;

class ProcessStat {
 public:
  ProcessStat() {
    std::ifstream file("/proc/self/stat");
    std::string text;
    std::getline(file, text);
    // The second field is the program's name in brackets, with any character in it.
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return;
    std::istringstream rest(text.substr(name_end + 1));
    std::string word;
    for (size_t field = 3; field < fields_.size() && rest >> word; ++field) {
      fields_[field] = std::strtod(word.c_str(), nullptr);
    }
  }
  double at(size_t field) const { return fields_[field]; }

 private:
  std::array<double, kResident + 1> fields_{};
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (!folder) return 0;
  int count = -3;  // ".", ".." and the folder itself
  while (readdir(folder.get()) != nullptr) ++count;
  return count;
}

double most_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

// Seconds since 1970.
double start_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    if (word != "btime") continue;
    double boot = 0;
    file >> boot;
    return boot + ProcessStat().at(kStart) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return 0;
}

}  // namespace

void show_process(Metrics& metrics) {
  metrics.counter("process_cpu_seconds_total", "CPU time used, user and system", {}, cpu_seconds);
  metrics.gauge("process_resident_memory_bytes", "Memory in use", {}, [] {
    return ProcessStat().at(kResident) * static_cast<double>(sysconf(_SC_PAGESIZE));
  });
  metrics.gauge("process_virtual_memory_bytes", "Address space in use", {},
                [] { return ProcessStat().at(kVirtual); });
  metrics.gauge("process_threads", "Threads", {}, [] { return ProcessStat().at(kThreads); });
  metrics.gauge("process_open_fds", "Open file descriptors", {}, open_descriptors);
  metrics.gauge("process_max_fds", "Most file descriptors that may be open", {}, most_descriptors);
  metrics.gauge("process_start_time_seconds", "When the process started, seconds since 1970")
      .set(start_time());
}

}  // namespace halcyon::runtime
