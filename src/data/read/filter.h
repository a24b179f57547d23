// Filters: API form -> checked tree -> SQL. Used by reads, by writes (which rows?) and for row
// scopes.
//
//   CO: Result<FilterPlan> plan = plan_filter(scope, collection, filter_json);
//
// Semantics: reference C. A row matches when the predicate holds for some combination of related
// rows (LEFT JOIN semantics); the planner uses plain joins for to-one paths and a key IN (SELECT
// ...) for to-many paths, so that a row never appears twice. An unknown field or operator is 400
// UNKNOWN_FIELD / UNKNOWN_OPERATOR, a bad operand 400 INVALID_VALUE, naming the path.
#pragma once

#include <string>
#include <vector>

#include "data/request.h"
#include "sql/ast.h"

namespace halcyon::data {

// Hands out aliases unique within one statement.
class Aliases {
 public:
  std::string next(std::string_view hint) { return std::string(hint) + std::to_string(++count_); }

 private:
  int count_ = 0;
};

struct FilterPlan {
  std::vector<sql::Join> joins;  // to-one joins on the root alias, each path once
  sql::Expr where;               // nullptr: everything
};

// `alias` is the alias of `collection` in the statement being built.
Result<FilterPlan> plan_filter(const Call& call, const schema::Collection& collection,
                               const std::string& alias, Aliases& aliases,
                               const json::Value& filter);

// The same for the server's own filters (row scopes of a grant): fields need not be readable by the
// caller, where plan_filter refuses such fields with 403 FIELD_NOT_READABLE.
Result<FilterPlan> plan_scope(const Call& call, const schema::Collection& collection,
                              const std::string& alias, Aliases& aliases, const json::Value& scope);

// filterByTk -> predicate on the filter target key. Error INVALID_FILTER_BY_TK.
Result<sql::Expr> plan_filter_by_tk(const Call& call, const schema::Collection& collection,
                                    const std::string& alias, const json::Value& filter_by_tk);

// Replaces "{{ ... }}" variables (reference C.5) in a filter.
Result<json::Value> resolve_variables(const Call& call, const json::Value& filter);

// Is this filter worth the name (guards of update and destroy, reference A.4)?
bool is_effective_filter(const json::Value& filter);

// The rows a write is about: primary select of the given columns of the matching rows, scope
// included. `columns` are field names. Used by the writer; honours association targets (rows of
// this source only).
Result<sql::Select> plan_matching_rows(const Call& call, const Target& target, const Params& params,
                                       std::string_view action,
                                       const std::vector<std::string>& columns);

}  // namespace halcyon::data
