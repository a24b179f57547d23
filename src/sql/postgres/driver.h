// PostgreSQL: asynchronous libpq in pipeline mode (docs/design.md §4).
//
// Each io thread has lanes (pipelined connections for short autocommit statements) and a small pool
// (transactions, slow statements). Reads that arrive in one turn of the loop share one Sync, so
// that a batch costs one send; when one of them fails, those behind it are sent again. A write is
// always alone in its Sync: it is committed when it is answered.
#pragma once

#include <memory>

#include "sql/database.h"

namespace halcyon::sql::postgres {

// Connects once as a check; waits up to options.failover_wait_ms for a server that takes writes.
Task<Result<std::unique_ptr<Database>>> open_postgres(Options options, runtime::IoPool& io);

}  // namespace halcyon::sql::postgres
