#include "runtime/shutdown.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "runtime/io.h"

namespace halcyon::runtime {

struct Shutdown::Impl {
  std::atomic<State> state{State::kRunning};
  std::atomic<int64_t> in_flight{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::function<void()>> callbacks;
  // Tasks in wait_idle. Whoever sets `done` first (the last work's end, or the timer) resumes it.
  struct Waiter {
    std::atomic<bool> done{false};
    bool idle = false;
    std::move_only_function<void()> resume;
  };
  std::vector<std::shared_ptr<Waiter>> waiters;

  void wake(bool idle, const std::shared_ptr<Waiter>& waiter) {
    if (waiter->done.exchange(true)) return;
    waiter->idle = idle;
    waiter->resume();
  }
};

Shutdown::Shutdown() : impl_(std::make_shared<Impl>()) {}
Shutdown::~Shutdown() = default;

Shutdown::State Shutdown::state() const { return impl_->state.load(std::memory_order_acquire); }

void Shutdown::on_drain(std::function<void()> callback) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->state == State::kRunning) {
      impl_->callbacks.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

void Shutdown::drain() {
  std::vector<std::function<void()>> callbacks;
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->state != State::kRunning) return;
    impl_->state = State::kDraining;
    callbacks.swap(impl_->callbacks);
    impl_->changed.notify_all();
  }
  for (auto& callback : callbacks) callback();
}

void Shutdown::stop() {
  drain();
  std::lock_guard lock(impl_->mutex);
  impl_->state = State::kStopped;
  impl_->changed.notify_all();
}

void Shutdown::wait_for(State state) {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [this, state] { return impl_->state.load() >= state; });
}

int64_t Shutdown::in_flight() const { return impl_->in_flight.load(std::memory_order_relaxed); }

void Shutdown::begin() { impl_->in_flight.fetch_add(1, std::memory_order_relaxed); }

void Shutdown::end() {
  const auto impl = impl_;  // whoever we wake may destroy the Shutdown
  if (impl->in_flight.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  std::vector<std::shared_ptr<Impl::Waiter>> waiters;
  {
    std::lock_guard lock(impl->mutex);
    waiters.swap(impl->waiters);
    impl->changed.notify_all();
  }
  for (auto& waiter : waiters) impl->wake(true, waiter);
}

Task<bool> Shutdown::wait_idle(std::chrono::milliseconds limit) {
  auto impl = impl_;
  auto waiter = std::make_shared<Impl::Waiter>();
  IoThread* io = IoThread::current();
  uint64_t timer = 0;
  auto starter = [&](std::move_only_function<void()> resume) {
    waiter->resume = std::move(resume);
    timer = io->after(limit, [impl, waiter] { impl->wake(false, waiter); });
    {
      std::lock_guard lock(impl->mutex);
      if (impl->in_flight.load() != 0) {
        impl->waiters.push_back(waiter);
        return;
      }
    }
    impl->wake(true, waiter);
  };
  co_await Suspend(std::move(starter));
  io->cancel(timer);
  {
    std::lock_guard lock(impl->mutex);
    std::erase(impl->waiters, waiter);
  }
  co_return waiter->idle;
}

bool Shutdown::wait_idle_here(std::chrono::milliseconds limit) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, limit, [this] { return impl_->in_flight.load() == 0; });
}

struct SignalWatch::Impl {
  sigset_t set{};
  std::function<void(int)> callback;
  int signals = -1, wake = -1;
  std::thread thread;

  void watch() {
    std::array<pollfd, 2> fds{pollfd{signals, POLLIN, 0}, pollfd{wake, POLLIN, 0}};
    while (true) {
      if (poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
      if (fds[1].revents != 0) return;
      signalfd_siginfo info{};
      if (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        callback(static_cast<int>(info.ssi_signo));
    }
  }
};

SignalWatch::SignalWatch(std::vector<int> signals, std::function<void(int)> callback)
    : impl_(std::make_unique<Impl>()) {
  sigemptyset(&impl_->set);
  for (int number : signals) sigaddset(&impl_->set, number);
  pthread_sigmask(SIG_BLOCK, &impl_->set, nullptr);
  impl_->callback = std::move(callback);
  impl_->signals = signalfd(-1, &impl_->set, SFD_CLOEXEC);
  impl_->wake = eventfd(0, EFD_CLOEXEC);
  if (impl_->signals < 0 || impl_->wake < 0)
    throw std::system_error(errno, std::generic_category(), "signalfd");
  impl_->thread = std::thread([impl = impl_.get()] { impl->watch(); });
}

SignalWatch::~SignalWatch() {
  const uint64_t one = 1;
  while (write(impl_->wake, &one, sizeof one) < 0 && errno == EINTR) {
  }
  impl_->thread.join();
  close(impl_->wake);
  close(impl_->signals);
  pthread_sigmask(SIG_UNBLOCK, &impl_->set, nullptr);
}

}  // namespace halcyon::runtime
