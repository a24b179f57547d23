// Query strings in the bracket notation of the `qs` library (reference A.3), as JSON values.
//
//   parse_query("fields[]=id&fields[]=name&filter[a][$eq]=1&tree")
//     -> {"fields":["id","name"],"filter":{"a":{"$eq":"1"}},"tree":null}
//
// Values are strings; a key without "=" is null. Lists with an index above 100 become objects with
// index keys, as in qs. More than 1,000 parameters or brackets nested deeper than 20 are 400
// INVALID_QUERY (qs drops or keeps them as text; a filter must not lose a part silently).
#pragma once

#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace halcyon::net {

Result<json::Value> parse_query(std::string_view query);

}  // namespace halcyon::net
