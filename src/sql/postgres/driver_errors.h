// What PostgreSQL's errors mean here. Only for sql/postgres. Pure functions.
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon::sql::postgres {

// SQLSTATE of an error, or "".
std::string_view sqlstate(const PGresult* result);
// An error of the server -> the ids of sql/database.h, with the columns where it tells them.
Error map_error(const PGresult* result);
std::string_view id_of_sqlstate(std::string_view state);

// The session ends with this error, or is of no more use: the server goes down, or became a
// read-only replica.
bool ends_session(std::string_view state);
// Waiting for the server will not help: wrong password, missing database, wrong certificate.
// `text` is libpq's message of a failed connection in PQERRORS_VERBOSE.
bool is_permanent_refusal(std::string_view text);

}  // namespace halcyon::sql::postgres
