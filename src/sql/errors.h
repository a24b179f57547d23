// Errors of `Executor::run` by their stable id, so that every driver maps to the same code and
// client message (the list is in sql/database.h).
//
//   return fail(database_error("UNIQUE_VIOLATION", sqlite3_errmsg(db), "email"));
//
// Pure functions; safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon::sql {

// `internal` is the database's own text (for the log), `field` a comma list of columns or empty.
Error database_error(std::string_view id, std::string internal, std::string field = "");

// The connection was lost while COMMIT (or an autocommit write) was under way: it may have
// happened. Only a record in the database, such as an idempotency key, can tell.
Error commit_unknown(std::string internal);

}  // namespace halcyon::sql
