// Going down in good order: running -> draining -> stopped, work in flight, and signals.
//
//   Shutdown shutdown;
//   SignalWatch signals({SIGTERM, SIGINT}, [&](int) { shutdown.drain(); });   // in main, first
//   shutdown.on_drain([&] { server.drain(); });
//   {
//     Shutdown::Work work(shutdown);              // counted while it lives
//     ...
//   }
//   shutdown.wait_for(Shutdown::State::kDraining);                // main sleeps here
//   bool all_done = run(io, shutdown.wait_idle(30s));             // or
//   shutdown.wait_idle_here(30s) shutdown.stop();
//
// Thread rule: safe from any thread. Must outlive every Work and every waiting task.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/task.h"

namespace halcyon::runtime {

class Shutdown {
 public:
  enum class State { kRunning, kDraining, kStopped };

  Shutdown();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  State state() const;
  bool draining() const { return state() != State::kRunning; }

  // Called once, in the order of registration, by whoever calls drain(); at once when draining
  // has begun already.
  void on_drain(std::function<void()> callback);
  void drain();  // idempotent
  void stop();   // drains first
  // Blocks until the state is `state` or a later one.
  void wait_for(State state);

  // One piece of work in flight.
  class Work {
   public:
    explicit Work(Shutdown& owner) : owner_(&owner) { owner.begin(); }
    Work(Work&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Work& operator=(Work&&) = delete;
    ~Work() {
      if (owner_ != nullptr) owner_->end();
    }

   private:
    Shutdown* owner_;
  };
  int64_t in_flight() const;
  // True as soon as nothing is in flight; false when `limit` passes first. On an io thread.
  Task<bool> wait_idle(std::chrono::milliseconds limit);
  // The same, blocking a plain thread.
  bool wait_idle_here(std::chrono::milliseconds limit);

 private:
  void begin();
  void end();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Delivers signals to a callback on a thread of its own, where everything is allowed. Make it in
// main before any other thread: the signals are blocked from then on, and threads inherit that.
class SignalWatch {
 public:
  SignalWatch(std::vector<int> signals, std::function<void(int)> callback);
  ~SignalWatch();  // unblocks the signals in the calling thread
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::runtime
