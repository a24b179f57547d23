// Date operators of reference C.4: a value is an instant or a half-open period; zones are those of
// the value, the field, the request, in that order.
#pragma once

#include "data/read/predicate.h"

namespace halcyon::data {

bool is_date_operator(Op op);

// subject.field is a kDateTime or kDateOnly field.
Result<sql::Expr> build_date_predicate(const Call& call, const Subject& subject, Op op,
                                       const json::Value& operand);

}  // namespace halcyon::data
