// sort: "-createdAt", "customer.name" (to-one paths only), the row key always last.
#pragma once

#include <string>
#include <vector>

#include "data/read/joins.h"
#include "data/read/readable.h"

namespace halcyon::data {

// Errors: 400 UNKNOWN_FIELD, INVALID_SORT; 403 FIELD_NOT_READABLE. NULLs come last either way.
Result<std::vector<sql::Order>> plan_sort(const Call& call, Readable& readable, JoinTree& tree,
                                          Aliases& aliases, const std::vector<std::string>& sort);

}  // namespace halcyon::data
