// 53-bit ids: unique, roughly ordered by time, safe integers in JavaScript (promise P8).
//
//   id = (seconds since 2020-11-10T16:00:00Z) << 21 | worker << 11 | sequence
//
// 32 bits of seconds (until 2156), 10 of worker (1024), 11 of sequence: 2048 ids a second for each
// worker id held. Epoch and shift of the seconds are those of NocoBase (reference H.4), so new ids
// sort after its ids.
//
// Ids of one generator always grow. When the clock steps back, the generator goes on from where it
// was: it stands still for a step of up to a second, and goes on at the clock's pace after a larger
// one. It runs at most two seconds ahead of its time: when those are used up, next() sleeps for up
// to a second. Who needs more than 2048 ids a second takes more worker ids.
//
// A worker id may be used from `first_second` on, and the whole generator until `last_second`: who
// leases worker ids reserves the seconds before they are used (cluster/worker_ids.h).
// Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <vector>

namespace halcyon {

class Snowflake {
 public:
  using ClockMs = std::function<int64_t()>;
  static constexpr int64_t kEpochSeconds = 1'605'024'000;
  static constexpr int64_t kWorkers = 1024;
  static constexpr int64_t kSequences = 2048;  // a second and worker
  static constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();

  struct Worker {
    int64_t id = 0;
    int64_t first_second = 0;  // since the epoch
    bool operator==(const Worker&) const = default;
  };
  enum class Outcome {
    kMade,
    kTooFast,  // two seconds ahead of the time: try again in a few milliseconds
    kExpired,  // the time is after last_second, or there are no worker ids
  };

  // A process before this one may have run ahead, so the first id is two seconds later than now.
  explicit Snowflake(int64_t worker, ClockMs clock = {});
  // Nobody else may hold any of `workers` (0 to 1023, at least one). Ids are greater than `after`.
  Snowflake(std::vector<int64_t> workers, int64_t after, ClockMs clock = {});
  // For leased worker ids; may begin without any.
  Snowflake(std::vector<Worker> workers, int64_t last_second, ClockMs clock);

  int64_t next();  // sleeps when it must; not for leased worker ids
  Outcome try_next(int64_t& id);

  // From the next second on; those that are left out are not used from now on.
  void assign(std::vector<Worker> workers);
  void extend(int64_t last_second);  // never back

  int64_t second() const;          // no id of a later second was made
  int64_t used_in_second() const;  // ids of that second so far
  int64_t made() const;            // ids so far

 private:
  int64_t seconds_now();  // since the epoch; never goes back
  void enter(int64_t second);
  int64_t capacity() const { return kSequences * static_cast<int64_t>(active_.size()); }

  std::vector<Worker> workers_;  // ascending
  std::vector<int64_t> active_;  // those used in second_, ascending
  ClockMs clock_;
  mutable std::mutex mutex_;
  int64_t last_ms_ = 0;  // of the clock
  int64_t lead_ms_ = 0;  // by how much it was set back so far
  int64_t second_ = 0;
  int64_t used_ = 0;  // ids of this second
  int64_t made_ = 0;
  int64_t last_second_ = kForEver;
};

}  // namespace halcyon
