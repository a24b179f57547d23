// The rows behind sql/migrations.h: what was applied, and the lock of who migrates.
//
// Every function runs on the executor it is given and leaves transactions to its caller. Private to
// sql.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "sql/ddl.h"
#include "sql/migrations.h"

namespace halcyon::sql {

struct LockHolder {
  std::string host, note;
};

class MigrationStore {
 public:
  MigrationStore(const MigrationOptions& options, std::string owner);

  Task<Result<bool>> has_tables(Executor& db, const Context& ctx) const;
  // Makes the tables; harmless when they are there or appear at the same time.
  Task<Status> create_tables(Executor& db, const Context& ctx) const;

  using Records = std::map<int, MigrationInfo>;  // by number
  Task<Result<Records>> read(Executor& db, const Context& ctx) const;
  // Where a migration stands: `cursor`, `done` and `total` of the step are set from its record.
  Task<Status> resume(const Context& ctx, int number, MigrationStep& step) const;
  // Writes the record of a migration in this state; an existing one is changed.
  Task<Status> write(Executor& db, const Context& ctx, const Migration& migration,
                     MigrationState state, const MigrationStep& step) const;
  Task<Status> remove(Executor& db, const Context& ctx, int number) const;

  // The lock's token, or nullopt: somebody else has it.
  Task<Result<std::optional<int64_t>>> take(Executor& db, const Context& ctx) const;
  // Extends the lease. 503 MIGRATION_LOCK_LOST when the lock is another's by now. In a transaction
  // it also holds the lock's row until the end.
  Task<Status> renew(Executor& db, const Context& ctx, int64_t token) const;
  // The same question without a write.
  Task<Status> check(Executor& db, const Context& ctx, int64_t token) const;
  Task<Status> note(Executor& db, const Context& ctx, int64_t token, std::string text) const;
  Task<Status> release(Executor& db, const Context& ctx, int64_t token) const;
  Task<Result<LockHolder>> holder(Executor& db, const Context& ctx) const;

 private:
  TableRef records() const;
  TableRef lock() const;
  Task<Status> create(Executor& db, const Context& ctx, const TableSpec& spec) const;

  std::string prefix_, schema_, version_, host_, owner_;
  int64_t ttl_ms_;
};

}  // namespace halcyon::sql
