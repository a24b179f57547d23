// CLUSTER_MODE: a parent process that owns the listening socket and keeps n workers on it.
//
// Workers are this program, run anew from the disk, with the socket inherited; a client is taken by
// whichever worker is free. A dead worker is replaced at once, and ever later (up to 5 s) while its
// successors die young. Signals:
//   SIGHUP            every worker is replaced, one at a time, by the program now on the disk: the
//                     new one is started, and when it is ready the old one drains. One that does
//                     not get ready ends that; the old ones serve on. In the end the supervisor
//                     becomes the new program too (exec: same process id, same workers).
//   SIGTERM, SIGINT   all workers drain, then it exits 0. Once more: they stop at once.
// If it dies itself the kernel sends its workers SIGTERM. Closing the terminal (SIGHUP from the
// kernel) stops it. To service managers it speaks sd_notify and takes an activated socket.
//
//   return Supervisor(config, arguments).run();
//
// Thread rule: one thread, the main one; the admin port has another.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "runtime/context.h"
#include "runtime/metrics.h"
#include "server/workers_port.h"

namespace halcyon::server {

class Supervisor {
 public:
  // `arguments`: of this process, argv[0] included.
  Supervisor(const Config& config, std::vector<std::string> arguments);
  ~Supervisor();
  static bool wanted(const Config& config);  // CLUSTER_MODE, or resumed after an upgrade
  int run();                                 // exit code

 private:
  using Clock = runtime::Clock;
  using Time = Clock::time_point;
  enum class Stage { kStarting, kReady, kStopping };
  struct Worker {
    pid_t pid = 0;
    int slot = 0;  // from 1
    int status = -1;
    int admin_port = 0;
    Stage stage = Stage::kStarting;
    bool successor = false;  // started to replace another one
    Time started{}, kill_at = Time::max();
    std::string heard;
    Worker() = default;
  };
  struct Slot {
    int young_deaths = 0;
    Time start_at{};
  };
  struct Reload {
    int slot = 1;
    pid_t successor = 0;  // 0: to be started
    Time until{};         // by then it must be ready
    Reload() = default;
  };

  Status open_sockets();
  void resume(const std::string& state);
  std::string state() const;
  void become_new_program();

  void loop();
  Time next_deadline() const;
  void on_signal(int number, bool from_kernel);
  void hear(Worker& worker);
  void on_ready(Worker& worker);
  void reap();
  void on_end(Worker worker, int wait_status);
  void keep_filled();
  pid_t start(int slot, bool successor);
  void stop(Worker& worker);
  void kill_overdue();
  void begin_reload();
  void advance_reload();
  void fail_reload(const std::string& why);
  void begin_stop(int number);
  void close_listener();
  void publish();
  Worker* find(pid_t pid);

  const Config& config_;
  const std::vector<std::string> arguments_;
  std::string program_;
  size_t count_ = 1;
  int listener_ = -1, admin_listener_ = -1, signals_ = -1;
  std::vector<Worker> workers_;
  std::vector<Slot> slots_;
  std::optional<Reload> reload_;
  bool reload_again_ = false;
  bool started_ = false;  // a worker has become ready
  bool stopping_ = false;
  int stop_signals_ = 0;
  int exit_code_ = 0;
  std::chrono::milliseconds grace_{};  // of a worker told to stop
  runtime::Metrics metrics_;
  runtime::Counter restarts_;
  std::unique_ptr<WorkersPort> port_;
};

}  // namespace halcyon::server
