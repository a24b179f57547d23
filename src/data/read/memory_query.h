// list and get over rows that are already in memory (collections:list, fields:list, ...), with the
// parameters and the answers of data::list.
//
//   TRY(Answer a, memory_list(definitions, params, "name", call));
//
// `filter` is evaluated untyped (data/read/evaluate.h); `fields`, `except` and `sort` take dotted
// paths; `appends` are the caller's business: what is in the rows is shown. Pure.
#pragma once

#include <string_view>

#include "data/request.h"

namespace halcyon::data {

// `key`: the member that filterByTk compares.
Result<Answer> memory_list(const json::Array& rows, const Params& params, std::string_view key,
                           const Call& call);
Result<Answer> memory_get(const json::Array& rows, const Params& params, std::string_view key,
                          const Call& call);  // first match, else null

}  // namespace halcyon::data
