// 53-bit ids: unique, roughly ordered by time, safe integers in JavaScript (promise P8).
//
//   id = (seconds since 2020-11-10T16:00:00Z) << 21 | worker << 11 | sequence
//
// 32 bits of seconds (until 2156), 10 of worker (1024), 11 of sequence (2048 a second and worker).
// Epoch and shift of the seconds are those of NocoBase (reference H.4), so new ids sort after its
// ids. The generator never goes back when the clock does, and never runs more than one second ahead
// of it: when a second is used up, next() waits. Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

namespace halcyon {

class Snowflake {
 public:
  using ClockMs = std::function<int64_t()>;
  static constexpr int64_t kEpochSeconds = 1'605'024'000;
  static constexpr int64_t kWorkers = 1024;

  // A process before this one may have run a second ahead, so the first id is two seconds later.
  explicit Snowflake(int64_t worker, ClockMs clock = {});
  int64_t next();

 private:
  const int64_t worker_;
  ClockMs clock_;
  std::mutex mutex_;
  int64_t second_;
  int64_t sequence_ = 0;
};

}  // namespace halcyon
