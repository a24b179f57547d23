#include "sql/errors.h"

#include <array>

namespace halcyon::sql {

namespace {

struct Kind {
  std::string_view id;
  Code code;
  std::string_view message;
};

constexpr std::array kKinds{
    Kind{"UNIQUE_VIOLATION", Code::kConflict, "This value is taken already."},
    Kind{"NOT_NULL_VIOLATION", Code::kInvalidArgument, "This field must have a value."},
    Kind{"CHECK_VIOLATION", Code::kInvalidArgument, "The value breaks a rule of the table."},
    Kind{"VALUE_OUT_OF_RANGE", Code::kInvalidArgument, "The value is too large for its field."},
    Kind{"INVALID_VALUE", Code::kInvalidArgument, "The value does not fit the type of its field."},
    Kind{"SERIALIZATION_FAILURE", Code::kUnavailable, "The data changed meanwhile, try again."},
    Kind{"DEADLOCK", Code::kUnavailable, "The data is being changed by others, try again."},
    Kind{"UNKNOWN_TABLE_OR_COLUMN", Code::kInternal, "A table or column is missing."},
    Kind{"SQL_SYNTAX", Code::kInternal, "The database refused the statement."},
    Kind{"DATABASE_UNAVAILABLE", Code::kUnavailable, "The database is not available, try again."},
    Kind{"DATABASE_TIMEOUT", Code::kDeadlineExceeded, "The database took too long to answer."},
    Kind{"DATABASE_COMMIT_UNKNOWN", Code::kUnavailable,
         "The connection broke while saving; it is not known whether the change was saved."},
};
constexpr Kind kOther{"DATABASE_ERROR", Code::kInternal, "The database reported an error."};

}  // namespace

Error database_error(std::string_view id, std::string internal, std::string field) {
  const Kind* kind = &kOther;
  for (const Kind& candidate : kKinds) {
    if (candidate.id == id) kind = &candidate;
  }
  Error error(kind->code, std::string(kind->id), std::string(kind->message));
  error.internal = std::move(internal);
  error.field = std::move(field);
  return error;
}

Error commit_unknown(std::string internal) {
  return database_error("DATABASE_COMMIT_UNKNOWN", std::move(internal));
}

}  // namespace halcyon::sql
