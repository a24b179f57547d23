// Tasks that wait in line for something (a connection, the writer), each until its own deadline.
//
//   struct Request : WaitList::Waiter { ... };
//   bool taken = co_await waiting.wait(request, until, [&] { hand_out(); });
//   if (!taken) co_return fail(...);              // its deadline passed; it is no longer in line
// and where the thing becomes free:
//   if (auto* next = waiting.take()) next->resume();
//
// Thread rule: `wait` on an io thread, the rest on any thread. A waiter that was taken must be
// resumed exactly once.
#pragma once

#include <deque>
#include <functional>
#include <mutex>

#include "runtime/context.h"
#include "runtime/io.h"
#include "runtime/task.h"

namespace halcyon::sql {

class WaitList {
 public:
  struct Waiter {
    std::move_only_function<void()> resume;
  };

  // Puts `waiter` at the end, calls `queued` (which may take it at once), and returns true when it
  // was taken and resumed, false at `until`.
  Task<bool> wait(Waiter& waiter, runtime::Clock::time_point until, std::function<void()> queued);

  Waiter* take();  // the first, or nullptr
  // The first when `wanted` says yes of it, else nullptr.
  Waiter* take_if(const std::function<bool(Waiter&)>& wanted);
  size_t size() const;

 private:
  bool remove(Waiter& waiter);

  mutable std::mutex mutex_;
  std::deque<Waiter*> line_;
};

}  // namespace halcyon::sql
