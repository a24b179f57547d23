// Links that are kept in other rows: hasOne and hasMany (the child's foreign key), belongsToMany
// (through rows).
#include "data/write/links.h"

#include <algorithm>

#include "data/write/tree.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;
using schema::Relation;
using schema::RelationKind;

namespace {

Error broken(const Field& relation) {
  return Error(Code::kInternal, "INTERNAL", "The relation's keys are missing.")
      .with_internal(relation.name);
}

struct Children {
  const Collection* target;
  const Field* foreign_key;
};

Result<Children> children_side(const Session& session, const Field& relation) {
  const Collection* target = session.collection(relation.relation->target);
  const Field* key = target == nullptr ? nullptr : target->find(relation.relation->foreign_key);
  if (key == nullptr) return fail(broken(relation));
  return Children{target, key};
}

struct Through {
  const Collection* collection;
  const Field* source;  // points to the record
  const Field* target;
};

Result<Through> through_side(const Session& session, const Field& relation) {
  const Collection* through = session.collection(relation.relation->through);
  if (through == nullptr) return fail(broken(relation));
  const Field* source = through->find(relation.relation->foreign_key);
  const Field* target = through->find(relation.relation->other_key);
  if (source == nullptr || target == nullptr) return fail(broken(relation));
  return Through{through, source, target};
}

Task<Status> set_foreign_key(Session& session, const Children& side, std::vector<Row> rows,
                             const sql::Value& key) {
  if (rows.empty()) co_return Status{};
  if (side.target->read_only()) {
    co_return invalid("COLLECTION_READ_ONLY",
                      "Collection \"" + side.target->name + "\" is read-only.");
  }
  Row set;
  set.emplace(side.foreign_key->name, as_stored_in(*side.foreign_key, key));
  CO_TRY_STATUS(co_await save_changes(session, *side.target, std::move(rows), set));
  co_return Status{};
}

}  // namespace

Result<sql::Value> source_key_of(const Field& relation, const Row& record) {
  const sql::Value& key = value_of(record, relation.relation->source_key);
  if (!key.is_null()) return key;
  return fail(Error(Code::kInvalidArgument, "SOURCE_KEY_MISSING",
                    "Association \"" + relation.name + "\" needs a value in \"" +
                        relation.relation->source_key + "\" of the record.")
                  .with_field(relation.relation->source_key)
                  .with_expected("a value"));
}

// --- hasOne, hasMany ---

Task<Result<std::vector<Row>>> children_of(Session& session, const Field& relation,
                                           const sql::Value& source_key) {
  CO_TRY(const Children side, children_side(session, relation));
  co_return co_await select_rows(session, *side.target, field_is(*side.foreign_key, source_key),
                                 locked());
}

Task<Status> attach_children(Session& session, const Field& relation, const sql::Value& source_key,
                             std::vector<Row> rows) {
  CO_TRY(const Children side, children_side(session, relation));
  co_return co_await set_foreign_key(session, side, std::move(rows), source_key);
}

Task<Status> detach_children(Session& session, const Field& relation, const sql::Value& source_key,
                             const std::vector<Row>& rows) {
  CO_TRY(const Children side, children_side(session, relation));
  std::vector<Row> own;
  for (const Row& row : rows) {
    if (same_value(value_of(row, side.foreign_key->name), source_key)) own.push_back(row);
  }
  co_return co_await set_foreign_key(session, side, std::move(own), sql::Value());
}

namespace {

Task<Status> write_children(Session& session, const Row& record, const LinkInput& link,
                            const std::vector<LinkItem>& items, const KeyRules& rules,
                            bool creating) {
  const Field& relation = *link.field;
  CO_TRY(const Children side, children_side(session, relation));
  CO_TRY(const sql::Value key, source_key_of(relation, record));
  Row preset;
  preset.emplace(side.foreign_key->name, as_stored_in(*side.foreign_key, key));
  if (!creating) {
    // Dropped ones first: their place may be needed (unique foreign key of a hasOne).
    CO_TRY(auto linked, co_await children_of(session, relation, key));
    std::erase_if(linked, [&](const Row& row) {
      return std::ranges::any_of(items, [&](const LinkItem& item) {
        return item.key_field != nullptr &&
               same_value(value_of(row, item.key_field->name), item.key);
      });
    });
    CO_TRY_STATUS(co_await set_foreign_key(session, side, std::move(linked), sql::Value()));
  }
  CO_TRY(auto rows, co_await target_rows(session, relation, items, rules, preset));
  // Created rows have the key already; save_changes writes only what differs.
  co_return co_await set_foreign_key(session, side, std::move(rows), key);
}

}  // namespace

