#include "sql/wait_list.h"

#include <algorithm>

namespace halcyon::sql {

using runtime::Clock;
using runtime::IoThread;

Task<bool> WaitList::wait(Waiter& waiter, Clock::time_point until, std::function<void()> queued) {
  // The timer runs on this io thread like the task itself, so that it finds the waiter alive: the
  // task cannot have gone on before the timer is cancelled.
  bool timed_out = false;
  uint64_t timer = 0;
  IoThread* io = IoThread::current();
  auto starter = [&](std::move_only_function<void()> resume) {
    waiter.resume = std::move(resume);
    if (io != nullptr) {
      auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
      timer = io->after(std::max(left, std::chrono::milliseconds(0)), [this, &waiter, &timed_out] {
        if (!remove(waiter)) return;
        timed_out = true;
        waiter.resume();
      });
    }
    {
      std::lock_guard lock(mutex_);
      line_.push_back(&waiter);
    }
    queued();
  };
  co_await runtime::Suspend(std::move(starter));
  if (io != nullptr) io->cancel(timer);
  co_return !timed_out;
}

WaitList::Waiter* WaitList::take() {
  std::lock_guard lock(mutex_);
  if (line_.empty()) return nullptr;
  Waiter* first = line_.front();
  line_.pop_front();
  return first;
}

WaitList::Waiter* WaitList::take_if(const std::function<bool(Waiter&)>& wanted) {
  std::lock_guard lock(mutex_);
  if (line_.empty() || !wanted(*line_.front())) return nullptr;
  Waiter* first = line_.front();
  line_.pop_front();
  return first;
}

size_t WaitList::size() const {
  std::lock_guard lock(mutex_);
  return line_.size();
}

bool WaitList::remove(Waiter& waiter) {
  std::lock_guard lock(mutex_);
  auto found = std::ranges::find(line_, &waiter);
  if (found == line_.end()) return false;
  line_.erase(found);
  return true;
}

}  // namespace halcyon::sql
