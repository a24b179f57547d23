// One condition on one column: operator and operand to SQL (reference C.2, C.3).
//
// NULL semantics are those of C.2 and the same on every dialect. Operands are read by the field's
// type; a bad one is 400 INVALID_VALUE, an operator that means nothing for the field 400
// OPERATOR_NOT_APPLICABLE, both naming the dotted path. Never an SQL error.
#pragma once

#include <string>

#include "data/read/operators.h"
#include "data/request.h"
#include "sql/ast.h"

namespace halcyon::data {

struct Subject {
  sql::Expr expr;  // the column, or the text found at `json_path`
  const schema::Field* field = nullptr;
  std::string json_path;  // not empty: a place inside a JSON column
  std::string path;       // for messages: "customer.name"
};

Result<sql::Expr> build_predicate(const Call& call, const Subject& subject, Op op,
                                  const json::Value& operand);

// Errors shared with the relation operators.
std::unexpected<Error> not_applicable(std::string_view path, Op op, std::string_view type,
                                      std::string_view expected = "");
std::unexpected<Error> bad_operand(std::string_view path, Op op, std::string_view expected);

// true/false, also as "true", "false", 1, 0.
std::optional<bool> as_flag(const json::Value& value);

}  // namespace halcyon::data
