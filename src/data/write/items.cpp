// What an association value says: read_item, and resolve_own_keys for keys in the record itself.
#include <algorithm>

#include "data/read/joins.h"
#include "data/write/links.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;
using schema::RelationKind;

namespace {

std::unexpected<Error> bad_link(const Field& relation, const json::Value& value,
                                std::string_view expected) {
  std::string got = json::dump(value);
  if (got.size() > 80) got = got.substr(0, 77) + "...";
  return fail(Error(Code::kInvalidArgument, "INVALID_ASSOCIATION_VALUE",
                    "Association \"" + relation.name + "\" must be " + std::string(expected) +
                        ", not " + got + ".")
                  .with_field(relation.name)
                  .with_expected(std::string(expected)));
}

// The target field that keys of this relation are values of.
const Field* link_key(const Session& session, const Field& relation) {
  const Collection* target = session.collection(relation.relation->target);
  if (target == nullptr) return nullptr;
  if (!relation.relation->target_key.empty()) {
    if (const Field* key = target->find(relation.relation->target_key)) return key;
  }
  const auto& names =
      target->filter_target_key.empty() ? target->primary_key : target->filter_target_key;
  return names.empty() ? nullptr : target->find(names.front());
}

// A key found in an object: the relation's key, or else the primary or filter target key.
const Field* key_in(const Collection& target, const Field* preferred, const json::Object& object) {
  auto has = [&](std::string_view name) {
    const json::Value* value = json::find(object, name);
    return value != nullptr && !value->is_null();
  };
  if (preferred != nullptr && has(preferred->name)) return preferred;
  for (const auto* names : {&target.primary_key, &target.filter_target_key}) {
    if (names->size() == 1 && has(names->front())) return target.find(names->front());
  }
  return nullptr;
}

}  // namespace

Result<LinkItem> read_item(const Session& session, const Field& relation,
                           const json::Value& value) {
  const Collection& target = *session.collection(relation.relation->target);
  const Field* key = link_key(session, relation);
  LinkItem item;
  const json::Value* scalar = &value;
  if (value.is_array() && relation.relation->kind == RelationKind::kBelongsToMany &&
      value.get_array().size() == 2 && value.get_array()[1].is_object()) {
    scalar = &value.get_array()[0];
    item.through = &value.get_array()[1].get_object();
  }
  if (scalar->is_object()) {
    item.values = &scalar->get_object();
    if (!relation.relation->through.empty()) {
      const json::Object* through = json::get_object(*item.values, relation.relation->through);
      if (through != nullptr) item.through = through;
    }
    item.key_field = key_in(target, key, *item.values);
    if (item.key_field != nullptr) scalar = json::find(*item.values, item.key_field->name);
    for (const auto& [name, part] : *item.values) {
      const std::string_view view(name.data(), name.size());
      if (item.key_field != nullptr && view == item.key_field->name) continue;
      if (view == relation.relation->through || view.starts_with("__")) continue;
      item.has_attributes = true;
    }
  } else {
    item.key_field = key;
  }
  if (item.key_field == nullptr) {
    if (item.values != nullptr) return item;
    return bad_link(relation, value, "an object");
  }
  auto parsed = scalar->is_object() || scalar->is_array() || scalar->is_null()
                    ? Result<sql::Value>(fail(Error()))
                    : parse_key(session, *item.key_field, *scalar);
  if (!parsed) return bad_link(relation, value, "a key or an object");
  item.key = *std::move(parsed);
  return item;
}

Result<std::vector<LinkItem>> read_items(const Session& session, const Field& relation,
                                         const json::Value& value) {
  std::vector<LinkItem> items;
  if (value.is_null()) return items;
  if (!value.is_array()) {
    TRY(LinkItem item, read_item(session, relation, value));
    items.push_back(std::move(item));
    return items;
  }
  StringMap<size_t> seen;
  for (const json::Value& entry : value.get_array()) {
    TRY(LinkItem item, read_item(session, relation, entry));
    if (item.key_field != nullptr) {  // the same record twice is linked once; the last one counts
      auto [it, is_new] =
          seen.emplace(item.key_field->name + '\0' + value_text(item.key), items.size());
      if (!is_new) {
        items[it->second] = std::move(item);
        continue;
      }
    }
    items.push_back(std::move(item));
  }
  return items;
}

// --- finding or making the target rows ---

