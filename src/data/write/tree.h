// Tree collections: no cycles, and the path table `main_<collection>_path` (nodePk, path "/1/4/9",
// rootPk; schema makes the table) kept in step with parentId.
//
// The ancestors of a node are locked from the node's new parent up to its root while it is written,
// so that two moves that would make a cycle together cannot both pass. Thread rule: as Session.
#pragma once

#include <vector>

#include "data/write/rows.h"

namespace halcyon::data::write {

// The foreign key to the parent, or nullptr when the collection is no tree.
const schema::Field* parent_key(const schema::Collection& collection);

Task<Status> tree_created(Session& session, const schema::Collection& collection,
                          const std::vector<Row>& rows);
// Checks before the row is written. TREE_CYCLE (400) when the parent is the node or below it.
Task<Status> check_tree_move(Session& session, const schema::Collection& collection,
                             const Row& before, const sql::Value& new_parent);
// Rewrites the paths of the node and everything below it.
Task<Status> tree_moved(Session& session, const schema::Collection& collection, const Row& after);
Task<Status> tree_destroyed(Session& session, const schema::Collection& collection,
                            const std::vector<Row>& rows);

}  // namespace halcyon::data::write
