// What the lanes and the pool of one Database share. Only for sql/postgres.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "runtime/blocking_pool.h"
#include "runtime/io.h"
#include "sql/postgres/driver_connect.h"
#include "sql/postgres/driver_session.h"

namespace halcyon::sql::postgres {

// Statements whose text parameters must be sent as text, because the server can infer no type. A
// transaction learns it the hard way, once.
class TypedTexts {
 public:
  bool contains(const std::string& text) const {
    if (count_.load(std::memory_order_relaxed) == 0) return false;
    std::lock_guard lock(mutex_);
    return texts_.contains(text);
  }
  void add(const std::string& text) {
    std::lock_guard lock(mutex_);
    if (texts_.size() >= kMost) texts_.clear();
    texts_.insert(text);
    count_ = texts_.size();
  }

 private:
  static constexpr size_t kMost = 1000;
  mutable std::mutex mutex_;
  std::unordered_set<std::string> texts_;
  std::atomic<size_t> count_{0};
};

struct Core {
  explicit Core(std::shared_ptr<Connector> c) : connector(std::move(c)) {}

  const Options& options() const { return connector->options(); }

  // Connects on a blocking thread; the task goes on on its io thread.
  Task<std::expected<std::shared_ptr<Session>, Connector::Refusal>> connect(
      Purpose purpose, std::chrono::milliseconds timeout);

  // The server could infer no type for a text parameter: remembered, and to be tried again.
  bool wants_typed_text(const Session::Call& call);

  std::shared_ptr<Connector> connector;
  TypedTexts typed_texts;
  std::atomic<int64_t> statements{0}, transactions{0}, retries{0};
  std::atomic<uint64_t> losses{0};
  std::atomic<int> connecting{0};  // tasks in connect()
  runtime::BlockingPool cancels{"pg-cancel", 2, 1000};
  runtime::BlockingPool connects{"pg-connect", 4, 10'000};
};

// Time left until `when`, for timers: never negative, never early.
std::chrono::milliseconds time_left(runtime::Clock::time_point when);

}  // namespace halcyon::sql::postgres
