// When a transaction is tried again: one policy for all drivers.
//
// A driver runs one try and says whether nothing was committed and another try may succeed: a
// serialization failure, a deadlock, or a connection lost before COMMIT was sent. Tries go on until
// the request's deadline, with a jittered, growing pause. A connection lost *during* COMMIT is not
// tried again: the commit may have happened (commit_unknown() of sql/errors.h).
//
//   Task<Status> in_transaction(const Context& ctx, Body body) override {
//     co_return co_await retry_transaction(
//         ctx, [&] { return attempt(ctx, body); }, retries_);
//   }
//
// Thread rule: called on an io thread.
#pragma once

#include <atomic>
#include <functional>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::sql {

struct Attempt {
  Status status;
  bool may_retry = false;  // nothing was committed, and the cause passes
  Attempt() = default;
  Attempt(Status s, bool retry) : status(std::move(s)), may_retry(retry) {}
};

// What Transaction::before_commit was given.
struct LastStatement {
  Statement statement;
  std::function<Error(Error)> explain;
};
// Runs it in `tx`, where it cannot go out in one packet with COMMIT.
Task<Status> run_last(Executor& tx, const Context& ctx, const std::optional<LastStatement>& last);

// Conflicts between transactions: SERIALIZATION_FAILURE and DEADLOCK.
bool is_conflict(const Error& error);
// is_conflict() or DATABASE_UNAVAILABLE: before COMMIT was sent, reason enough to try again.
bool is_transient(const Error& error);

// Pause before try number `attempt` + 1 (attempt counts from 1): half fixed, half random.
std::chrono::milliseconds retry_pause(int attempt);

// `retries` counts every try after the first (PoolStats).
Task<Status> retry_transaction(const Context& ctx, std::function<Task<Attempt>()> attempt,
                               std::atomic<int64_t>& retries);

}  // namespace halcyon::sql
