#include "sql/postgres/driver_errors.h"

#include <array>

#include "base/text.h"
#include "sql/errors.h"

namespace halcyon::sql::postgres {

namespace {

struct Mapping {
  std::string_view state;  // five characters, or a class of two
  std::string_view id;
};

// The first that fits counts: states before their classes.
constexpr std::array kMappings{
    Mapping{"23505", "UNIQUE_VIOLATION"},
    Mapping{"23502", "NOT_NULL_VIOLATION"},
    Mapping{"23", "CHECK_VIOLATION"},  // check, foreign key, exclusion
    Mapping{"44000", "CHECK_VIOLATION"},
    Mapping{"22003", "VALUE_OUT_OF_RANGE"},
    Mapping{"22001", "VALUE_OUT_OF_RANGE"},  // longer than the column
    Mapping{"54000", "VALUE_OUT_OF_RANGE"},  // longer than an index takes
    Mapping{"22", "INVALID_VALUE"},
    Mapping{"40003", "DATABASE_COMMIT_UNKNOWN"},
    Mapping{"40P01", "DEADLOCK"},
    Mapping{"55P03", "DEADLOCK"},  // lock timeout: a deadlock for all we know
    Mapping{"40", "SERIALIZATION_FAILURE"},
    Mapping{"42P01", "UNKNOWN_TABLE_OR_COLUMN"},
    Mapping{"42703", "UNKNOWN_TABLE_OR_COLUMN"},
    Mapping{"42704", "UNKNOWN_TABLE_OR_COLUMN"},
    Mapping{"3F000", "UNKNOWN_TABLE_OR_COLUMN"},
    Mapping{"42501", "DATABASE_ERROR"},  // privileges
    Mapping{"42", "SQL_SYNTAX"},
    Mapping{"57014", "DATABASE_TIMEOUT"},
    Mapping{"57", "DATABASE_UNAVAILABLE"},
    Mapping{"08", "DATABASE_UNAVAILABLE"},
    Mapping{"53300", "DATABASE_UNAVAILABLE"},
    Mapping{"25006", "DATABASE_UNAVAILABLE"},
    Mapping{"25P03", "DATABASE_UNAVAILABLE"},
};

std::string_view field_of(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text != nullptr ? text : std::string_view{};
}

// "Key (a, "createdAt")=(1, 2) already exists." -> "a,createdAt"
std::string columns_of_key(std::string_view detail) {
  size_t open = detail.find('(');
  size_t close = detail.find(")=(");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return "";
  std::string columns;
  for (std::string_view part : split(detail.substr(open + 1, close - open - 1), ',')) {
    part = trim(part);
    if (part.size() > 1 && part.front() == '"' && part.back() == '"') {
      part = part.substr(1, part.size() - 2);
    }
    if (!columns.empty()) columns += ',';
    columns += part;
  }
  return columns;
}

}  // namespace

std::string_view sqlstate(const PGresult* result) { return field_of(result, PG_DIAG_SQLSTATE); }

std::string_view id_of_sqlstate(std::string_view state) {
  for (const Mapping& mapping : kMappings) {
    if (state.starts_with(mapping.state)) return mapping.id;
  }
  return "DATABASE_ERROR";
}

Error map_error(const PGresult* result) {
  std::string_view state = sqlstate(result);
  // Without a state it is libpq that speaks: the connection broke.
  std::string_view id = state.empty() ? "DATABASE_UNAVAILABLE" : id_of_sqlstate(state);
  std::string text(field_of(result, PG_DIAG_MESSAGE_PRIMARY));
  if (text.empty()) text = trim(PQresultErrorMessage(result));
  if (!state.empty()) text += " (" + std::string(state) + ")";
  std::string field;
  if (state == "23505") {
    field = columns_of_key(field_of(result, PG_DIAG_MESSAGE_DETAIL));
  } else {
    field = field_of(result, PG_DIAG_COLUMN_NAME);
  }
  return database_error(id, std::move(text), std::move(field));
}

bool ends_session(std::string_view state) {
  return state.starts_with("08") || (state.starts_with("57P") && state != "57P04") ||
         state == "25006" || state == "25P03";
}

bool is_permanent_refusal(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTexts{" 28P01: ",
                                                   " 28000: ",
                                                   " 3D000: ",
                                                   "certificate verify failed",
                                                   "server does not support SSL",
                                                   "server certificate for"};
  for (std::string_view part : kTexts) {
    if (text.contains(part)) return true;
  }
  return false;
}

}  // namespace halcyon::sql::postgres
