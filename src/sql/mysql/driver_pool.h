// The connections of one Database: handed out for one statement or one transaction at a time,
// opened on demand, closed when idle. Only for sql/mysql.
//
//   CO_TRY(Pool::Lease lease, co_await pool->acquire(ctx));
//   Result<Rows> rows = co_await pool->on_thread(ctx, *lease, [&] { return lease->execute(s); });
//
// The lease gives the connection back when it ends, or closes it when it broke.
// Thread rule: call from io threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/blocking_pool.h"
#include "sql/database.h"
#include "sql/wait_list.h"

namespace halcyon::sql::mysql {

class Connection;
struct Host;

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection);
    Lease(Lease&& other) noexcept;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    std::shared_ptr<Pool> pool_;
    std::unique_ptr<Connection> connection_;
  };

  Pool(const Options& options, runtime::IoPool& io);
  ~Pool();

  // A connection that is alive: waits for a free one (DB_POOL_ACQUIRE), then for a server
  // (DB_FAILOVER_WAIT), both within the deadline. `once`: no waiting for a server.
  Task<Result<Lease>> acquire(const Context& ctx, bool once = false);

  // Runs `work` (returns a Result) on a pool thread; breaks the connection at the deadline.
  template <class F>
  auto on_thread(const Context& ctx, Connection& connection, F work)
      -> Task<std::invoke_result_t<F>> {
    Watch watch(ctx, connection);
    auto result = co_await threads_.run(std::move(work));
    watch.stop();
    if (!result) after_failure(connection);
    co_return result;
  }

  void keep_house();  // starts closing idle connections now and then
  void close_idle();
  PoolStats stats() const;
  uint64_t losses() const { return losses_; }

 private:
  struct Request;

  // Interrupts the connection when the context expires; lives on the io thread of the task.
  class Watch {
   public:
    Watch(const Context& ctx, Connection& connection);
    ~Watch() { stop(); }
    Watch(const Watch&) = delete;
    void stop();

   private:
    void arm();
    const Context& ctx_;
    Connection& connection_;
    runtime::IoThread* io_;
    uint64_t timer_ = 0;
    bool armed_ = false;
  };

  void pump();
  void give_back(std::unique_ptr<Connection> connection);
  void release_slot();
  std::unique_ptr<Connection> take_idle();
  std::unique_ptr<Connection> connect_any(std::chrono::milliseconds left, Error& error,
                                          bool& permanent);
  Task<Result<std::unique_ptr<Connection>>> connect(const Context& ctx, bool once);
  void after_failure(Connection& connection);
  void evict();

  const Options options_;
  const std::vector<Host> hosts_;
  runtime::IoPool& io_;
  std::atomic<size_t> good_host_{0};
  std::atomic<bool> connected_once_{false};
  std::atomic<int64_t> failovers_{0};
  std::atomic<uint64_t> losses_{0};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // most recently used last; guarded by mutex_
  int leased_ = 0;                                 // guarded by mutex_
  WaitList waiting_;
  runtime::BlockingPool threads_;  // last: joined before the connections are closed
};

}  // namespace halcyon::sql::mysql
