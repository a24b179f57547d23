// A stored value of one field as a value of another: what a change of type does to each row.
#pragma once

#include "schema/model.h"
#include "sql/value.h"

namespace halcyon::schema {

// Error: the value has no counterpart.
Result<sql::Value> convert_cell(const Field& from, const Field& to, sql::Cell cell);

}  // namespace halcyon::schema
