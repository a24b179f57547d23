// list and get as data: one statement for the rows, one for the count, and the shape of the answer.
//
//   TRY(ListPlan plan, plan_list(call, target, params, ListKind::kList));
//   sql::Statement page = sql::render(plan.page, dialect);
//
// Pure: needs no database.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/read/shape.h"

namespace halcyon::data {

enum class ListKind { kList, kGet };

struct ListPlan {
  sql::Select page;   // with limit and offset
  sql::Select count;  // only the joins its WHERE needs; nothing when `count_wanted` is false
  Shape shape;
  bool count_wanted = false;
  bool simple = false;              // hasNext instead of a count; `page` asks for one row more
  std::vector<std::string> tables;  // collections whose changes may change the count
};

// `extra`: one more filter, the server's own, ANDed in.
Result<ListPlan> plan_list(const Call& call, const Target& target, const Params& params,
                           ListKind kind, const json::Value& extra = {});

// list?tree=true with a filter: (primary key, parentId) of all matching rows.
Result<sql::Select> plan_tree_matches(const Call& call, const Target& target, const Params& params,
                                      const json::Value& extra = {});

}  // namespace halcyon::data
