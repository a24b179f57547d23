// A pipelined connection that the short autocommit statements of one io thread share.
// Only for sql/postgres.
//
// Statements handed in during one turn of the event loop go out together. Reads beside each other
// share a Sync (up to kReadsPerSync of them), which saves the server and us a third of the work; a
// read that a neighbour's error aborted is sent again. Each write has a Sync of its own.
// While there is no connection, statements wait here.
// Thread rule: the io thread it was made for; `Call` belongs to a task of any io thread.
#pragma once

#include <coroutine>
#include <deque>
#include <memory>

#include "sql/postgres/driver_core.h"

namespace halcyon::sql::postgres {

class Lane final : public Session::Owner, public std::enable_shared_from_this<Lane> {
 public:
  // co_await it: `outcome` kAnswered, kFailed, kUnknown, kTimeout; or kSlow and kNotExecuted, when
  // the statement is to be run elsewhere or later.
  struct Call final : Session::Call {
    Call(const Statement& s, const Context& c, bool at_once = false) : fail_fast(at_once) {
      statement = &s;
      ctx = &c;
      short_only = true;
      at_sync = s.is_write;
    }
    void finished() override;

    const bool fail_fast;  // do not wait for a server
    Lane* lane = nullptr;
    runtime::IoThread* home = nullptr;
    std::coroutine_handle<> waiting;
    runtime::Clock::time_point since = {};
    int losses = 0;
  };
  struct Execution {
    Lane& lane;
    Call& call;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle);
    void await_resume() const noexcept {}
  };
  Execution execute(Call& call) { return Execution{*this, call}; }

  Lane(std::shared_ptr<Core> core, runtime::IoThread& io) : core_(std::move(core)), io_(io) {}

  void connect();  // starts connecting, unless it is at it
  void shut_down();
  size_t load() const { return queue_.size() + (session_ ? session_->under_way() : 0); }
  int calls() const { return calls_.load(std::memory_order_relaxed); }  // not yet answered
  bool connected() const { return connected_.load(std::memory_order_relaxed); }
  runtime::IoThread& io() const { return io_; }

  void on_progress() override { pump(); }
  void on_lost(const Error& reason) override;

 private:
  void submit(Call& call);
  void pump_soon();
  void pump();
  void send_some();
  void decide(Call& call);
  void again(Call& call);
  void give_up(Call& call, Session::Outcome outcome, Error error);
  void resume(Call& call);
  static runtime::Detached keep_connecting(std::shared_ptr<Lane> self);
  void after_refusal(const Connector::Refusal& refusal);
  void watch();
  void on_tick();

  std::shared_ptr<Core> core_;
  runtime::IoThread& io_;
  std::shared_ptr<Session> session_;
  std::deque<Call*> queue_;
  std::vector<Call*> again_;  // to be sent before the queue, in order
  std::atomic<bool> connected_{false};
  std::atomic<int> calls_{0};  // written on the io thread
  bool connecting_ = false, closed_ = false, pump_posted_ = false, pumping_ = false,
       ticking_ = false;
};

}  // namespace halcyon::sql::postgres
