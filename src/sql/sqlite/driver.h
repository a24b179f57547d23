// SQLite: one file in WAL mode, one writer thread and some reader threads a process; several
// processes may share the file.
//
//   CO_TRY(auto db, co_await sqlite::open_sqlite(options, io));
//
// - `is_write` decides the connection. Reads run beside each other and beside the writer, on the
//   last committed state.
// - Writes and transactions take turns, first come first served, until their deadline. Autocommit
//   writes that wait next to each other are committed together, so that they share one fsync; each
//   still succeeds or fails alone.
// - Transactions start with BEGIN IMMEDIATE at their first statement and never deadlock. Between
//   processes the write lock is polled with short random pauses until the deadline.
// - synchronous = FULL: an acknowledged write survives the crash of the process and of the machine.
// - Foreign keys are off (the layers above keep relations), LIKE compares exactly, and the
//   functions and the collation of sql/sqlite/dialect.h are there.
// - A statement that fails inside a transaction ends it, as on PostgreSQL: later statements and the
//   commit answer with the same error.
#pragma once

#include <memory>

#include "sql/database.h"

namespace halcyon::sql::sqlite {

Task<Result<std::unique_ptr<Database>>> open_sqlite(Options options, runtime::IoPool& io);

}  // namespace halcyon::sql::sqlite
