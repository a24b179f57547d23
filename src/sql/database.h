// A database: pools, lanes and transactions behind one interface; one implementation a dialect.
//
//   auto db = co_await open(options, io_pool);                       //
//   Result<std::unique_ptr<Database>> CO_TRY(Rows rows, co_await db->run(ctx, render(select,
//   db->dialect())));      // autocommit CO_TRY(int64_t id, co_await transact<int64_t>(*db, ctx,
//   [&](Transaction& tx) -> Task<Result<int64_t>> {
//     CO_TRY(Rows r, co_await tx.run(ctx, statement)); ... }));       // commit on value, rollback
//     on error
//
// The function given to `transact` may run more than once: it is repeated on serialization failure,
// deadlock or a connection lost before COMMIT was sent. It must not touch anything but the
// transaction and its own locals (reset them at its start).
//
// Errors of `run` (Error.id): UNIQUE_VIOLATION (409->400 above; `field` = comma list of columns
// when the database tells, `internal` = constraint), NOT_NULL_VIOLATION (field), CHECK_VIOLATION,
// VALUE_OUT_OF_RANGE, INVALID_VALUE, SERIALIZATION_FAILURE, DEADLOCK, UNKNOWN_TABLE_OR_COLUMN,
// SQL_SYNTAX, DATABASE_UNAVAILABLE (503), DATABASE_TIMEOUT (504), DATABASE_ERROR (500). Text of the
// database goes into `internal`. Thread rule: call from io threads; safe from any of them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/dialect.h"
#include "sql/hints.h"
#include "sql/value.h"

namespace halcyon::runtime {
class IoPool;
}

namespace halcyon::sql {

struct Options {
  DialectKind dialect = DialectKind::kSqlite;
  std::string storage = "storage/db/halcyon.sqlite";  // DB_STORAGE; ":memory:" is not supported
  std::string host = "localhost";                     // comma list for failover
  int port = 0;                                       // 0: the dialect's default
  std::string database, user, password;
  std::string schema;                               // PostgreSQL; empty = public
  std::string ssl_mode, ssl_ca, ssl_key, ssl_cert;  // value or file path
  bool ssl_reject_unauthorized = true;
  int pool_max = 5, pool_min = 0;  // connections for transactions, per process
  int pool_idle_ms = 10000, pool_acquire_ms = 60000, pool_evict_ms = 1000, pool_max_uses = 0;
  int lanes_per_thread = 1;      // PostgreSQL pipelined connections
  int lane_timeout_ms = 5000;    // statement_timeout on lanes
  int failover_wait_ms = 30000;  // DB_FAILOVER_WAIT
  bool log_statements = false;   // DB_LOGGING
  bool is_replica = false;       // only reads, of a server that may lag behind (sql/replicas.h)
  Options() = default;
};

// Runs statements: a Database (autocommit) or a Transaction.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual Task<Result<Rows>> run(const Context& ctx, Statement statement) = 0;
  virtual const Dialect& dialect() const = 0;
};

class Transaction : public Executor {
 public:
  // Called after COMMIT succeeded; not called on rollback. In order of registration.
  virtual void on_commit(std::move_only_function<void()> action) = 0;
  // The transaction's last statement, in one round trip with COMMIT where the driver can. When it
  // fails nothing is committed, and in_transaction answers what `explain` makes of its error. At
  // most one a transaction: a later call replaces an earlier one.
  virtual void before_commit(Statement last, std::function<Error(Error)> explain) = 0;
};

struct PoolStats {
  int open = 0, idle = 0, waiting = 0;
  int lanes = 0, lanes_open = 0;  // pipelined connections; those open count in `open` too
  int lane_load = 0;              // statements in them or waiting for them
  int64_t statements = 0, transactions = 0, retries = 0;
  int64_t failovers = 0;  // times another host of the list became the one that takes writes
};

// A server that follows the one that takes writes.
struct Standby {
  std::string name;  // application_name, or its address
  bool synchronous = false;
  double lag_bytes = 0, lag_seconds = 0;  // of what it has replayed, or written if it replays not
};

class Database : public Executor {
 public:
  using Body = std::function<Task<Status>(Transaction&)>;
  virtual Task<Status> in_transaction(const Context& ctx, Body body) = 0;
  virtual Task<Status> ping(const Context& ctx) = 0;  // for readiness
  virtual PoolStats stats() const = 0;
  // Empty where the database does not tell, or not this user.
  virtual Task<Result<std::vector<Standby>>> standbys(const Context&) {
    co_return std::vector<Standby>{};
  }
  // How many connections were found lost so far: the server behind them may be another one now.
  virtual uint64_t losses() const { return 0; }
  virtual const Options& options() const = 0;
  virtual Task<void> close() = 0;  // waits for running statements

  // Tells every process on this database that there may be something new (sql/hints.h): NOTIFY on
  // PostgreSQL, this process alone elsewhere. Cheap: coalesced, sent later. Never in a transaction.
  virtual void hint(std::string channel) { hints_.tell(channel); }
  // Lives as long as the database; what it captures must be weak. Called on any thread.
  virtual void on_hint(std::string channel, Hints::Callback callback) {
    hints_.add(channel, std::move(callback));
  }
  // A small database on the same data whose statements never wait behind those of this one: for
  // leases. nullptr where that would be no help, as on SQLite, which has one writer anyway.
  virtual Task<Result<std::unique_ptr<Database>>> open_beside(runtime::IoPool& io);
  // How long a small write may have to wait for one large transaction of somebody else, although
  // nothing is wrong: a lease must be longer. Not 0 only where one writer locks out all the others.
  virtual std::chrono::milliseconds longest_stall() const { return std::chrono::milliseconds(0); }

 private:
  Hints hints_;
};

template <class T, class F>
Task<Result<T>> transact(Database& db, const Context& ctx, F body) {
  std::optional<Result<T>> value;
  Database::Body run = [&value, &body](Transaction& tx) -> Task<Status> {
    value.emplace(co_await body(tx));
    if (!*value) co_return std::unexpected(value->error());
    co_return Status{};
  };
  Status status = co_await db.in_transaction(ctx, run);
  if (!status) co_return std::unexpected(std::move(status).error());
  co_return std::move(*value);
}

// Connects (one connection as a check) and returns the database of options.dialect.
Task<Result<std::unique_ptr<Database>>> open(const Options& options, runtime::IoPool& io);

}  // namespace halcyon::sql
