// add, set, remove, toggle: links of one source record (reference B.1).
#include <algorithm>

#include "data/write/actions.h"
#include "data/write/links.h"
#include "data/write/source.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;
using schema::RelationKind;

namespace {

// What the request names: filterByTk, filterByTks or the body; "1,2" is a list of two.
json::Value requested(const Params& params) {
  const json::Value* value = &params.filter_by_tk;
  if (value->is_null()) {
    if (const json::Value* several = json::find(params.extra, "filterByTks")) value = several;
  }
  if (value->is_null()) value = &params.values;
  if (!value->is_string() || json::as_view(*value).find(',') == std::string_view::npos) {
    return *value;
  }
  json::Array list;
  for (std::string_view part : split(json::as_view(*value), ',')) {
    if (!trim(part).empty()) list.emplace_back(trim(part));
  }
  return list;
}

Answer ok() {
  Answer answer;
  answer.data = "\"ok\"";
  return answer;
}

KeyRules no_updates() { return {}; }

// --- array fields, and belongsToArray through its array of keys ---

json::Array stored_list(const Field& field, const Row& row) {
  const json::Value value = value_json(field, value_of(row, field.name));
  return value.is_array() ? value.get_array() : json::Array{};
}

bool same_member(const json::Value& a, const json::Value& b) {
  if (a == b) return true;
  auto text = [](const json::Value& value) {
    return value.is_string() ? std::string(json::as_view(value)) : json::dump(value);
  };
  return !a.is_structured() && !b.is_structured() && text(a) == text(b);
}

bool contains(const json::Array& list, const json::Value& member) {
  return std::ranges::any_of(list, [&](const auto& other) { return same_member(other, member); });
}

json::Array changed_list(json::Array list, const json::Array& members, LinkAction action,
                         bool unique) {
  if (action == LinkAction::kSet) list.clear();
  for (const json::Value& member : members) {
    const bool present = contains(list, member);
    if (action == LinkAction::kRemove || (action == LinkAction::kToggle && present)) {
      json::Array rest;
      for (const json::Value& other : list) {
        if (!same_member(other, member)) rest.push_back(other);
      }
      list = std::move(rest);
    } else if (!present || !unique) {
      list.push_back(member);
    }
  }
  return list;
}

Task<Status> change_array(Session& session, const Target& target, const Field& field,
                          const json::Value& value, LinkAction action, bool unique) {
  CO_TRY(Row source, co_await lock_source(session, target, true));
  json::Array members;
  if (value.is_array()) {
    members = value.get_array();
  } else if (!value.is_null()) {
    members.push_back(value);
  }
  const json::Array list = changed_list(stored_list(field, source), members, action, unique);
  CO_TRY(sql::Value parsed, field.kind->parse(field, list, session.value_context()));
  Row set;
  set.emplace(field.name, std::move(parsed));
  std::vector<Row> one;
  one.push_back(std::move(source));
  CO_TRY_STATUS(co_await save_changes(session, *target.source, std::move(one), set));
  co_return Status{};
}

// The keys of existing targets, as members of the key array.
Task<Result<json::Value>> array_keys(Session& session, const Target& target,
                                     const json::Value& value, LinkAction action) {
  const Field& relation = *target.association;
  const Field* key = target.collection->find(relation.relation->target_key);
  CO_TRY(const auto items, read_items(session, relation, value));
  json::Array keys;
  if (action == LinkAction::kRemove) {
    for (const LinkItem& item : items) {
      if (item.key_field != nullptr) keys.push_back(value_json(*item.key_field, item.key));
    }
    co_return json::Value(std::move(keys));
  }
  const Row nothing;
  const KeyRules rules = no_updates();
  CO_TRY(const auto rows, co_await target_rows(session, relation, items, rules, nothing));
  for (const Row& row : rows) keys.push_back(value_json(*key, value_of(row, key->name)));
  co_return json::Value(std::move(keys));
}

// --- relations ---

// The rows of the target with the items' keys that are linked or not; unknown keys are left out.
Task<Result<std::vector<Row>>> known_rows(Session& session, const Target& target,
                                          const std::vector<LinkItem>& items) {
  std::vector<Row> rows;
  for (const LinkItem& item : items) {
    if (item.key_field == nullptr) continue;
    CO_TRY(auto found, co_await select_rows(session, *target.collection,
                                            field_is(*item.key_field, item.key), locked()));
    std::ranges::move(found, std::back_inserter(rows));
  }
  co_return rows;
}

Task<Status> link_to_one(Session& session, const Target& target, const json::Value& value,
                         LinkAction action) {
  CO_TRY(Row source, co_await lock_source(session, target, true));
  const json::Value* link = &value;
  if (link->is_array()) {
    if (link->get_array().size() > 1) {
      co_return fail(Error(Code::kInvalidArgument, "INVALID_ASSOCIATION_VALUE",
                           "Association \"" + target.association->name + "\" links one record.")
                         .with_field(target.association->name)
                         .with_expected("one key"));
    }
    static const json::Value kNull;
    link = link->get_array().empty() ? &kNull : &link->get_array()[0];
  }
  static const json::Value kUnlinked;
  if (action == LinkAction::kRemove) link = &kUnlinked;
  const LinkInput input{target.association, link};
  const KeyRules rules = no_updates();
  if (target.association->relation->kind == RelationKind::kHasOne) {
    co_return co_await write_link(session, *target.source, source, input, rules, false);
  }
  Values values;
  values.links.push_back(input);
  std::vector<Values*> batch{&values};
  CO_TRY_STATUS(co_await resolve_own_keys(session, *target.source, batch, rules));
  std::vector<Row> one;
  one.push_back(std::move(source));
  CO_TRY_STATUS(co_await save_changes(session, *target.source, std::move(one), values.row));
  co_return Status{};
}

Task<Status> link_has_many(Session& session, const Target& target, const json::Value& value,
                           LinkAction action) {
  const Field& relation = *target.association;
  CO_TRY(const Row source, co_await lock_source(session, target, true));
  const KeyRules rules = no_updates();
  if (action == LinkAction::kSet) {
    const json::Value list = value.is_null() ? json::Value(json::Array{}) : value;
    const LinkInput input{&relation, &list};
    co_return co_await write_link(session, *target.source, source, input, rules, false);
  }
  CO_TRY(const sql::Value key, source_key_of(relation, source));
  CO_TRY(const auto items, read_items(session, relation, value));
  if (action == LinkAction::kRemove) {
    CO_TRY(const auto rows, co_await known_rows(session, target, items));
    co_return co_await detach_children(session, relation, key, rows);
  }
  const Field* column = target.collection->find(relation.relation->foreign_key);
  Row preset;
  preset.emplace(column->name, as_stored_in(*column, key));
  CO_TRY(auto rows, co_await target_rows(session, relation, items, rules, preset));
  co_return co_await attach_children(session, relation, key, std::move(rows));
}

Task<Result<std::vector<sql::Value>>> linked_keys(Session& session, const Field& relation,
                                                  const sql::Value& source_key) {
  const Collection& through = *session.collection(relation.relation->through);
  const Field& source = *through.find(relation.relation->foreign_key);
  CO_TRY(const auto rows,
         co_await select_rows(session, through, field_is(source, source_key), locked()));
  std::vector<sql::Value> keys;
  for (const Row& row : rows) keys.push_back(value_of(row, relation.relation->other_key));
  co_return keys;
}

Task<Status> link_many_to_many(Session& session, const Target& target, const json::Value& value,
                               LinkAction action) {
  const Field& relation = *target.association;
  const std::string& target_key = relation.relation->target_key;
  CO_TRY(const Row source, co_await lock_source(session, target, true));
  CO_TRY(const sql::Value key, source_key_of(relation, source));
  // [key, {through values}] alone is one item, not a list of two.
  const bool single = value.is_array() && value.get_array().size() == 2 &&
                      value.get_array()[1].is_object() && !value.get_array()[0].is_object() &&
                      !value.get_array()[0].is_array();
  const json::Value list = single ? json::Value(json::Array{value}) : value;
  CO_TRY(const auto items, read_items(session, relation, list));
  std::vector<sql::Value> dropped;
  std::vector<ThroughLink> links;
  if (action == LinkAction::kRemove) {
    CO_TRY(const auto rows, co_await known_rows(session, target, items));
    for (const Row& row : rows) dropped.push_back(value_of(row, target_key));
  } else {
    const Row nothing;
    const KeyRules rules = no_updates();
    CO_TRY(const auto rows, co_await target_rows(session, relation, items, rules, nothing));
    for (size_t i = 0; i < rows.size(); ++i) {
      links.push_back({value_of(rows[i], target_key), items[i].through});
    }
  }
  if (action == LinkAction::kToggle) {
    CO_TRY(const auto present, co_await linked_keys(session, relation, key));
    std::erase_if(links, [&](const ThroughLink& link) {
      const bool linked = std::ranges::any_of(
          present, [&](const sql::Value& other) { return same_value(other, link.target_key); });
      if (linked) dropped.push_back(link.target_key);
      return linked;
    });
  }
  CO_TRY_STATUS(co_await detach_through(session, relation, key, dropped));
  co_return co_await attach_through(session, relation, key, std::move(links),
                                    action == LinkAction::kSet);
}

}  // namespace

