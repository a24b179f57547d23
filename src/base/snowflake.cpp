#include "base/snowflake.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/time.h"

namespace halcyon {
namespace {
constexpr int64_t kSequences = 2048;
constexpr int64_t kAhead = 1;  // seconds
}  // namespace

Snowflake::Snowflake(int64_t worker, ClockMs clock)
    : worker_(worker), clock_(clock ? std::move(clock) : ClockMs(&now_ms)) {
  if (worker < 0 || worker >= kWorkers) throw std::invalid_argument("no such worker id");
  second_ = clock_() / 1000 - kEpochSeconds + kAhead + 1;
}

int64_t Snowflake::next() {
  std::lock_guard lock(mutex_);
  const int64_t now = clock_() / 1000 - kEpochSeconds;
  if (now > second_) {
    second_ = now;
    sequence_ = 0;
  } else if (sequence_ == kSequences) {
    ++second_;
    sequence_ = 0;
    // The first seconds after the start lie ahead of the clock by design.
    while (clock_() / 1000 - kEpochSeconds + kAhead + 1 < second_)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return second_ << 21 | worker_ << 11 | sequence_++;
}

}  // namespace halcyon
