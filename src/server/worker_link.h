// What joins a supervisor and its worker processes (CLUSTER_MODE): descriptors by number in the
// variable HALCYON_WORKER, and a pipe on which a worker says that it is ready.
//
//   parent: TRY(Child child, start_worker(spec));      // child.status: "ready 40123\n" comes here
//   worker: auto link = WorkerLink::take();             // first thing in main
//           if (link) link->report_ready(app.admin_port());
//
// A worker whose supervisor ends is sent SIGTERM by the kernel and drains: none is left behind.
// Thread rule: start_worker from the main thread only (that signal comes when the thread that made
// the child ends).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace halcyon::server {

struct WorkerLink {
  int slot = 0;       // from 1
  int listener = -1;  // shared by all; -1: it serves no HTTP
  int status = -1;

  // Of this process; nullopt: no supervisor made it. Removes the variable.
  static std::optional<WorkerLink> take();
  void report_ready(int admin_port) const;
};

struct WorkerSpec {
  std::string program;                 // as it is on the disk now
  std::vector<std::string> arguments;  // of the supervisor itself, argv[0] included
  int slot = 0;
  int listener = -1;
};
struct Child {
  pid_t pid = 0;
  int status = -1;  // read end, closed on exec, does not block
};
// Error WORKER_START_FAILED: no process or descriptor to be had. A program that cannot be run shows
// as a child that ends with kCannotRun.
Result<Child> start_worker(const WorkerSpec& spec);
constexpr int kCannotRun = 127;

void set_close_on_exec(int fd, bool close);
// Where this program is on the disk, by the name it was called with when that leads to it (so that
// a link can be turned to a new version), else as the kernel knows it.
std::string program_path(const std::string& called);

}  // namespace halcyon::server