namespace {

// Keys the server makes: an unknown one is a mistake. Others (names, codes) may be new records'.
bool is_generated_key(const Field& key) {
  return key.auto_increment || key.type == "snowflakeId" || key.type == "uuid" ||
         key.type == "nanoid";
}

std::unexpected<Error> not_found(const Field& relation, const LinkItem& item) {
  return fail(Error(Code::kInvalidArgument, "RELATED_RECORD_NOT_FOUND",
                    "Association \"" + relation.name + "\": \"" + relation.relation->target +
                        "\" has no record with " + item.key_field->name + " " +
                        value_text(item.key) + ".")
                  .with_field(relation.name)
                  .with_expected("the key of an existing record"));
}

class TargetFinder {
 public:
  TargetFinder(Session& session, const Field& relation, const KeyRules& rules, const Row& preset)
      : session_(session),
        relation_(relation),
        target_(*session.collection(relation.relation->target)),
        updates_(rules.may_update(relation.name)),
        preset_(preset) {
    child_.rules = rules.child(relation.name);
    child_.ignored = relation.relation->through;
  }

  Task<Result<std::vector<Row>>> run(const std::vector<LinkItem>& items) {
    CO_TRY_STATUS(co_await look_up(items));
    std::vector<Row> rows(items.size());
    std::vector<NewRecord> records;
    std::vector<size_t> places;
    for (size_t i = 0; i < items.size(); ++i) {
      const LinkItem& item = items[i];
      const Row* row = found(item);
      if (row != nullptr) {
        CO_TRY(rows[i], co_await existing(item, *row));
        continue;
      }
      const bool may_create =
          item.values != nullptr && (item.key_field == nullptr ||
                                     (item.has_attributes && !is_generated_key(*item.key_field)));
      if (!may_create) co_return not_found(relation_, item);
      records.push_back({item.values, preset_});
      places.push_back(i);
    }
    if (records.empty()) co_return rows;
    SaveOptions options = child_;
    options.answer = InsertAnswer::kRows;
    auto made = co_await create_records(session_, target_, std::move(records), options);
    if (!made) co_return fail(inside(std::move(made).error()));
    for (size_t i = 0; i < places.size(); ++i) rows[places[i]] = std::move((*made)[i]);
    co_return rows;
  }

 private:
  Task<Status> look_up(const std::vector<LinkItem>& items) {
    std::vector<const Field*> key_fields;
    for (const LinkItem& item : items) {
      if (item.key_field != nullptr &&
          std::ranges::find(key_fields, item.key_field) == key_fields.end()) {
        key_fields.push_back(item.key_field);
      }
    }
    for (const Field* field : key_fields) {
      StringMap<sql::Value> keys;
      for (const LinkItem& item : items) {
        if (item.key_field == field) keys.emplace(value_text(item.key), item.key);
      }
      std::vector<sql::Value> list;
      list.reserve(keys.size());
      for (auto& [text, key] : keys) list.push_back(key);
      CO_TRY(auto rows, co_await select_by_key(session_, target_, *field, std::move(list),
                                               select_options(items, *field)));
      for (auto& [text, row] : rows) {
        if (!is_given(row, "deletedAt") || !target_.paranoid)
          found_.emplace(field->name + '\0' + text, std::move(row));
      }
    }
    co_return Status{};
  }

  // Rows that may be updated are read whole and locked; for links of a record's own key columns
  // the keys will do.
  SelectOptions select_options(const std::vector<LinkItem>& items, const Field& key) const {
    const bool changes_target = relation_.relation->kind == RelationKind::kHasMany ||
                                relation_.relation->kind == RelationKind::kHasOne;
    const bool has_updates = updates_ && std::ranges::any_of(items, [](const LinkItem& item) {
                               return item.has_attributes;
                             });
    if (changes_target || has_updates) return locked();
    SelectOptions options;
    auto add = [&](const std::string& name) {
      if (target_.find(name) != nullptr &&
          std::ranges::find(options.fields, name) == options.fields.end())
        options.fields.push_back(name);
    };
    add(key.name);
    for (const std::string& name : target_.primary_key) add(name);
    for (const std::string& name : target_.filter_target_key) add(name);
    add(relation_.relation->target_key);
    if (target_.paranoid) add("deletedAt");
    return options;
  }

  const Row* found(const LinkItem& item) const {
    if (item.key_field == nullptr) return nullptr;
    auto it = found_.find(item.key_field->name + '\0' + value_text(item.key));
    return it == found_.end() ? nullptr : &it->second;
  }

