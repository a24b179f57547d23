// list?tree=true: which rows are roots, and which nodes are shown below them.
//
// Without a filter the roots are the rows without a parent, with all their descendants. With one,
// the rows that match are shown with their ancestors, nothing else; a row whose parent the caller
// may not see is a root. Pages and totals count roots.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>

#include "data/request.h"

namespace halcyon::data {

struct TreeFilter {
  json::Value roots;  // trusted filter that selects the roots; null: no tree
  std::optional<std::unordered_set<std::string>> keep;  // keys to show; nullopt: all
};

// With a filter, `params.filter` and `filter_by_tk` are moved into the result.
Task<Result<TreeFilter>> plan_tree(const Call& call, const Target& target, Params& params);

}  // namespace halcyon::data
