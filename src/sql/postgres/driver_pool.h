// Connections handed out for one transaction or one slow statement at a time; opened on demand,
// closed when idle. Only for sql/postgres.
//
//   CO_TRY(Pool::Lease lease, co_await pool->acquire(ctx));
//   Pool::Call call(statement, ctx);
//   co_await lease.execute(call, begin);
//
// The lease gives the connection back when it ends, or closes it when it is of no more use.
// Thread rule: call from io threads; a lease stays on the thread that acquired it.
#pragma once

#include <coroutine>
#include <memory>
#include <mutex>
#include <vector>

#include "sql/postgres/driver_core.h"
#include "sql/wait_list.h"

namespace halcyon::sql::postgres {

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  struct Call final : Session::Call {
    Call(const Statement& s, const Context& c) {
      statement = &s;
      ctx = &c;
      at_sync = true;
    }
    void finished() override { waiting.resume(); }
    std::coroutine_handle<> waiting;
  };
  // A statement that goes out together with the one behind it, whose end is waited for.
  struct Companion final : Session::Call {
    Companion(const Statement& s, const Context& c) {
      statement = &s;
      ctx = &c;
      in_transaction = true;
    }
    void finished() override {}
  };
  struct Execution {
    Session& session;
    Call& call;
    bool begin;
    Companion* before = nullptr;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle);
    void await_resume() const noexcept {}
  };

  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<Pool> pool, std::shared_ptr<Session> session);
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();
    // `begin`: starts a transaction with it.
    // `before`: goes out first; when it fails `call` is not executed.
    Execution execute(Call& call, bool begin = false, Companion* before = nullptr) {
      return Execution{*session_, call, begin, before};
    }

   private:
    std::shared_ptr<Pool> pool_;
    std::shared_ptr<Session> session_;
  };

  Pool(std::shared_ptr<Core> core, runtime::IoPool& io);

  // Waits for a free connection (DB_POOL_ACQUIRE), then for a server (DB_FAILOVER_WAIT), both
  // within the deadline. `once`: no waiting for a server.
  Task<Result<Lease>> acquire(const Context& ctx, bool once = false);

  void keep_house();  // starts closing idle connections now and then
  void close_idle();
  PoolStats stats() const;

 private:
  struct Request : WaitList::Waiter {};

  void pump();
  void give_back(std::shared_ptr<Session> session);
  void release_slot();
  std::shared_ptr<Session> take_idle();
  Task<Result<std::shared_ptr<Session>>> connect(const Context& ctx, bool once);
  void evict();

  std::shared_ptr<Core> core_;
  runtime::IoPool& io_;
  WaitList waiting_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Session>> idle_;  // used last at the back
  int leased_ = 0;
  bool closed_ = false;
};

}  // namespace halcyon::sql::postgres
