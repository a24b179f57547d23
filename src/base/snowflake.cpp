#include "base/snowflake.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/time.h"

namespace halcyon {
namespace {
constexpr int64_t kSequences = 2048;
constexpr int64_t kAhead = 2;  // seconds
}  // namespace

Snowflake::Snowflake(int64_t worker, ClockMs clock)
    : Snowflake(std::vector<int64_t>{worker}, 0, std::move(clock)) {}

Snowflake::Snowflake(std::vector<int64_t> workers, int64_t after, ClockMs clock)
    : workers_(std::move(workers)), clock_(clock ? std::move(clock) : ClockMs(&now_ms)) {
  std::ranges::sort(workers_);
  if (workers_.empty() || workers_.front() < 0 || workers_.back() >= kWorkers ||
      std::ranges::adjacent_find(workers_) != workers_.end()) {
    throw std::invalid_argument("worker ids are different numbers from 0 to 1023");
  }
  last_ms_ = clock_();
  second_ = seconds_now() + kAhead;
  if (const int64_t next_second = (after >> 21) + 1; next_second > second_) {
    lead_ms_ = (next_second - second_) * 1000;
    second_ = next_second;
  }
}

int64_t Snowflake::seconds_now() {
  const int64_t ms = clock_();
  if (ms < last_ms_) lead_ms_ += last_ms_ - ms;
  last_ms_ = ms;
  return (ms + lead_ms_) / 1000 - kEpochSeconds;
}

int64_t Snowflake::next() {
  std::lock_guard lock(mutex_);
  const int64_t now = seconds_now();
  if (now > second_) {
    second_ = now;
    used_ = 0;
  } else if (used_ == kSequences * static_cast<int64_t>(workers_.size())) {
    ++second_;
    used_ = 0;
    while (seconds_now() + kAhead < second_)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // One worker's numbers after the other's, so that ids grow within a second too.
  const int64_t worker = workers_[static_cast<size_t>(used_ / kSequences)];
  return second_ << 21 | worker << 11 | used_++ % kSequences;
}

}  // namespace halcyon
