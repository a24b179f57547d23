// Associations inside values (reference A.5, D.7) and behind the association actions (B.1).
//
// Relations whose key is in the record itself (belongsTo, belongsToArray) are resolved before the
// record is written, the others (hasOne, hasMany, belongsToMany) after it. A to-many list replaces
// the links there are. Thread rule: as Session.
#pragma once

#include <string>
#include <vector>

#include "data/write/save.h"

namespace halcyon::data::write {

// One item of an association value: a key, an object with or without key, or [key, {through}].
struct LinkItem {
  const schema::Field* key_field = nullptr;  // field of the target that `key` is of; or nullptr
  sql::Value key;
  const json::Object* values = nullptr;   // object form
  const json::Object* through = nullptr;  // values for the through row
  bool has_attributes = false;            // `values` holds more than keys
};

Result<LinkItem> read_item(const Session& session, const schema::Field& relation,
                           const json::Value& value);
// A list (or, for convenience, one item); INVALID_ASSOCIATION_VALUE for anything else.
Result<std::vector<LinkItem>> read_items(const Session& session, const schema::Field& relation,
                                         const json::Value& value);

// Fills in the key columns of belongsTo and belongsToArray links, for a batch of records, and
// leaves the other links in `values.links`.
Task<Status> resolve_own_keys(Session& session, const schema::Collection& collection,
                              std::vector<Values*> batch, const KeyRules& rules);

// Writes one hasOne, hasMany or belongsToMany link of a record that exists now.
Task<Status> write_link(Session& session, const schema::Collection& source, const Row& record,
                        const LinkInput& link, const KeyRules& rules, bool creating);

// The target rows of `items`, in order: found, updated where allowed, or created (`preset` is set
// on created ones). RELATED_RECORD_NOT_FOUND for a key that no row has.
Task<Result<std::vector<Row>>> target_rows(Session& session, const schema::Field& relation,
                                           const std::vector<LinkItem>& items,
                                           const KeyRules& rules, const Row& preset);

// hasOne and hasMany: makes `rows` children of the record.
Task<Status> attach_children(Session& session, const schema::Field& relation,
                             const sql::Value& source_key, std::vector<Row> rows);
// Unlinks children; with `keep`, all but these.
Task<Status> detach_children(Session& session, const schema::Field& relation,
                             const sql::Value& source_key, const std::vector<Row>& rows);
Task<Result<std::vector<Row>>> children_of(Session& session, const schema::Field& relation,
                                           const sql::Value& source_key);

// belongsToMany: one through row per target, made or (with through values) changed.
struct ThroughLink {
  sql::Value target_key;
  const json::Object* values = nullptr;
};
Task<Status> attach_through(Session& session, const schema::Field& relation,
                            const sql::Value& source_key, std::vector<ThroughLink> links,
                            bool replace);
Task<Result<int64_t>> detach_through(Session& session, const schema::Field& relation,
                                     const sql::Value& source_key,
                                     const std::vector<sql::Value>& target_keys);

// The record's own key that the relation refers to; SOURCE_KEY_MISSING when it is empty.
Result<sql::Value> source_key_of(const schema::Field& relation, const Row& record);

}  // namespace halcyon::data::write
