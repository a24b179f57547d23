// Guesses: field definitions for tables and views nobody declared, types for the columns of a
// query, and whether a text is one reading SELECT.
#pragma once

#include <string>
#include <string_view>

#include "json/json.h"
#include "sql/ddl.h"

namespace halcyon::schema {

// One definition a column: name, type, interface, field (the column), keys, nullability, uiSchema.
json::Array guess_fields(const sql::TableInfo& info);
json::Object fields_by_name(const json::Array& fields);

// {data: [rows], fields: {name: {type, ...}}, sources: []}
json::Object sql_answer(const sql::Rows& rows);

// Without white space and semicolons at its ends.
std::string trim_statement(std::string_view sql);

}  // namespace halcyon::schema
