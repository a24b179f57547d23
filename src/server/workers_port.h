// The admin port of a supervisor: one answer for all its workers.
//
//   /healthz/live      the supervisor answers
//   /healthz/startup   a worker has become ready since the start
//   /healthz/ready     at least one worker is ready now: each is asked until one says so
//   /metrics           the figures of every worker, told apart by the label worker="1", ..., and
//                      the supervisor's own (halcyon_supervisor_...)
//
// Thread rule: set() from the supervisor's thread; the rest runs on an io thread of its own.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/client.h"
#include "net/server.h"
#include "runtime/io.h"
#include "runtime/metrics.h"

namespace halcyon::server {

struct WorkersView {
  struct Worker {
    int slot = 0;
    int admin_port = 0;  // on 127.0.0.1
  };
  std::vector<Worker> ready;  // those that said so and were not told to stop
  size_t wanted = 0, running = 0;
  bool started = false, stopping = false;
};

class WorkersPort {
 public:
  // `listener`: a listening socket; the caller keeps it.
  WorkersPort(int listener, runtime::Metrics& metrics);
  ~WorkersPort();  // finishes what was asked
  Status listen() { return server_.listen(); }
  void set(WorkersView view) { view_->set(std::move(view)); }

 private:
  class Shared {  // the figures of the port may outlive it
   public:
    void set(WorkersView view) {
      std::lock_guard lock(mutex_);
      view_ = std::move(view);
    }
    WorkersView get() const {
      std::lock_guard lock(mutex_);
      return view_;
    }

   private:
    mutable std::mutex mutex_;
    WorkersView view_;
  };
  Task<net::Response> handle(net::Request& request);
  Task<net::Response> ready() const;
  Task<net::Response> figures() const;

  runtime::Metrics& metrics_;
  const std::shared_ptr<Shared> view_ = std::make_shared<Shared>();
  net::Client client_;
  runtime::IoPool io_{1};
  net::Server server_;
};

// Puts texts of figures together: each family once, samples with the label worker="<name>". A text
// without a name keeps its samples as they are.
std::string join_metrics(const std::vector<std::pair<std::string, std::string>>& named);

}  // namespace halcyon::server
