// Io threads: each owns an event loop (an Asio io_context, hidden in io.cpp); a request stays on
// one.
//
//   IoPool pool(2);                       // threads start at once
//   auto value = run(pool.thread(0), some_task());   // from a plain thread: tests, main, the CLI
//   co_await sleep_for(10ms);             // inside a task
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <memory>

#include "runtime/cpus.h"
#include "runtime/task.h"

namespace halcyon::runtime {

// One event loop and its thread.
class IoThread {
 public:
  virtual ~IoThread() = default;
  // Runs `work` on this thread, soon. Callable from any thread.
  virtual void post(std::move_only_function<void()> work) = 0;
  // The boost::asio::io_context behind it; only the .cpp files of runtime, net and sql cast it.
  virtual void* native() = 0;
  // Runs `work` on this thread after `delay` (coarse timer, 10 ms steps). Returns a token for
  // cancel.
  virtual uint64_t after(std::chrono::milliseconds delay, std::move_only_function<void()> work) = 0;
  virtual void cancel(uint64_t timer) = 0;  // on this thread only; unknown tokens are ignored

  // The io thread the caller runs on, or nullptr on any other thread. Read it before suspending.
  static IoThread* current();
};

class IoPool {
 public:
  explicit IoPool(size_t threads);
  ~IoPool();  // stops and joins
  size_t size() const;
  IoThread& thread(size_t index);
  void stop();  // idempotent: ends the loops after the handlers at hand, joins

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Starts a task on an io thread; `done` is called there with its value (without one for
// Task<void>). An exception that gets this far is a programmer error and ends the process.
template <class T, class F>
Detached start_here(Task<T> task, F done) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    done();
  } else {
    done(co_await std::move(task));
  }
}
template <class T, class F>
void start(IoThread& io, Task<T> task, F done) {
  io.post([task = std::move(task), done = std::move(done)]() mutable {
    start_here(std::move(task), std::move(done));
  });
}
template <class T>
Detached start_promise(Task<T> task, std::promise<T>* promise) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      promise->set_value();
    } else {
      promise->set_value(co_await std::move(task));
    }
  } catch (...) {
    promise->set_exception(std::current_exception());
  }
}
// Runs a task on an io thread and waits for it. Never call it on an io thread.
template <class T>
T run(IoThread& io, Task<T> task) {
  std::promise<T> promise;
  auto future = promise.get_future();
  io.post(
      [task = std::move(task), &promise]() mutable { start_promise(std::move(task), &promise); });
  return future.get();
}

Task<void> sleep_for(std::chrono::milliseconds delay);  // resumes on the same io thread

// Awaitable over a callback: `co_await Suspend([&](std::move_only_function<void()> resume) {...})`.
// `resume` may be called from any thread, exactly once; the task continues on its own io thread.
struct Suspend {
  std::move_only_function<void(std::move_only_function<void()>)> starter;
  explicit Suspend(std::move_only_function<void(std::move_only_function<void()>)> f)
      : starter(std::move(f)) {}
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    IoThread* home = IoThread::current();
    auto run_starter = std::move(starter);
    run_starter([handle, home]() mutable {
      if (home != nullptr)
        home->post([handle] { handle.resume(); });
      else
        handle.resume();
    });
  }
  void await_resume() noexcept {}
};

}  // namespace halcyon::runtime
