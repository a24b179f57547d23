// Association resources: `customers/5/orders` restricts rows of the target to those of one source.
#pragma once

#include "data/read/filter.h"

namespace halcyon::data {

// The restriction that target.association and target.source_id put on rows of target.collection
// under `alias`; nullptr when the target is no association resource. A source that does not exist
// restricts to nothing. Errors: 400 INVALID_SOURCE_ID.
Result<sql::Expr> plan_source_condition(const Call& call, const Target& target,
                                        const std::string& alias, Aliases& aliases);

// The source key as a parameter, read by the type of the relation's source key.
Result<sql::Expr> source_key_operand(const Call& call, const schema::Collection& collection,
                                     const std::string& key, const json::Value& id);

// source.<key> = source_id, where the key is the relation's source key, else the source's filter
// target key.
Result<sql::Expr> source_row_condition(const Call& call, const Target& target,
                                       const std::string& alias);

}  // namespace halcyon::data
