// Aggregates (reference B.2): measures, dimensions, filter, having, orders to one SELECT.
//
//   TRY(QueryPlan plan, plan_query(call, target, params));     // the body is params.values
//
// Pure. Errors: 400 INVALID_QUERY, UNKNOWN_FIELD, INVALID_VALUE, ...; 403 FIELD_NOT_READABLE.
#pragma once

#include <string>
#include <vector>

#include "data/request.h"
#include "sql/ast.h"

namespace halcyon::data {

struct QueryPlan {
  enum class Output { kField, kNumber, kText };
  struct Column {
    std::string alias;
    const schema::Field* field = nullptr;
    Output output = Output::kField;
  };
  sql::Select select;
  std::vector<Column> columns;  // parallel to select.columns
};

Result<QueryPlan> plan_query(const Call& call, const Target& target, const Params& params);

}  // namespace halcyon::data
