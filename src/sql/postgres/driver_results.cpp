// Results and errors of libpq in our forms (sql/value.h, sql/database.h).
#include <cstring>
#include <string_view>

#include "base/text.h"
#include "sql/errors.h"
#include "sql/postgres/connection_internal.h"

namespace halcyon::sql::postgres {
namespace {

constexpr Oid kBool = 16, kBytea = 17, kTimestampTz = 1184;

struct Owner {
  PGresult* result;
  std::deque<std::string> decoded;  // bytes
  explicit Owner(PGresult* r) : result(r) {}
  ~Owner() { PQclear(result); }
  Owner(const Owner&) = delete;
};

// "Key (a, b)=(1, 2) already exists." -> "a,b"
std::string key_columns(std::string_view detail) {
  const auto open = detail.find("Key ("), close = detail.find(")=");
  if (open == std::string_view::npos || close == std::string_view::npos) return "";
  std::string columns;
  for (std::string_view part : split(detail.substr(open + 5, close - open - 5), ',')) {
    part = trim(part);
    if (part.starts_with('"') && part.ends_with('"') && part.size() > 1)
      part = part.substr(1, part.size() - 2);
    columns += (columns.empty() ? "" : ",") + std::string(part);
  }
  return columns;
}

std::string_view id_of(std::string_view state, std::string_view message) {
  if (state == "23505") return "UNIQUE_VIOLATION";
  if (state == "23502") return "NOT_NULL_VIOLATION";
  if (state.starts_with("23")) return "CHECK_VIOLATION";
  if (state == "22003") return "VALUE_OUT_OF_RANGE";
  if (state == "40001") return "SERIALIZATION_FAILURE";
  if (state == "40P01") return "DEADLOCK";
  if (state == "42P01" || state == "42703" || state == "42P02") return "UNKNOWN_TABLE_OR_COLUMN";
  if (state == "26000" ||
      (state == "0A000" && message.find("cached plan") != std::string_view::npos))
    return "STALE_STATEMENT";
  if (state.starts_with("22")) return "INVALID_VALUE";
  if (state == "42601") return "SQL_SYNTAX";
  if (state == "57014" || state == "55P03") return "DATABASE_TIMEOUT";
  if (state.starts_with("57P") || state.starts_with("08") || state == "53300" || state == "25006")
    return "DATABASE_UNAVAILABLE";
  return "DATABASE_ERROR";
}

}  // namespace

Error error_of(PGresult* result) {
  auto text = [result](int code) {
    const char* value = PQresultErrorField(result, code);
    return std::string_view(value == nullptr ? "" : value);
  };
  const std::string_view state = text(PG_DIAG_SQLSTATE);
  const std::string_view message = text(PG_DIAG_MESSAGE_PRIMARY);
  std::string field;
  if (state == "23505") field = key_columns(text(PG_DIAG_MESSAGE_DETAIL));
  if (state == "23502") field = std::string(text(PG_DIAG_COLUMN_NAME));
  std::string internal = std::string(state) + " " + std::string(message);
  if (const auto constraint = text(PG_DIAG_CONSTRAINT_NAME); !constraint.empty())
    internal += " [" + std::string(constraint) + "]";
  const std::string_view id = id_of(state, message);
  if (id == "STALE_STATEMENT") {
    Error error = database_error("SERIALIZATION_FAILURE", std::move(internal));
    error.id = "STALE_STATEMENT";
    return error;
  }
  return database_error(id, std::move(internal), std::move(field));
}

Rows rows_of(PGresult* result) {
  auto owner = std::make_shared<Owner>(result);
  Rows rows;
  const int columns = PQnfields(result), count = PQntuples(result);
  rows.columns.reserve(static_cast<size_t>(columns));
  for (int c = 0; c < columns; ++c) rows.columns.emplace_back(PQfname(result, c));
  rows.cells.resize(static_cast<size_t>(columns) * static_cast<size_t>(count));
  for (int c = 0; c < columns; ++c) {
    const Oid type = PQftype(result, c);
    for (int r = 0; r < count; ++r) {
      if (PQgetisnull(result, r, c) != 0) continue;
      Cell& cell = rows.cells[static_cast<size_t>(r) * static_cast<size_t>(columns) +
                              static_cast<size_t>(c)];
      cell.data = PQgetvalue(result, r, c);
      cell.length = PQgetlength(result, r, c);
      if (type == kBool) {
        const bool yes = *cell.data == 't';
        cell.data = yes ? "true" : "false";
        cell.length = yes ? 4 : 5;
      } else if (type == kTimestampTz) {
        if (cell.text().ends_with("+00")) cell.length -= 3;
      } else if (type == kBytea && cell.length >= 2) {
        owner->decoded.push_back(hex_decode(cell.text().substr(2)).value_or(""));
        cell.data = owner->decoded.back().data();
        cell.length = static_cast<int32_t>(owner->decoded.back().size());
      }
    }
  }
  const bool is_select = std::string_view(PQcmdStatus(result)).starts_with("SELECT");
  if (!is_select) rows.affected = to_int64(PQcmdTuples(result)).value_or(0);
  rows.owner = std::move(owner);
  return rows;
}

}  // namespace halcyon::sql::postgres
