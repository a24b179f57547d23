// Rules for names of collections and fields, and names of their tables and columns.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon::schema {

// Longest identifier PostgreSQL keeps; the shortest limit of our databases.
constexpr size_t kMaxIdentifier = 63;

// Letters, digits, "_" and "-"; not empty, at most 63 bytes. Error 400 INVALID_NAME.
// `what`: "collection" or "field".
Status check_name(std::string_view what, std::string_view name);
// The physical name must fit too (prefix, snake case). Error 400 NAME_TOO_LONG.
Status check_identifier(std::string_view what, std::string_view name, std::string_view physical);

std::string physical_name(std::string_view name, std::string_view prefix, bool underscored);

}  // namespace halcyon::schema
