// Deleting records with what hangs on them (reference D.6): RESTRICT refuses, CASCADE deletes the
// referencing records the same way, SET NULL empties their keys, through rows go.
//
// There are no foreign keys in the database; the rules are kept here. A rule set on either side of
// a relation counts; of two different ones the stricter (RESTRICT, CASCADE, SET NULL). A soft
// deleted record keeps its links, so that restoring it restores them; RESTRICT and CASCADE hold.
// Thread rule: as Session.
#pragma once

#include <vector>

#include "data/write/rows.h"

namespace halcyon::data::write {

// `rows` are locked and hold every column. Returns how many of them (not of others) are gone.
Task<Result<int64_t>> destroy_records(Session& session, const schema::Collection& collection,
                                      std::vector<Row> rows);

}  // namespace halcyon::data::write
