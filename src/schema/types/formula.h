// What formula fields give: used when a record is saved, and when a changed formula is worked out
// for all rows.
#pragma once

#include <functional>
#include <memory>

#include "expr/expression.h"
#include "schema/field_type.h"

namespace halcyon::schema::types {

// Error 400 INVALID_EXPRESSION, INVALID_FIELD_OPTIONS.
Result<std::shared_ptr<const expr::Expression>> parse_formula(const json::Object& options);
// Does the formula read this field of its record?
bool formula_uses(const Field& formula, std::string_view field);

// A cell as formulas see it: as the API shows it, except that decimals and large integers (texts in
// the API) are numbers.
Result<json::Value> formula_operand(const Field& field, sql::Cell cell);
// `operand` gives the value of another field of the record. NULL when the result does not fit the
// formula's type.
Result<sql::Value> compute_formula(const Collection& collection, const Field& formula,
                                   const std::function<Result<json::Value>(const Field&)>& operand);

}  // namespace halcyon::schema::types
