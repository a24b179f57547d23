#include "server/worker_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/text.h"

namespace halcyon::server {
namespace {

namespace fs = std::filesystem;
constexpr const char* kVariable = "HALCYON_WORKER";

// The environment of a worker: ours, without what is meant for us alone.
std::vector<std::string> worker_environment(const std::string& link) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    bool ours = false;
    for (std::string_view name : {"HALCYON_WORKER=", "HALCYON_SUPERVISOR=", "NOTIFY_SOCKET=",
                                  "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="}) {
      ours = ours || text.starts_with(name);
    }
    if (!ours) result.emplace_back(text);
  }
  result.push_back(fmt::format("{}={}", kVariable, link));
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

std::unexpected<Error> cannot_start() {
  return std::unexpected(
      Error(Code::kUnavailable, "WORKER_START_FAILED", "A worker process cannot be started.")
          .with_internal(std::strerror(errno)));
}

// Between fork and exec: nothing but system calls.
[[noreturn]] void become(const char* program, char** argv, char** envp, pid_t parent, int listener,
                         int status) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(0);  // it ended before we could ask to be told
  if (listener >= 0) fcntl(listener, F_SETFD, 0);
  fcntl(status, F_SETFD, 0);
  execve(program, argv, envp);
  _exit(kCannotRun);
}

}  // namespace

std::optional<WorkerLink> WorkerLink::take() {
  const char* text = std::getenv(kVariable);
  if (text == nullptr) return std::nullopt;
  WorkerLink link;
  const bool good = std::sscanf(text, "%d,%d,%d", &link.slot, &link.listener, &link.status) == 3;
  unsetenv(kVariable);
  if (!good) return std::nullopt;
  for (int fd : {link.listener, link.status}) set_close_on_exec(fd, true);
  return link;
}

void WorkerLink::report_ready(int admin_port) const {
  const std::string line = fmt::format("ready {}\n", admin_port);
  // A supervisor that is gone has sent SIGTERM already.
  (void)!write(status, line.data(), line.size());
}

Result<Child> start_worker(const WorkerSpec& spec) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return cannot_start();
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  std::vector<std::string> arguments = spec.arguments;
  std::vector<std::string> environment =
      worker_environment(fmt::format("{},{},{}", spec.slot, spec.listener, ends[1]));
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    become(spec.program.c_str(), const_cast<char**>(argv.data()), const_cast<char**>(envp.data()),
           parent, spec.listener, ends[1]);
  }
  const int why = errno;
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    errno = why;
    return cannot_start();
  }
  return Child{pid, ends[0]};
}

void set_close_on_exec(int fd, bool close) {
  if (fd >= 0) fcntl(fd, F_SETFD, close ? FD_CLOEXEC : 0);
}

std::string program_path(const std::string& called) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (called.find('/') != std::string::npos) {
    const fs::path path = fs::absolute(called, error);
    if (!error && fs::equivalent(path, "/proc/self/exe", error) && !error) return path.string();
  }
  return self.string();
}

}  // namespace halcyon::server