Task<Result<Answer>> link_action(Session& session, const Target& target, const Params& params,
                                 LinkAction action) {
  static constexpr std::string_view kNames[] = {"add", "set", "remove", "toggle"};
  if (!is_association(target)) {
    co_return fail(not_supported(target, kNames[static_cast<size_t>(action)]));
  }
  const json::Value value = requested(params);
  Answer answer;
  if (action == LinkAction::kToggle) answer = ok();
  const Field& association = *target.association;
  if (!association.relation) {
    if (association.column.empty() || association.kind->family() != schema::Family::kArray) {
      co_return fail(not_supported(target, kNames[static_cast<size_t>(action)]));
    }
    CO_TRY_STATUS(co_await change_array(session, target, association, value, action,
                                        association.type == "set"));
    co_return answer;
  }
  switch (association.relation->kind) {
    case RelationKind::kBelongsTo:
    case RelationKind::kHasOne:
      if (action == LinkAction::kAdd) co_return fail(not_supported(target, "add"));
      if (action == LinkAction::kToggle) co_return answer;
      CO_TRY_STATUS(co_await link_to_one(session, target, value, action));
      break;
    case RelationKind::kHasMany:
      if (action == LinkAction::kToggle) co_return answer;
      CO_TRY_STATUS(co_await link_has_many(session, target, value, action));
      break;
    case RelationKind::kBelongsToMany:
      CO_TRY_STATUS(co_await link_many_to_many(session, target, value, action));
      break;
    case RelationKind::kBelongsToArray: {
      const Field* keys = target.source->find(association.relation->foreign_key);
      CO_TRY(const json::Value members, co_await array_keys(session, target, value, action));
      CO_TRY_STATUS(co_await change_array(session, target, *keys, members, action, true));
      break;
    }
  }
  co_return answer;
}

}  // namespace halcyon::data::write
