// The record in front of an association resource: customers/5/orders is about customer 5.
// Thread rule: as Session.
#pragma once

#include "data/write/save.h"

namespace halcyon::data::write {

// The source record, locked, every column. 404 SOURCE_NOT_FOUND. With `writing` the caller must be
// allowed to update it and its association (reference F.6 (7)): 403 otherwise.
Task<Result<Row>> lock_source(Session& session, const Target& target, bool writing);

// The target's single record of a to-one association, or any by filter; as lock_matching.
bool is_association(const Target& target);
bool is_to_one(const Target& target);
// 400 ACTION_NOT_SUPPORTED: this kind of association has no such action.
Error not_supported(const Target& target, std::string_view action);

}  // namespace halcyon::data::write
