#include "runtime/io.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <thread>
#include <unordered_map>
#include <vector>

namespace halcyon::runtime {
namespace {

namespace asio = boost::asio;
constexpr std::chrono::milliseconds kTick{10};

thread_local IoThread* current_thread = nullptr;

// Timers of one thread: due ticks in order. One Asio timer, armed only while there is something to
// wait for.
class IoThreadImpl final : public IoThread {
 public:
  IoThreadImpl() : context_(1), work_(asio::make_work_guard(context_)), ticker_(context_) {
    thread_ = std::thread([this] {
      current_thread = this;
      context_.run();
      current_thread = nullptr;
    });
  }
  ~IoThreadImpl() override { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    context_.stop();
    thread_.join();
  }

  void post(std::move_only_function<void()> work) override {
    asio::post(context_, std::move(work));
  }
  void* native() override { return &context_; }

  uint64_t after(std::chrono::milliseconds delay, std::move_only_function<void()> work) override {
    const uint64_t token = next_token_.fetch_add(1, std::memory_order_relaxed);
    if (IoThread::current() == this) {
      add_timer(token, delay, std::move(work));
    } else {
      post([this, token, delay, work = std::move(work)]() mutable {
        add_timer(token, delay, std::move(work));
      });
    }
    return token;
  }

  void cancel(uint64_t timer) override {
    auto it = due_of_.find(timer);
    if (it == due_of_.end()) return;
    wheel_[it->second].erase(timer);
    due_of_.erase(it);
  }

 private:
  using Ticks = int64_t;

  static Ticks now_ticks() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch()) /
           kTick;
  }

  void add_timer(uint64_t token, std::chrono::milliseconds delay,
                 std::move_only_function<void()> work) {
    // Never early: a timer set between two ticks waits for the one after its time.
    const Ticks due =
        now_ticks() + 1 +
        (std::max(delay, std::chrono::milliseconds(0)) + kTick - std::chrono::milliseconds(1)) /
            kTick;
    wheel_[due].emplace(token, std::move(work));
    due_of_.emplace(token, due);
    if (!armed_ || due < armed_for_) arm();
  }

  void arm() {
    while (!wheel_.empty() && wheel_.begin()->second.empty()) wheel_.erase(wheel_.begin());
    armed_ = !wheel_.empty();
    if (!armed_) return;
    armed_for_ = wheel_.begin()->first;
    ticker_.expires_at(std::chrono::steady_clock::time_point(kTick * armed_for_));
    ticker_.async_wait([this](boost::system::error_code error) {
      if (!error) fire();
    });
  }

  void fire() {
    const Ticks now = now_ticks();
    // One at a time: the work may cancel timers that are due in the same tick.
    while (!wheel_.empty() && wheel_.begin()->first <= now) {
      auto& slot = wheel_.begin()->second;
      if (slot.empty()) {
        wheel_.erase(wheel_.begin());
        continue;
      }
      auto work = std::move(slot.begin()->second);
      due_of_.erase(slot.begin()->first);
      slot.erase(slot.begin());
      work();
    }
    arm();
  }

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer ticker_;
  std::map<Ticks, std::map<uint64_t, std::move_only_function<void()>>> wheel_;
  std::unordered_map<uint64_t, Ticks> due_of_;
  bool armed_ = false;
  Ticks armed_for_ = 0;
  std::atomic<uint64_t> next_token_{1};
  std::thread thread_;
};

}  // namespace

IoThread* IoThread::current() { return current_thread; }

struct IoPool::Impl {
  std::vector<std::unique_ptr<IoThreadImpl>> threads;
};

IoPool::IoPool(size_t threads) : impl_(std::make_unique<Impl>()) {
  for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i)
    impl_->threads.push_back(std::make_unique<IoThreadImpl>());
}
IoPool::~IoPool() { stop(); }
size_t IoPool::size() const { return impl_->threads.size(); }
IoThread& IoPool::thread(size_t index) { return *impl_->threads.at(index); }
void IoPool::stop() {
  for (auto& thread : impl_->threads) thread->stop();
}

Task<void> sleep_for(std::chrono::milliseconds delay) {
  IoThread* io = IoThread::current();
  auto starter = [io, delay](std::move_only_function<void()> resume) {
    io->after(delay, std::move(resume));
  };
  co_await Suspend(std::move(starter));
}

}  // namespace halcyon::runtime
