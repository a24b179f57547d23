// Locks with fencing tokens: one holder in the cluster at a time.
//
// A lock is a row with its owner, a member, and a token that grows with every new holder. It is
// held until release() or until the member's lease ends. Never hold one over calls to third
// parties: they may take longer than any lease.
//
//   CO_TRY(auto lock, co_await locks.acquire(ctx, "maintenance"));   // waits, at most ctx.deadline
//   CO_TRY(auto maybe, co_await locks.try_acquire(ctx, "maintenance"));  // nullptr: taken
//   CO_TRY_STATUS(co_await lock->check(tx, ctx));   // in the transaction that the lock protects
//   co_await lock->release();                       // or by the destructor, in the background
//
// Not re-entrant: a second acquire in the same process waits like any other. Errors of acquire: 503
// LOCK_BUSY at ctx.deadline, LEASE_LOST.
// Thread rule: on io threads; a Lock is used by one task at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

class Lock {
 public:
  virtual ~Lock() = default;
  virtual int64_t token() const = 0;  // greater than that of every holder before
  virtual bool held() const = 0;      // by the monotonic clock
  // Holds the row until `tx` ends and fails with 503 LOCK_LOST when it is another's by now: a
  // holder that was suspended cannot commit on its old lock.
  virtual Task<Status> check(sql::Executor& tx, const Context& ctx) = 0;
  virtual Task<void> release() = 0;
};

class Locks {
 public:
  virtual ~Locks() = default;
  virtual Task<Result<std::unique_ptr<Lock>>> acquire(const Context& ctx, std::string name) = 0;
  virtual Task<Result<std::unique_ptr<Lock>>> try_acquire(const Context& ctx, std::string name) = 0;
};

}  // namespace halcyon::cluster
