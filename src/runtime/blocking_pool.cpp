#include "runtime/blocking_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace halcyon::runtime {

struct BlockingPool::Impl {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::move_only_function<void()>> queue;
  std::vector<std::thread> threads;
  size_t max_queue = 0;
  bool stopping = false;

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      auto job = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // its captures go on this thread, without the lock
      lock.lock();
    }
  }
};

BlockingPool::BlockingPool(std::string name, size_t threads, size_t max_queue)
    : impl_(std::make_unique<Impl>()) {
  impl_->max_queue = max_queue;
  name.resize(std::min<size_t>(name.size(), 15));  // the kernel's limit
  for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
    pthread_setname_np(impl_->threads.back().native_handle(), name.c_str());
  }
}

BlockingPool::~BlockingPool() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  for (auto& thread : impl_->threads) thread.join();
}

bool BlockingPool::submit(std::move_only_function<void()> work) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->max_queue) return false;
    impl_->queue.push_back(std::move(work));
  }
  impl_->wake.notify_one();
  return true;
}

size_t BlockingPool::queued() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

}  // namespace halcyon::runtime
