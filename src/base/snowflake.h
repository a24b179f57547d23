// 53-bit ids: unique, roughly ordered by time, safe integers in JavaScript (promise P8).
//
//   id = (seconds since 2020-11-10T16:00:00Z) << 21 | worker << 11 | sequence
//
// 32 bits of seconds (until 2156), 10 of worker (1024), 11 of sequence: 2048 ids a second for each
// worker id held. Epoch and shift of the seconds are those of NocoBase (reference H.4), so new ids
// sort after its ids.
//
// Ids of one generator always grow. When the clock steps back, the generator goes on from where it
// was at the clock's pace; after a restart `after`, the highest id made before, does the same. It
// runs at most two seconds ahead of its time: when those are used up, next() sleeps for up to a
// second. Who needs more than 2048 ids a second takes more worker ids. Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace halcyon {

class Snowflake {
 public:
  using ClockMs = std::function<int64_t()>;
  static constexpr int64_t kEpochSeconds = 1'605'024'000;
  static constexpr int64_t kWorkers = 1024;

  // A process before this one may have run ahead, so the first id is two seconds later than now.
  explicit Snowflake(int64_t worker, ClockMs clock = {});
  // Nobody else may hold any of `workers` (0 to 1023, at least one).
  Snowflake(std::vector<int64_t> workers, int64_t after, ClockMs clock = {});
  int64_t next();

 private:
  int64_t seconds_now();  // since the epoch; never goes back

  std::vector<int64_t> workers_;  // ascending
  ClockMs clock_;
  std::mutex mutex_;
  int64_t last_ms_ = 0;  // of the clock
  int64_t lead_ms_ = 0;  // by how much it was set back so far
  int64_t second_ = 0;
  int64_t used_ = 0;  // ids of this second
};

}  // namespace halcyon
