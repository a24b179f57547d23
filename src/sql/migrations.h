// Migrations: an ordered list of steps that bring the database from one version of the program to
// the next while replicas of both versions serve.
//
// Each has a phase. An expand migration adds (tables, columns, indexes, filled values) and harms no
// older replica; it runs at start, before this replica serves. A contract migration takes away what
// only older replicas used; it runs when every member of the cluster is new enough, tried at start
// and by `watch`; a member that the others gave up asks `may_return` before it serves again. The
// number of the last migration is the program's schema version. A program serves a database that
// has all its own expand migrations and no contract migration of a later version; outside that
// range it is unready (`fit`) or, at start, refuses.
//
//   Migrations migrations(db, {{1, "members", MigrationPhase::kExpand, add_members}}, options);
//   CO_TRY_STATUS(co_await migrations.start(ctx));    // one process migrates, the others wait
//   migrations.watch(io.thread(0));                   // contract migrations, later; readiness
//   ... migrations.fit().serves ...
//
// One process migrates at a time: a row with a lease by the database's clock and a token that grows
// with each holder, so that it works behind poolers. The lease is renewed as long as the holder
// lives, and each step commits only if the lease is still its own. A step is one transaction with
// its own record (with its DDL where the dialect can; else, on MySQL and MariaDB, it must bear to
// be run again), so a process killed anywhere leaves what the next one finishes.
// Thread rule: start, contract, check and status from io threads; fit from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/io.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::sql {

enum class MigrationPhase { kExpand, kContract };

// One call of a migration, in one transaction. A long one does a batch a call: it sets `finished`
// to false and leaves in `cursor` where it stopped; both are kept with the batch.
struct MigrationStep {
  Executor& db;
  const Context& ctx;
  std::string cursor;           // of the batch before; empty at first; at most 255 bytes
  int64_t done = 0, total = 0;  // progress that people see; total 0: not known
  bool finished = true;
};

struct Migration {
  int number = 0;  // from 1, growing; never used again for anything else
  std::string name;
  MigrationPhase phase = MigrationPhase::kExpand;
  std::function<Task<Status>(MigrationStep&)> run;
  // False: it runs outside of a transaction, makes its own, and bears to be run again.
  bool in_transaction = true;
};

struct MigrationOptions {
  std::string table_prefix, schema;  // of the tables halcyon_migrations, halcyon_migration_lock
  std::string version, host;         // of this program, shown to people
  std::chrono::milliseconds lock_ttl{60'000};
  std::chrono::milliseconds poll_interval{100};        // of a process that waits for another
  std::chrono::milliseconds progress_interval{5'000};  // of log lines
  std::chrono::milliseconds watch_interval{5'000};
  // What is described, not migrated: tables made from definitions. `fits` is a cheap look;
  // `make` runs under the lock, before the expand migrations, and may run again.
  std::function<Task<Result<bool>>(const Context&)> base_fits;
  std::function<Task<Status>(const Context&)> make_base;
  // The lowest schema version of all members, this one included, and of those too that only seem
  // dead: who has a row may still write. Without it no contract migration runs.
  std::function<Task<Result<int64_t>>(const Context&)> oldest_member_version;
  MigrationOptions() = default;
};

enum class MigrationState {
  kPending,
  kAnnounced,  // contract: about to run unless an older member is found; nothing done yet
  kRunning,
  kApplied,
};
struct MigrationInfo {
  int number = 0;
  std::string name;
  MigrationPhase phase = MigrationPhase::kExpand;
  MigrationState state = MigrationState::kPending;
  int64_t done = 0, total = 0;
  int64_t applied_at_ms = 0;  // by the database's clock
  std::string version;        // of the program that ran it
  bool known = true;          // false: of a later version than this program
};

struct SchemaFit {
  bool serves = false;
  std::string reason;  // why not: one sentence for the log and for /healthz/ready
};

class Migrations {
 public:
  // Throws std::logic_error for a list that is not in order.
  Migrations(Database& db, std::vector<Migration> list, MigrationOptions options);
  ~Migrations();  // after stop_watching
  Migrations(const Migrations&) = delete;

  int schema_version() const;  // number of the last migration; 0: none
  // Applies what is pending of the expand phase, or waits until another process has; then tries the
  // contract phase. Errors: 500 SCHEMA_TOO_NEW (this program is too old for the database), 503
  // MIGRATION_LOCKED (another process took until ctx.deadline), 500 MIGRATION_FAILED.
  Task<Status> start(const Context& ctx);
  // Runs the contract migrations that all live members are new enough for. False: some must wait.
  Task<Result<bool>> contract(const Context& ctx);
  // Reads the state again and renews fit().
  Task<Status> check(const Context& ctx);
  // For a member that the others had given up and that has joined again: false while the database
  // is too new for it. Nobody waited for it with a contract migration meanwhile.
  Task<Result<bool>> may_return(const Context& ctx);
  SchemaFit fit() const;
  // All migrations this program knows and those the database knows beyond them. Changes nothing.
  Task<Result<std::vector<MigrationInfo>>> status(const Context& ctx);

  // Calls check and contract every watch_interval on this io thread until stop_watching returned.
  void watch(runtime::IoThread& io);
  Task<void> stop_watching();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

std::string_view to_text(MigrationPhase phase);
std::string_view to_text(MigrationState state);

}  // namespace halcyon::sql
