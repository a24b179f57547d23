// The second half of filter planning: parsed conditions meet the model and become SQL.
//
//   JoinTree tree(*call.model, collection, "r", aliases);
//   FilterPlanner planner(call, readable, tree, aliases);
//   TRY(sql::Expr where, planner.plan(json));                 // joins are in the tree
//
// A filter holds when its predicate is true for some combination of related rows. Conditions on
// to-one paths use the tree's joins; conditions on a to-many path become
// key IN (SELECT key FROM same collection LEFT JOIN ... WHERE ...), together with all others that
// share the path's first to-many relation, so that they speak of the same related row.
#pragma once

#include <string>
#include <vector>

#include "data/read/filter_parse.h"
#include "data/read/joins.h"
#include "data/read/predicate.h"
#include "data/read/readable.h"

namespace halcyon::data {

class FilterPlanner {
 public:
  // `trusted`: the filter is the server's own (row scopes): fields need not be readable.
  FilterPlanner(const Call& call, Readable& readable, JoinTree& tree, Aliases& aliases,
                bool trusted)
      : call_(call), readable_(readable), tree_(tree), aliases_(aliases), trusted_(trusted) {}

  // nullptr: everything matches. Variables are replaced here.
  Result<sql::Expr> plan(const json::Value& filter);

 private:
  // Conjuncts that must be planned in one sub-select, and the to-many paths they share.
  struct Group {
    std::vector<std::string> prefixes;
    std::vector<const FilterNode*> members;
  };
  void add_to_group(std::vector<Group>& groups, std::vector<std::string> prefixes,
                    const FilterNode& node) const;
  void collect_prefixes(const FilterNode& node, std::vector<std::string>& out) const;
  Result<sql::Expr> plan_group(const Group& group);
  // source_key IN (SELECT foreign_key FROM target WHERE ...): when the group speaks of one relation
  // of the root only and cannot hold without a related row, the root need not be joined again.
  const schema::Field* direct_relation(const Group& group) const;
  Result<sql::Expr> plan_direct(const Group& group, const schema::Field& relation);
  // `skip`: names of each path that lead to the tree's root already.
  Result<sql::Expr> emit(const FilterNode& node, JoinTree& tree, size_t skip = 0);
  Result<sql::Expr> emit_all(const Group& group, JoinTree& tree, size_t skip);
  Result<sql::Expr> emit_condition(const FilterNode& node, JoinTree& tree, size_t skip);
  Result<sql::Expr> emit_relation(const FilterNode& node, JoinTree& tree, JoinTree::Node& at,
                                  const schema::Field& relation);
  Status check_readable(const schema::Collection& collection, const schema::Field& field,
                        const FilterNode& node);

  const Call& call_;
  Readable& readable_;
  JoinTree& tree_;
  Aliases& aliases_;
  bool trusted_;
};

}  // namespace halcyon::data
