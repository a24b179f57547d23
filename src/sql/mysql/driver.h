// MySQL and MariaDB: a bounded pool of connections (DB_POOL_MAX) with a thread each.
//
//   CO_TRY(auto db, co_await mysql::open_mysql(options, io));
//
// - DB_HOST is tried in order for a server that takes writes (read_only is off), first the one that
//   was good last. While there is none, calls wait until their deadline or DB_FAILOVER_WAIT, then
//   fail with DATABASE_UNAVAILABLE.
// - A statement still running at the deadline is given up with its connection (DATABASE_TIMEOUT);
//   the server is told to KILL it.
// - Reads and conflicts are tried again after a lost connection. A write whose answer was lost is
//   DATABASE_COMMIT_UNKNOWN, as it may have happened.
// - Sessions: utf8mb4, time zone UTC, strict sql_mode, READ COMMITTED. `affected` counts the rows
//   found by an UPDATE, as on the other dialects, not only those that changed.
// - The server tells whether it is MySQL or MariaDB; DB_DIALECT need not be exact.
// - A statement that fails inside a transaction ends it, as on PostgreSQL: later statements and the
//   commit answer with the same error.
// - One statement a call: a text with several is a syntax error.
#pragma once

#include <memory>

#include "sql/database.h"

namespace halcyon::sql::mysql {

Task<Result<std::unique_ptr<Database>>> open_mysql(Options options, runtime::IoPool& io);

}  // namespace halcyon::sql::mysql
