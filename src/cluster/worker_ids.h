// The worker ids of this process, and the ids made with them (promise P8). Only for this module.
//
// A worker id is a row; its owner is a member. What makes ids unique is the reservation: the row
// holds the last second (of base/snowflake.h) for which ids may have been made, and is written
// before the first id of a later second is made. A new owner begins after it. So neither leases nor
// clocks matter: a process that was suspended, or whose clock jumped, has its seconds or none.
// Reservations reach two minutes ahead, so that ids can be made while the database is away.
//
// A process begins with some worker ids, takes more (up to 64) when they are used up quickly, and
// gives them back when they are not.
//
// The clock is the database's: its offset at the last renewal, counted on by CLOCK_BOOTTIME.
//
// Thread rule: next() and renewed() from any thread; begin, then start, then stop, then release.
#pragma once

#include <map>

#include "base/snowflake.h"
#include "cluster/background.h"
#include "cluster/membership.h"

namespace halcyon::cluster {

class WorkerIds {
 public:
  WorkerIds(Core& core, Membership& member);

  Task<Status> begin(const Context& ctx);
  void start() { keeper_->start(); }
  Task<void> stop() { return keeper_->stop(); }
  // Gives everything back; no ids after it.
  Task<void> release(const Context& ctx);
  // After each renewal of the member's lease.
  void renewed(int64_t database_now_ms);

  Result<int64_t> next();
  int64_t held() const { return held_count_; }

 private:
  using Workers = std::map<int64_t, int64_t>;  // id -> the first second it may be used

  Task<std::chrono::milliseconds> keeper_step();
  // These never run at the same time: in begin(), by the keeper, in release().
  Task<Status> follow_clock(const Context& ctx);
  Task<Status> look_at_usage(const Context& ctx);
  Task<Status> reserve(const Context& ctx, int64_t until);
  Task<Status> take(const Context& ctx, size_t count);
  Task<Status> give_back(const Context& ctx, size_t keep);
  Task<Result<Workers>> take_rows(sql::Transaction& tx, const Context& ctx, size_t count,
                                  int64_t until);
  Task<Result<sql::Rows>> owned(const Context& ctx);
  void use(Workers workers);
  int64_t clock_ms() const;
  int64_t horizon() const;  // the second to reserve until
  void watch_usage();

  Core& core_;
  Membership& member_;
  std::atomic<int64_t> offset_{0};          // generator's clock less boot time; before generator_
  std::atomic<int64_t> renewed_offset_{0};  // the same of the database's clock
  Snowflake generator_;
  std::shared_ptr<Background> keeper_;
  std::atomic<int64_t> held_count_{0};
  std::atomic<bool> wants_more_{false};

  Workers workers_;
  int64_t reserved_until_ = 0;
  size_t first_count_ = 0;
  int64_t made_before_ = 0, looked_at_ = 0, quiet_ = 0;
};

}  // namespace halcyon::cluster
