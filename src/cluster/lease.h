// A lease: what a member of the cluster may do, and until when.
//
// A lease is a row that its holder renews. The holder counts by its own monotonic clock
// (CLOCK_BOOTTIME, which goes on while the process or the machine is suspended), from the moment
// before it asked for the renewal, and stops a margin early. Others take over only when they saw,
// by their own monotonic clock, no renewal for a whole ttl, and delete the row to say so. So a
// holder always stops before another takes over, whatever the wall clocks do, the database's
// included (docs/design.md, "The database is the coordinator").
//
//   if (!lease.holds()) co_return fail(lease_lost());
//
// Thread rule: safe from any thread.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/ast.h"

namespace halcyon::cluster {

class Lease {
 public:
  virtual ~Lease() = default;
  // The member that holds it: a UUID made anew for every run of a process.
  virtual const std::string& holder() const = 0;
  // By the monotonic clock. One atomic load.
  virtual bool holds() const = 0;
  virtual std::chrono::milliseconds ttl() const = 0;
  // Returns when the lease holds (again). Error 503 LEASE_LOST at ctx.deadline.
  virtual Task<Status> wait_until_held(const Context& ctx) = 0;
  // True in the database until somebody has declared this member gone (which needs that its lease
  // ran out): ANDed into a write, it fences off a member that was suspended for so long.
  virtual sql::Expr fence() const = 0;
  // The database's clock, milliseconds since 1970, counted on by the monotonic clock since the last
  // renewal. For display and for ids; never for deciding who holds what.
  virtual int64_t database_now_ms() const = 0;
};

// 503 LEASE_LOST: "This server has lost touch with the database, try again."
Error lease_lost();

}  // namespace halcyon::cluster
