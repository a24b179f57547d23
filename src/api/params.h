// Query string and body to data::Params: reference A.3, A.4, A.5.
//
// Values of a query string are text; this is where they become numbers, booleans and JSON.
// Parameters that are not known stay in Params::extra. Errors: 400 INVALID_PARAMETER (names it),
// INVALID_JSON.
#pragma once

#include <optional>
#include <string>

#include "data/request.h"

namespace halcyon::api {

Result<data::Params> parse_params(json::Object query, const std::optional<std::string>& path_tk);

}  // namespace halcyon::api