// --- belongsToMany ---

Task<Status> attach_through(Session& session, const Field& relation, const sql::Value& source_key,
                            std::vector<ThroughLink> links, bool replace) {
  CO_TRY(const Through side, through_side(session, relation));
  CO_TRY(auto rows, co_await select_rows(session, *side.collection,
                                         field_is(*side.source, source_key), locked()));
  StringMap<Row> present;
  for (Row& row : rows) {
    std::string text = value_text(value_of(row, side.target->name));
    present.emplace(std::move(text), std::move(row));
  }
  SaveOptions options;
  options.trusted = true;
  StringMap<bool> wanted;
  std::vector<NewRecord> made;
  for (const ThroughLink& link : links) {
    const std::string text = value_text(link.target_key);
    if (!wanted.emplace(text, true).second) continue;
    auto it = present.find(text);
    if (it != present.end()) {
      if (link.values == nullptr || link.values->empty()) continue;
      std::vector<Row> one{it->second};
      CO_TRY_STATUS(co_await update_records(session, *side.collection, std::move(one), *link.values,
                                            options));
      continue;
    }
    NewRecord record{link.values, {}};
    record.preset.emplace(side.source->name, as_stored_in(*side.source, source_key));
    record.preset.emplace(side.target->name, as_stored_in(*side.target, link.target_key));
    made.push_back(std::move(record));
  }
  if (replace) {
    std::vector<sql::Value> dropped;
    for (auto& [text, row] : present) {
      if (!wanted.contains(text)) dropped.push_back(value_of(row, side.target->name));
    }
    CO_TRY_STATUS(co_await detach_through(session, relation, source_key, dropped));
  }
  if (made.empty()) co_return Status{};
  CO_TRY_STATUS(co_await create_records(session, *side.collection, std::move(made), options));
  co_return Status{};
}

Task<Result<int64_t>> detach_through(Session& session, const Field& relation,
                                     const sql::Value& source_key,
                                     const std::vector<sql::Value>& target_keys) {
  if (target_keys.empty()) co_return 0;
  CO_TRY(const Through side, through_side(session, relation));
  auto where =
      sql::and_also(field_is(*side.source, source_key), field_in(*side.target, target_keys));
  if (session.has_listeners()) {
    CO_TRY(auto rows, co_await select_rows(session, *side.collection, where, locked()));
    for (const Row& row : rows) {
      CO_TRY_STATUS(co_await session.changed({Change::Kind::kDestroy, side.collection,
                                              key_json(*side.collection, row),
                                              row_json(*side.collection, row)}));
    }
  }
  co_return co_await delete_rows(session, *side.collection, std::move(where));
}

namespace {

Task<Status> write_many_to_many(Session& session, const Row& record, const LinkInput& link,
                                const std::vector<LinkItem>& items, const KeyRules& rules,
                                bool creating) {
  const Field& relation = *link.field;
  CO_TRY(const sql::Value key, source_key_of(relation, record));
  const Row nothing;
  CO_TRY(auto rows, co_await target_rows(session, relation, items, rules, nothing));
  std::vector<ThroughLink> links;
  for (size_t i = 0; i < rows.size(); ++i) {
    links.push_back({value_of(rows[i], relation.relation->target_key), items[i].through});
  }
  co_return co_await attach_through(session, relation, key, std::move(links), !creating);
}

}  // namespace

Task<Status> write_link(Session& session, const Collection& source, const Row& record,
                        const LinkInput& link, const KeyRules& rules, bool creating) {
  (void)source;
  const RelationKind kind = link.field->relation->kind;
  if (kind == RelationKind::kHasOne && link.value->is_array()) {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_ASSOCIATION_VALUE",
                         "Association \"" + link.field->name +
                             "\" must be a key, an object or null, not a list.")
                       .with_field(link.field->name)
                       .with_expected("a key, an object or null"));
  }
  CO_TRY(auto items, read_items(session, *link.field, *link.value));
  if (creating && items.empty()) co_return Status{};
  if (kind == RelationKind::kBelongsToMany) {
    co_return co_await write_many_to_many(session, record, link, items, rules, creating);
  }
  co_return co_await write_children(session, record, link, items, rules, creating);
}

}  // namespace halcyon::data::write
