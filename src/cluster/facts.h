// What all members must agree on: short texts by name, kept in the database.
//
//   CO_TRY(std::string stored, co_await agree(db, tables, ctx, "app_key", ours));
//   if (stored != ours) ...           // somebody said something else first
//
// Thread rule: from io threads.
#pragma once

#include <string>

#include "base/result.h"
#include "cluster/tables.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

// Stores `value` unless the name has one already; the value that stands.
Task<Result<std::string>> agree(sql::Database& db, Tables tables, const Context& ctx,
                                std::string name, std::string value);
// Puts `value` in place of `old`; false: it was not `old` any more.
Task<Result<bool>> replace_fact(sql::Database& db, Tables tables, const Context& ctx,
                                std::string name, std::string old, std::string value);

}  // namespace halcyon::cluster
