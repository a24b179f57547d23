// The locks' inside. Only for this module.
//
// A lock's row stays for ever; `owner` is the member that has it, `token` counts the holders. The
// lease of the lock is its member's: another may take it when the owner's row is not there or its
// lease ran out by the database's clock. So holding a lock costs no renewals of its own.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "cluster/background.h"
#include "cluster/locks.h"
#include "cluster/membership.h"

namespace halcyon::cluster {

class LocksImpl final : public Locks, public std::enable_shared_from_this<LocksImpl> {
 public:
  LocksImpl(Core& core, Membership& member);

  void start() { releaser_->start(); }
  Task<void> stop();  // releases what is left
  Task<void> abandon() { return releaser_->stop(); }
  // After each renewal: which locks are still ours, in the database?
  Task<void> verify(const Context& ctx);

  Task<Result<std::unique_ptr<Lock>>> acquire(const Context& ctx, std::string name) override;
  Task<Result<std::unique_ptr<Lock>>> try_acquire(const Context& ctx, std::string name) override;

 private:
  friend class LockImpl;
  // One row that we took; shared by the Lock and the list of those to be verified.
  struct Grip {
    std::string name;
    int64_t token = 0;
    std::atomic<bool> lost{false}, released{false};
  };

  Task<Result<int64_t>> take(const Context& ctx, const std::string& name);
  Task<Result<int64_t>> first_row(const Context& ctx, const std::string& name);
  Task<Status> release_row(const Context& ctx, const Grip& grip);
  void let_go(std::shared_ptr<Grip> grip);  // in the background
  Task<std::chrono::milliseconds> releaser_step();

  Core& core_;
  Membership& member_;
  std::shared_ptr<Background> releaser_;
  std::mutex mutex_;
  std::set<std::shared_ptr<Grip>> held_;
  std::vector<std::shared_ptr<Grip>> to_release_;
};

}  // namespace halcyon::cluster
