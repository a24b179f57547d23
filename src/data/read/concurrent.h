// Starting a task now and awaiting it later, on the same io thread.
//
//   Started<Result<Rows>> count(executor.run(ctx, count_statement));   // on its way
//   auto page = co_await executor.run(ctx, page_statement);
//   auto total = co_await std::move(count);
//
// A Started must be awaited before anything its task refers to dies. Thread rule: started, awaited
// and resumed on one io thread (tasks resume where they came from), so there is no lock.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/task.h"

namespace halcyon::data {

template <class T>
class [[nodiscard]] Started {
 public:
  explicit Started(Task<T> task) : state_(std::make_shared<State>()) {
    drive(std::move(task), state_);
  }
  bool await_ready() const noexcept { return state_->done; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { state_->waiter = waiter; }
  T await_resume() {
    if (state_->error) std::rethrow_exception(state_->error);
    return std::move(*state_->value);
  }

 private:
  struct State {
    bool done = false;
    std::optional<T> value;
    std::exception_ptr error;
    std::coroutine_handle<> waiter;
  };
  static runtime::Detached drive(Task<T> task, std::shared_ptr<State> state) {
    try {
      state->value.emplace(co_await std::move(task));
    } catch (...) {
      state->error = std::current_exception();
    }
    state->done = true;
    if (state->waiter) state->waiter.resume();
  }
  std::shared_ptr<State> state_;
};

}  // namespace halcyon::data
