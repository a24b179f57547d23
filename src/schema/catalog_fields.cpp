// What creating, changing, moving and removing a field means for the stored model.
#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "schema/catalog_impl.h"
#include "schema/names.h"
#include "schema/types/formula.h"

namespace halcyon::schema {

namespace {

constexpr std::string_view kRelationKeys[] = {"type",      "target",    "foreignKey", "otherKey",
                                              "sourceKey", "targetKey", "through"};
// What decides how a field is stored; a built-in field keeps it.
constexpr std::string_view kStorageKeys[] = {
    "type",   "field",      "primaryKey", "autoIncrement", "unique",  "allowNull", "length",
    "target", "foreignKey", "sourceKey",  "targetKey",     "through", "otherKey",  "dataType"};

int64_t next_sort(const StoredModel& model, std::string_view collection) {
  int64_t last = 0;
  for (const auto& row : model.fields) {
    if (row.collection == collection) last = std::max(last, row.sort);
  }
  return last + 1;
}

// Keys of a row that are not part of the definition.
void strip(json::Object& definition) {
  for (std::string_view key : {"key", "collectionName", "parentKey", "reverseKey", "reverseField",
                               "sort", "dataSourceKey"}) {
    definition.erase(key);
  }
}

std::unexpected<Error> protected_field(std::string_view collection, std::string_view name,
                                       std::string_view reason) {
  return fail(Error(Code::kInvalidArgument, "PROTECTED_FIELD",
                    fmt::format("Field \"{}\" of collection \"{}\" {}.", name, collection, reason))
                  .with_field(std::string(name)));
}

// The definition of the opposite of a relation, with all its keys spelled out.
Result<json::Object> opposite(const Collection& source, const Field& field, json::Object given) {
  const Relation& relation = *field.relation;
  json::Object out = std::move(given);
  out["target"] = source.name;
  switch (relation.kind) {
    case RelationKind::kBelongsTo:
      if (json::get_string(out, "type") != "hasOne") out["type"] = "hasMany";
      out["foreignKey"] = relation.foreign_key;
      out["sourceKey"] = relation.target_key;
      break;
    case RelationKind::kHasOne:
    case RelationKind::kHasMany:
      out["type"] = "belongsTo";
      out["foreignKey"] = relation.foreign_key;
      out["targetKey"] = relation.source_key;
      break;
    case RelationKind::kBelongsToMany:
      out["type"] = "belongsToMany";
      out["through"] = relation.through;
      out["foreignKey"] = relation.other_key;
      out["otherKey"] = relation.foreign_key;
      out["sourceKey"] = relation.target_key;
      out["targetKey"] = relation.source_key;
      break;
    case RelationKind::kBelongsToArray:
      return fail(
          Error(Code::kInvalidArgument, "INVALID_FIELD_OPTIONS",
                fmt::format("Field \"{}\": a belongsToArray has no reverse field.", field.name))
              .with_field("reverseField"));
  }
  return out;
}

Status add_reverse(Edit& edit, const std::string& collection, const std::string& name,
                   json::Object given) {
  // What the relation's keys are called is only known once it is worked out.
  Build build = edit.build();
  const Collection* source = build.snapshot->find(collection);
  const Field* field = source == nullptr ? nullptr : source->find(name);
  if (field == nullptr || !field->relation) {
    if (!build.problems.empty()) return std::unexpected(build.problems.back());
    return invalid("INVALID_FIELD_OPTIONS",
                   fmt::format("Field \"{}\" is no relation and has no reverse field.", name));
  }
  if (json::get_string(given, "name").empty()) given["name"] = uid("f_");
  const std::string reverse_name = json::get_string(given, "name");
  const std::string target = field->relation->target;
  TRY(json::Object definition, opposite(*source, *field, std::move(given)));
  TRY_STATUS(add_field(edit, target, std::move(definition)));
  StoredField* forward = edit.model.find(collection, name);
  StoredField* reverse = edit.model.find(target, reverse_name);
  forward->reverse_key = reverse->key;
  reverse->reverse_key = forward->key;
  return {};
}

// Which relation, sort scope or formula needs this field? Empty: none.
std::string user_of(const Snapshot& model, const Collection& collection, const Field& field) {
  for (const auto& [name, other] : model.collections) {
    for (const Field& user : other->fields) {
      if (&user == &field || !user.relation) continue;
      const Relation& relation = *user.relation;
      const bool here = name == collection.name;
      const bool on_target = relation.target == collection.name;
      const bool has =
          relation.kind == RelationKind::kHasOne || relation.kind == RelationKind::kHasMany;
      const bool used =
          (here && relation.source_key == field.name) ||
          (on_target && relation.target_key == field.name) ||
          (here && !has && relation.through.empty() && relation.foreign_key == field.name) ||
          (on_target && has && relation.foreign_key == field.name) ||
          (!relation.through.empty() && relation.through == collection.name &&
           (relation.foreign_key == field.name || relation.other_key == field.name));
      if (used) return name + "." + user.name;
    }
  }
  for (const Field& user : collection.fields) {
    if (json::get_string(user.options, "scopeKey") == field.name ||
        (&user != &field && types::formula_uses(user, field.name))) {
      return collection.name + "." + user.name;
    }
  }
  return "";
}

// A stored through collection outlives the relation that gave it its key columns.
void keep_through_columns(Edit& edit, const Field& field) {
  if (!field.relation || field.relation->through.empty()) return;
  const Collection* through = edit.before.find(field.relation->through);
  if (through == nullptr || edit.model.find(through->name) == nullptr) return;
  for (const Field& column : through->fields) {
    if (!column.implicit || edit.model.find(through->name, column.name) != nullptr) continue;
    if (column.name != field.relation->foreign_key && column.name != field.relation->other_key) {
      continue;
    }
    StoredField row;
    row.key = uid();
    row.collection = through->name;
    row.sort = next_sort(edit.model, through->name);
    row.options = column.options;
    if (column.primary_key) row.options["primaryKey"] = true;
    edit.model.fields.push_back(std::move(row));
  }
}

}  // namespace

Status add_field(Edit& edit, const std::string& collection, json::Object definition) {
  if (json::get_string(definition, "name").empty()) definition["name"] = uid("f_");
  const std::string name = json::get_string(definition, "name");
  TRY_STATUS(check_name("field", name));
  const auto duplicate = [&](std::string_view known) {
    return fail(
        Error(Code::kInvalidArgument, "DUPLICATE_FIELD",
              fmt::format("Collection \"{}\" has a field \"{}\" already.", collection, known))
            .with_field(name));
  };
  for (const StoredField& row : edit.model.fields) {
    if (row.collection == collection && iequals(row.name(), name)) return duplicate(row.name());
  }
  if (const Collection* known = edit.before.find(collection)) {
    for (const Field& field : known->fields) {
      // An implicit field may be spelled out; its place is then taken by the definition.
      if (iequals(field.name, name) && (field.name != name || !field.implicit)) {
        const bool removed_now = !field.key.empty() && !field.implicit;
        if (!removed_now || field.name != name) return duplicate(field.name);
      }
    }
  }
  json::Object reverse;
  if (const json::Object* given = json::get_object(definition, "reverseField")) reverse = *given;
  StoredField row;
  row.key = json::get_string(definition, "key");
  if (row.key.empty()) row.key = uid();
  row.collection = collection;
  row.parent_key = json::get_string(definition, "parentKey");
  row.sort = next_sort(edit.model, collection);
  row.options = std::move(definition);
  strip(row.options);
  edit.model.fields.push_back(std::move(row));
  if (!reverse.empty()) return add_reverse(edit, collection, name, std::move(reverse));
  return {};
}

Status edit_field(Edit& edit, const std::string& collection, const std::string& name,
                  const json::Object& given) {
  const Collection* known = edit.before.find(collection);
  const Field* field = known == nullptr ? nullptr : known->find(name);
  StoredField* row = edit.model.find(collection, name);
  const json::Object* builtin = edit.builtin_field(collection, name);
  if (row == nullptr && field == nullptr) return field_not_found(collection, name);
  json::Object changes = given;
  json::Object reverse;
  if (const json::Object* item = json::get_object(changes, "reverseField")) reverse = *item;
  strip(changes);
  const json::Object& now = row != nullptr && builtin == nullptr ? row->options : field->options;
  const auto differs = [&](std::string_view key) {
    const json::Value* wanted = json::find(changes, key);
    if (wanted == nullptr) return false;
    const json::Value* present = json::find(now, key);
    return present == nullptr ? !wanted->is_null() : *present != *wanted;
  };
  if (builtin != nullptr) {
    for (std::string_view key : kStorageKeys) {
      if (differs(key))
        return protected_field(collection, name, "is built in and keeps its " + std::string(key));
    }
  }
  if (field != nullptr && field->relation) {
    const json::Object resolved = field_json(*field, *known);
    for (std::string_view key : kRelationKeys) {
      const json::Value* wanted = json::find(changes, key);
      if (wanted == nullptr) continue;
      const json::Value* present = json::find(resolved, key);
      if (present == nullptr || *present == *wanted || wanted->is_null()) continue;
      return fail(Error(Code::kInvalidArgument, "RELATION_CHANGE_REFUSED",
                        fmt::format("\"{}\" of the relation \"{}\" cannot change: remove the "
                                    "field and make it anew.",
                                    key, name))
                      .with_field(std::string(key)));
    }
  } else if (field != nullptr && differs("type")) {
    const std::string user = user_of(edit.before, *known, *field);
    if (!user.empty()) {
      return fail(
          Error(Code::kInvalidArgument, "FIELD_IN_USE",
                fmt::format("The type of \"{}\" cannot change: it is a key of \"{}\".", name, user))
              .with_field(name));
    }
  }
  const std::string new_name = json::get_string(changes, "name", name);
  if (new_name != name) {
    if (builtin != nullptr || row == nullptr)
      return protected_field(collection, name, "cannot be renamed");
    TRY_STATUS(check_name("field", new_name));
    const std::string user = field == nullptr ? "" : user_of(edit.before, *known, *field);
    if (!user.empty() || (field != nullptr && field->relation)) {
      return fail(
          Error(Code::kInvalidArgument, "FIELD_IN_USE",
                fmt::format("Field \"{}\" cannot be renamed: {}.", name,
                            user.empty() ? "it is a relation" : "it is a key of \"" + user + "\""))
              .with_field(name));
    }
  }
  if (row == nullptr) {
    // A built-in or implicit field gets a row once someone changes how it looks.
    StoredField made;
    made.key = uid();
    made.collection = collection;
    made.sort = next_sort(edit.model, collection);
    made.options = field->implicit ? field->options : json::Object{{"name", name}};
    if (field->implicit && field->primary_key) made.options["primaryKey"] = true;
    edit.model.fields.push_back(std::move(made));
    row = &edit.model.fields.back();
  }
  for (auto& [key, value] : changes) row->options[key] = std::move(value);
  if (!reverse.empty() && row->reverse_key.empty()) {
    return add_reverse(edit, collection, new_name, std::move(reverse));
  }
  return {};
}

Status remove_field(Edit& edit, const std::string& collection, const std::string& name) {
  const Collection* known = edit.before.find(collection);
  if (known == nullptr) return collection_not_found(collection);
  const Field* field = known->find(name);
  const StoredField* row = edit.model.find(collection, name);
  if (field == nullptr && row == nullptr) return field_not_found(collection, name);
  if (edit.builtin_field(collection, name) != nullptr) {
    return protected_field(collection, name, "is built in and cannot be removed");
  }
  if (row == nullptr) {
    return protected_field(collection, name,
                           "is made by the server (an option or a relation needs it) and cannot "
                           "be removed by itself");
  }
  if (field != nullptr) {
    const std::string user = user_of(edit.before, *known, *field);
    if (!user.empty()) {
      return fail(Error(Code::kInvalidArgument, "FIELD_IN_USE",
                        fmt::format("Field \"{}\" of collection \"{}\" is a key of \"{}\"; remove "
                                    "that first.",
                                    name, collection, user))
                      .with_field(name));
    }
    keep_through_columns(edit, *field);
  }
  const std::string key = edit.model.find(collection, name)->key;
  std::erase_if(edit.model.fields, [&](const StoredField& item) { return item.key == key; });
  for (StoredField& item : edit.model.fields) {
    if (item.reverse_key == key) item.reverse_key.clear();
  }
  if (StoredCollection* owner = edit.model.find(collection)) {
    if (json::get_string(owner->options, "titleField") == name) owner->options.erase("titleField");
    if (json::Value* indexes = owner->options.if_contains("indexes");
        indexes != nullptr && indexes->is_array()) {
      json::Array kept;
      for (auto& index : indexes->get_array()) {
        const json::Array* names =
            index.is_object() ? json::get_array(index.get_object(), "fields") : nullptr;
        const bool uses = names != nullptr && std::ranges::any_of(*names, [&](const auto& item) {
                            return item.is_string() && json::as_view(item) == name;
                          });
        if (!uses) kept.push_back(std::move(index));
      }
      *indexes = std::move(kept);
    }
    for (std::string_view preset : {"createdAt", "updatedAt", "createdBy", "updatedBy"}) {
      if (preset == name) owner->options[preset] = false;
    }
  }
  return {};
}

Status upsert_fields(Edit& edit, const std::string& collection, const json::Array& fields) {
  const Collection* known = edit.before.find(collection);
  for (const auto& item : fields) {
    if (!item.is_object()) {
      return invalid("INVALID_VALUE", "\"fields\" must be a list of field definitions.");
    }
    const json::Object& definition = item.get_object();
    const std::string name = json::get_string(definition, "name");
    const Field* field = known == nullptr || name.empty() ? nullptr : known->find(name);
    const bool stored = !name.empty() && edit.model.find(collection, name) != nullptr;
    if (field != nullptr && field->implicit && !stored) {
      // Foreign keys come back in lists of fields; they stay implicit.
      if (json::get_bool(definition, "isForeignKey")) continue;
      TRY_STATUS(add_field(edit, collection, definition));
    } else if (field != nullptr || stored) {
      TRY_STATUS(edit_field(edit, collection, name, definition));
    } else {
      TRY_STATUS(add_field(edit, collection, definition));
    }
  }
  return {};
}

Status replace_fields(Edit& edit, const std::string& collection, const json::Array& fields) {
  std::vector<std::string> wanted;
  for (const auto& item : fields) {
    if (item.is_object()) wanted.push_back(json::get_string(item.get_object(), "name"));
  }
  std::vector<std::string> gone;
  for (const StoredField& row : edit.model.fields) {
    if (row.collection != collection) continue;
    if (std::ranges::find(wanted, row.name()) == wanted.end() &&
        edit.builtin_field(collection, row.name()) == nullptr) {
      gone.push_back(row.name());
    }
  }
  // Relations first: their keys are free to go afterwards.
  const Collection* known = edit.before.find(collection);
  std::ranges::sort(gone, [&](const std::string& a, const std::string& b) {
    const auto rank = [&](const std::string& name) {
      const Field* field = known == nullptr ? nullptr : known->find(name);
      return field != nullptr && field->relation ? 0 : 1;
    };
    return std::pair(rank(a), a) < std::pair(rank(b), b);
  });
  for (const std::string& name : gone) TRY_STATUS(remove_field(edit, collection, name));
  TRY_STATUS(upsert_fields(edit, collection, fields));
  int64_t sort = 0;
  for (const std::string& name : wanted) {
    ++sort;
    if (StoredField* row = edit.model.find(collection, name)) row->sort = sort;
  }
  return {};
}

namespace {

Result<json::Object> field_of(const Snapshot& model, const std::string& collection,
                              const std::string& name) {
  const Collection* owner = model.find(collection);
  const Field* field = owner == nullptr ? nullptr : owner->find(name);
  if (field == nullptr) return field_not_found(collection, name);
  return field_json(*field, *owner);
}

}  // namespace

Task<Result<json::Object>> Catalog::create_field(const Context& ctx, std::string collection,
                                                 json::Object definition, Unit* unit) {
  drop_internal(definition);
  if (json::get_string(definition, "name").empty()) definition["name"] = uid("f_");
  const std::string name = json::get_string(definition, "name");
  Mutation mutation = [collection, definition](Edit& edit) -> Status {
    if (edit.before.find(collection) == nullptr) return collection_not_found(collection);
    return add_field(edit, collection, definition);
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return field_of(*model, collection, name);
}

Task<Result<json::Object>> Catalog::update_field(const Context& ctx, std::string collection,
                                                 std::string name, json::Object changes,
                                                 Unit* unit) {
  drop_internal(changes);
  const std::string new_name = json::get_string(changes, "name", name);
  Mutation mutation = [collection, name, changes](Edit& edit) {
    return edit_field(edit, collection, name, changes);
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return field_of(*model, collection, new_name);
}

Task<Status> Catalog::destroy_field(const Context& ctx, std::string collection, std::string name,
                                    Unit* unit) {
  Mutation mutation = [collection, name](Edit& edit) {
    return remove_field(edit, collection, name);
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return Status{};
}

Task<Result<json::Object>> Catalog::apply_field(const Context& ctx, std::string collection,
                                                json::Object definition, Unit* unit) {
  drop_internal(definition);
  if (json::get_string(definition, "name").empty()) definition["name"] = uid("f_");
  const std::string name = json::get_string(definition, "name");
  Mutation mutation = [collection, definition](Edit& edit) -> Status {
    if (edit.before.find(collection) == nullptr) return collection_not_found(collection);
    return upsert_fields(edit, collection, json::Array{definition});
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return field_of(*model, collection, name);
}

Task<Status> Catalog::move_field(const Context& ctx, std::string collection, std::string source,
                                 std::string target, std::string method, Unit* unit) {
  Mutation mutation = [collection, source, target, method](Edit& edit) -> Status {
    std::vector<StoredField*> rows;
    for (auto& row : edit.model.fields) {
      if (row.collection == collection) rows.push_back(&row);
    }
    std::ranges::sort(rows, {}, &StoredField::sort);
    std::vector<std::string> names;
    for (const auto* row : rows) names.push_back(row->name());
    TRY(auto order, moved(std::move(names), source, target, method));
    for (size_t i = 0; i < order.size(); ++i) {
      edit.model.find(collection, order[i])->sort = static_cast<int64_t>(i) + 1;
    }
    return {};
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return Status{};
}

}  // namespace halcyon::schema
