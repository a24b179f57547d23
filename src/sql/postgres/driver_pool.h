// The connections of one io thread: pipelined lanes and a pool to check out. Private to
// sql/postgres.
//
// Everything here runs on that thread; only figures are read from others.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "runtime/blocking_pool.h"
#include "sql/postgres/connection_internal.h"
#include "sql/wait_list.h"

namespace halcyon::sql::postgres {

// What the threads' connections share.
struct Shared {
  explicit Shared(Options o) : options(std::move(o)), connectors("pg-connect", 4, 256) {}
  Options options;
  runtime::BlockingPool connectors;  // connecting blocks in libpq (names, TLS)
  std::atomic<bool> closed{false};
  std::atomic<int> open{0}, idle{0}, waiting{0}, busy{0};
  std::atomic<int64_t> statements{0}, transactions{0}, retries{0};
};

class ThreadConnections : public std::enable_shared_from_this<ThreadConnections> {
 public:
  ThreadConnections(std::shared_ptr<Shared> shared, runtime::IoThread& io, int pool_max);

  // A connection for short autocommit statements, the least loaded. Connects when there is none;
  // waits for a server that takes writes. Error DATABASE_UNAVAILABLE after failover_wait_ms.
  Task<Result<std::shared_ptr<Connection>>> lane(const Context& ctx);

  // A connection of one's own until the lease is gone.
  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<ThreadConnections> owner, std::shared_ptr<Connection> connection)
        : owner_(std::move(owner)), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = default;
    ~Lease() {
      if (connection_) owner_->give_back(std::move(connection_));
    }
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    std::shared_ptr<ThreadConnections> owner_;
    std::shared_ptr<Connection> connection_;
  };
  // `patient` false: no waiting for a failover, for readiness checks.
  Task<Result<Lease>> acquire(const Context& ctx, bool patient);
  void evict_idle();
  void close();

 private:
  struct Waiter : WaitList::Waiter {};
  Task<Result<std::shared_ptr<Connection>>> connect(const Context& ctx, bool patient);
  void give_back(std::shared_ptr<Connection> connection);

  std::shared_ptr<Shared> shared_;
  runtime::IoThread& io_;
  const int pool_max_;
  std::vector<std::shared_ptr<Connection>>
      lanes_;  // fixed size; empty or broken ones are connected anew
  std::vector<bool> connecting_;
  std::vector<std::shared_ptr<Connection>> idle_;
  int checked_out_ = 0;
  WaitList line_, lane_line_;
};

}  // namespace halcyon::sql::postgres