  // Existing records are linked; their attributes are written only where the request lists the
  // association and the role may update that row. Otherwise just the keys count (D.7).
  Task<Result<Row>> existing(const LinkItem& item, const Row& row) {
    if (!updates_ || !item.has_attributes) co_return row;
    CO_TRY(const bool allowed, co_await in_scope(session_, target_, "update", row));
    if (!allowed) co_return row;
    std::vector<Row> one{row};
    auto after = co_await update_records(session_, target_, std::move(one), *item.values, child_);
    if (!after) co_return fail(inside(std::move(after).error()));
    co_return std::move(after->front());
  }

  Error inside(Error error) const {
    if (error.field.empty()) {
      error.field = relation_.name;
    } else {
      error.field = relation_.name + "." + error.field;
    }
    for (Error& more : error.more) more = inside(std::move(more));
    return error;
  }

  Session& session_;
  const Field& relation_;
  const Collection& target_;
  bool updates_;
  const Row& preset_;
  SaveOptions child_;
  StringMap<Row> found_;
};

// The links of one own-key relation over the whole batch.
struct OwnLink {
  Values* values;
  std::vector<LinkItem> items;
};

Status store_keys(const Session& session, const Collection& collection, const Field& relation,
                  Values& values, const std::vector<const Row*>& rows) {
  const Field* column = collection.find(relation.relation->foreign_key);
  const Field* key =
      session.collection(relation.relation->target)->find(relation.relation->target_key);
  if (column == nullptr || key == nullptr) {
    return fail(Error(Code::kInternal, "INTERNAL", "The relation's keys are missing.")
                    .with_internal(collection.name + "." + relation.name));
  }
  if (relation.relation->kind == RelationKind::kBelongsTo) {
    sql::Value value = rows.empty() ? sql::Value(sql::Null{}, column->storage.type)
                                    : as_stored_in(*column, value_of(*rows.front(), key->name));
    values.row.insert_or_assign(column->name, std::move(value));
    return {};
  }
  json::Array list;
  for (const Row* row : rows) list.push_back(value_json(*key, value_of(*row, key->name)));
  TRY(sql::Value value, column->kind->parse(*column, list, session.value_context()));
  values.row.insert_or_assign(column->name, std::move(value));
  return {};
}

Task<Status> resolve_relation(Session& session, const Collection& collection, const Field& relation,
                              std::vector<OwnLink> links, const KeyRules& rules) {
  std::vector<LinkItem> all;
  for (const OwnLink& link : links) all.insert(all.end(), link.items.begin(), link.items.end());
  const Row nothing;
  CO_TRY(auto rows, co_await target_rows(session, relation, all, rules, nothing));
  size_t next = 0;
  for (OwnLink& link : links) {
    std::vector<const Row*> own;
    for (size_t i = 0; i < link.items.size(); ++i) own.push_back(&rows[next++]);
    CO_TRY_STATUS(store_keys(session, collection, relation, *link.values, own));
  }
  co_return Status{};
}

bool has_own_key(const Field& relation) {
  return relation.relation->kind == RelationKind::kBelongsTo ||
         relation.relation->kind == RelationKind::kBelongsToArray;
}

}  // namespace

Task<Result<std::vector<Row>>> target_rows(Session& session, const Field& relation,
                                           const std::vector<LinkItem>& items,
                                           const KeyRules& rules, const Row& preset) {
  TargetFinder finder(session, relation, rules, preset);
  co_return co_await finder.run(items);
}

Task<Status> resolve_own_keys(Session& session, const Collection& collection,
                              std::vector<Values*> batch, const KeyRules& rules) {
  std::vector<std::pair<const Field*, std::vector<OwnLink>>> relations;
  for (Values* values : batch) {
    std::vector<LinkInput> rest;
    for (const LinkInput& link : values->links) {
      if (!has_own_key(*link.field)) {
        rest.push_back(link);
        continue;
      }
      const bool many = link.field->relation->kind == RelationKind::kBelongsToArray;
      if (!many && link.value->is_array()) {
        co_return bad_link(*link.field, *link.value, "a key, an object or null");
      }
      CO_TRY(auto items, read_items(session, *link.field, *link.value));
      auto it = std::ranges::find(relations, link.field, [](const auto& r) { return r.first; });
      if (it == relations.end()) it = relations.insert(it, {link.field, {}});
      it->second.push_back({values, std::move(items)});
    }
    values->links = std::move(rest);
  }
  for (auto& [field, links] : relations) {
    CO_TRY_STATUS(co_await resolve_relation(session, collection, *field, std::move(links), rules));
  }
  co_return Status{};
}

}  // namespace halcyon::data::write
