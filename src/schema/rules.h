// Checks of validation rules when they are defined; applying them is check_rules (field_type.h).
#pragma once

#include "base/result.h"
#include "json/json.h"

namespace halcyon::schema {

// Error 400 INVALID_FIELD_OPTIONS: a pattern that is no regular expression, a limit that is no
// number.
Status check_rule_definitions(const json::Array& rules);

}  // namespace halcyon::schema
