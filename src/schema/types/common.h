// Shared by the field types of this folder: error texts, text checks, row locks.
#pragma once

#include <string>
#include <string_view>

#include "schema/field_type.h"

namespace halcyon::schema::types {

// 400 INVALID_VALUE: field "age" must be <expected>, not <what came>.
std::unexpected<Error> bad_value(const Field& field, std::string_view expected,
                                 const json::Value& got);
std::unexpected<Error> bad_options(std::string_view option, std::string_view message);

// Valid UTF-8 without NUL (PostgreSQL cannot store it)? `text` is what came in.
Status check_text(const Field& field, std::string_view text);
// The same for all strings inside a JSON value.
Status check_json_text(const Field& field, const json::Value& value);
size_t count_code_points(std::string_view text);
// VALUE_TOO_LONG when the column is a VARCHAR shorter than `text`.
Status check_length(const Field& field, std::string_view text);

// The shortest plain text of a JSON number, as JavaScript writes it: 1.5, not 1.5E0.
std::string number_text(const json::Value& number);
// A string, or a number as its text; anything else is refused.
Result<std::string> read_text(const Field& field, const json::Value& input);
// A whole number, also as exact text. `expected` for the message.
Result<int64_t> read_integer(const Field& field, const json::Value& input,
                             std::string_view expected = "an integer");

// JSON number for an integer cell, text beyond 2^53-1 (JavaScript's safe integers).
void write_integer(sql::Cell cell, json::Writer& out);

// Holds a row of `sequences` until the transaction ends, so that two writers of one field (sort,
// radio, sequence) go one after the other on every dialect.
Task<Status> lock_field(FieldWrite& write, int64_t key);

}  // namespace halcyon::schema::types
