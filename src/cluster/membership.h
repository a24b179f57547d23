// The member row of this process: joining, renewing, noticing who is gone. Only for this module.
//
// Rules that the rest is built on:
// - `holds` ends ttl less a margin after the moment before the last renewal was sent, by
//   CLOCK_BOOTTIME.
// - A member is gone when its row is. Others delete it only when they saw, by their own monotonic
//   clock, that it was not renewed for a whole ttl, or, on the same machine, that its process is
//   dead. So neither a jump of the database's clock nor
//   a slow database makes two sides disagree.
// - A member that finds its row deleted inserts it again, and `holds` stays false until it has read
//   the bus to its end: whoever changed the model meanwhile did not wait for it. Then it asks
//   `on_return`: the database may be too new for it by now.
//
// - A member is alone for kAlone from the moment before it asked and saw no other row, and a new
//   member serves nothing for kAlone and a margin after it inserted its row beside another's.
//
// Thread rule: safe from any thread.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "cluster/background.h"
#include "cluster/cluster.h"
#include "cluster/lease.h"
#include "cluster/tables.h"

namespace halcyon::cluster {

// What the parts of one Cluster share.
struct Core {
  sql::Database& db;       // of requests
  sql::Database& control;  // of leases and the bus; the same one on SQLite
  Tables tables;
  runtime::IoThread& io;  // the cluster's own
  Options options;
};

inline constexpr std::chrono::milliseconds kAlone{400}, kLetOthersSee{450};
extern const std::string kMembersHint;  // something changed in the members' rows

class Membership final : public Lease {
 public:
  explicit Membership(Core& core);

  // Inserts the row; `position`: of the bus, read before.
  Task<Status> join(const Context& ctx, int64_t position);
  void start_renewing() { heartbeat_->start(); }
  // From now on settle() of others waits for this member.
  Task<Status> listen(const Context& ctx);
  Task<void> stop_renewing() { return heartbeat_->stop(); }
  Task<void> remove(const Context& ctx);  // the row

  const std::string& holder() const override { return id_; }
  bool holds() const override { return now() < held_until_.load(std::memory_order_acquire); }
  std::chrono::milliseconds ttl() const override { return core_.options.lease_ttl; }
  Task<Status> wait_until_held(const Context& ctx) override;
  sql::Expr fence() const override;
  int64_t database_now_ms() const override {
    return now() + clock_offset_.load(std::memory_order_relaxed);
  }
  int64_t now() const { return core_.options.boot_ms ? core_.options.boot_ms() : boot_ms(); }
  std::chrono::milliseconds age() const;  // since the last renewal

  // True when this renewal was seen for so long that its member does not hold its lease any more.
  bool is_overdue(const std::string& member, int64_t lease_until_ms);
  // Deletes the row, if it was not renewed meanwhile.
  Task<Status> declare_gone(const Context& ctx, std::string member, int64_t lease_until_ms);

  Task<Result<std::vector<MemberInfo>>> members(const Context& ctx);
  Task<Status> set_state(const Context& ctx, MemberState state);
  Task<Status> request_drain(const Context& ctx, std::string member, bool drain);
  int64_t live_members() const { return live_members_; }

  // Changes whenever another may have been at work; 0 while one may be.
  uint64_t alone() const { return now() < alone_until_.load() ? alone_.load() : 0; }
  // The bus looked for other rows: asked at `sent`, answered just now.
  void saw_others(bool others, int64_t sent);
  sql::Expr others_exist() const;
  // Returns when no member that was there before takes itself to be alone.
  Task<void> let_others_see();

  // Hooks, set before start_renewing(); called on the cluster's io thread.
  std::function<int64_t()> bus_position;
  std::function<Task<Status>(const Context&)> catch_up;  // reads the bus to its present end
  std::function<Task<void>(const Context&, int64_t database_now_ms)> renewed;
  void wake() { heartbeat_->wake(); }
  void on_drain_request(std::function<void(bool)> callback);
  void on_return(std::function<Task<Result<bool>>(const Context&)> may_return);
  void count_losses(runtime::Counter counter) { losses_ = counter; }

 private:
  struct Seen {
    int64_t lease_until_ms = 0;
    int64_t since = 0;    // boot time
    std::string process;  // process_id.h
  };

  Task<std::chrono::milliseconds> step();
  Task<Status> renew(const Context& ctx);
  Task<Status> insert(const Context& ctx, int64_t position);
  Task<Result<int64_t>> set_row(sql::Database& db, const Context& ctx, std::string member,
                                sql::Assignment value);
  Task<Status> catch_up_again(const Context& ctx);
  Task<Result<bool>> may_return(const Context& ctx);
  Task<void> remove_the_dead(const Context& ctx);
  void note(const sql::Rows& rows);
  void hold_until(int64_t until);
  void tell_drain(bool requested);

  Core& core_;
  const std::string id_;
  std::shared_ptr<Background> heartbeat_;
  std::atomic<uint64_t> alone_{0};
  std::atomic<int64_t> alone_until_{0}, inserted_at_{0};
  std::atomic<bool> has_company_{false};  // rows of processes not known to be dead
  std::atomic<int64_t> held_until_{0}, renewed_at_{0}, clock_offset_{0}, live_members_{0};
  Signal held_;
  std::atomic<bool> caught_up_{true}, listening_{false};
  std::atomic<MemberState> state_{MemberState::kStarting};
  std::mutex mutex_;
  int64_t noted_at_ = 0;                                            // boot time
  std::map<std::string, Seen> seen_;                                // other members
  std::function<void(bool)> drain_asked_;                           // guarded by mutex_
  std::function<Task<Result<bool>>(const Context&)> return_asked_;  // guarded by mutex_
  bool drain_requested_ = false;
  bool was_held_ = false, was_given_up_ = false;
  int64_t started_ms_ = 0;
  runtime::Counter losses_;
};

}  // namespace halcyon::cluster
