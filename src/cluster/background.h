// Work that goes on in the background of one io thread: a step, a pause, a step, ...
//
//   auto reader = std::make_shared<Background>(io, [this]() -> Task<milliseconds> {
//     co_await read(); co_return 250ms;              // pause until the next step
//   });
//   reader->start();
//   reader->wake();              // the next step begins at once; never two at a time
//   co_await reader->stop();     // returns when the step under way has ended
//
// Thread rule: start, wake and stop from any thread (stop: from a task); steps run on the io
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/context.h"
#include "runtime/io.h"
#include "runtime/task.h"

namespace halcyon::cluster {

class Background : public std::enable_shared_from_this<Background> {
 public:
  using Step = std::function<Task<std::chrono::milliseconds>()>;
  Background(runtime::IoThread& io, Step step) : io_(io), step_(std::move(step)) {}

  void start();
  void wake();
  Task<void> stop();
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

 private:
  void run();
  void plan(std::chrono::milliseconds pause);

  runtime::IoThread& io_;
  Step step_;
  std::atomic<bool> stopping_{false}, wake_posted_{false};
  // Only on the io thread.
  bool started_ = false, running_ = false, again_ = false;
  uint64_t timer_ = 0;  // 0: none
  std::vector<std::move_only_function<void()>> stopped_;
};

// Something that tasks wait for.
//
//   for (uint64_t seen = signal.version(); !ready(); seen = signal.version())
//     co_await signal.wait(seen, 50ms);        // returns at the next notify, or after 50 ms
//
// Thread rule: safe from any thread; `wait` in tasks on io threads.
class Signal {
 public:
  uint64_t version() const { return version_.load(); }
  void notify();
  // At once when there was a notify since `seen` was read.
  Task<void> wait(uint64_t seen, std::chrono::milliseconds at_most);

 private:
  struct Waiter;
  std::atomic<uint64_t> version_{0};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Waiter>> waiters_;
};

// A context of its own for background work.
struct Within : Context {
  explicit Within(std::chrono::milliseconds time) { deadline = runtime::Clock::now() + time; }
};

// CLOCK_BOOTTIME, which goes on while the process or the machine sleeps.
int64_t boot_ms();

}  // namespace halcyon::cluster
