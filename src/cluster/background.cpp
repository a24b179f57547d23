#include "cluster/background.h"

#include <time.h>

#include <algorithm>

namespace halcyon::cluster {

using std::chrono::milliseconds;

int64_t boot_ms() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void Background::start() {
  io_.post([self = shared_from_this()] {
    if (std::exchange(self->started_, true)) return;
    self->run();
  });
}

void Background::wake() {
  if (stopping() || wake_posted_.exchange(true)) return;
  io_.post([self = shared_from_this()] {
    self->wake_posted_ = false;
    if (!self->started_) return;
    if (self->running_) {
      self->again_ = true;
      return;
    }
    if (self->timer_ != 0) self->io_.cancel(std::exchange(self->timer_, 0));
    self->run();
  });
}

void Background::run() {
  if (running_ || stopping()) return;
  running_ = true;
  again_ = false;
  runtime::start_here(step_(), [self = shared_from_this()](milliseconds pause) {
    self->running_ = false;
    if (self->stopping()) {
      for (auto& resume : std::exchange(self->stopped_, {})) resume();
      return;
    }
    self->plan(self->again_ ? milliseconds(0) : pause);
  });
}

void Background::plan(milliseconds pause) {
  if (pause.count() <= 0) {
    io_.post([self = shared_from_this()] { self->run(); });
    return;
  }
  timer_ = io_.after(pause, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->timer_ = 0;
    self->run();
  });
}

Task<void> Background::stop() {
  auto starter = [self = shared_from_this()](std::move_only_function<void()> resume) {
    self->stopping_ = true;
    self->io_.post([self, resume = std::move(resume)]() mutable {
      if (self->timer_ != 0) self->io_.cancel(std::exchange(self->timer_, 0));
      if (!self->running_) return resume();
      self->stopped_.push_back(std::move(resume));
    });
  };
  co_await runtime::Suspend(std::move(starter));
}

struct Signal::Waiter {
  std::atomic<bool> done{false};
  std::move_only_function<void()> resume;
  void finish() {
    if (!done.exchange(true)) resume();
  }
};

void Signal::notify() {
  std::vector<std::shared_ptr<Waiter>> waiters;
  {
    std::lock_guard lock(mutex_);
    ++version_;
    waiters = std::exchange(waiters_, {});
  }
  for (const auto& waiter : waiters) waiter->finish();
}

Task<void> Signal::wait(uint64_t seen, milliseconds at_most) {
  auto* io = runtime::IoThread::current();
  auto starter = [&](std::move_only_function<void()> resume) {
    auto waiter = std::make_shared<Waiter>();
    waiter->resume = std::move(resume);
    {
      std::lock_guard lock(mutex_);
      if (version_ == seen) {
        std::erase_if(waiters_, [](const auto& other) { return other->done.load(); });
        waiters_.push_back(waiter);
        io->after(at_most, [waiter] { waiter->finish(); });
        return;
      }
    }
    waiter->finish();
  };
  co_await runtime::Suspend(std::move(starter));
}

}  // namespace halcyon::cluster
