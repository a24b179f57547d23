// Relations' keys (reference D.6): which columns join two collections, and the implicit foreign
// keys and through collections that follow from them.
#include <fmt/format.h>

#include <algorithm>

#include "schema/builder.h"
#include "schema/field_type.h"

namespace halcyon::schema {

namespace {

std::optional<RelationKind> relation_kind(std::string_view type) {
  if (type == "belongsTo") return RelationKind::kBelongsTo;
  if (type == "hasOne") return RelationKind::kHasOne;
  if (type == "hasMany") return RelationKind::kHasMany;
  if (type == "belongsToMany") return RelationKind::kBelongsToMany;
  if (type == "belongsToArray") return RelationKind::kBelongsToArray;
  return std::nullopt;
}

OnDelete on_delete(std::string_view text, OnDelete fallback) {
  if (text == "SET NULL") return OnDelete::kSetNull;
  if (text == "CASCADE") return OnDelete::kCascade;
  if (text == "RESTRICT") return OnDelete::kRestrict;
  if (text == "NO ACTION") return OnDelete::kNoAction;
  return fallback;
}

// Key columns that may hold each other's values: integers are one family, and texts.
bool same_family(const sql::ColumnType& a, const sql::ColumnType& b) {
  const auto family = [](sql::Type type) {
    return type == sql::Type::kInt32 ? sql::Type::kInt64 : type;
  };
  return family(a.type) == family(b.type);
}

// The definition of a column that can hold values of `key`.
json::Object foreign_key_definition(std::string_view name, const Field& key) {
  json::Object out{{"name", name}, {"isForeignKey", true}, {"index", true}};
  switch (key.storage.type) {
    case sql::Type::kInt32:
      out["type"] = "integer";
      break;
    case sql::Type::kInt64:
      out["type"] = "bigInt";
      break;
    case sql::Type::kUuid:
      out["type"] = "uuid";
      out["autoFill"] = false;
      break;
    case sql::Type::kText:
      out["type"] = key.storage.length > 0 ? "string" : "text";
      if (key.storage.length > 0) out["length"] = key.storage.length;
      break;
    default:
      out["type"] = key.type;
      for (std::string_view option : {"precision", "scale", "accuracy"}) {
        if (const json::Value* value = json::find(key.options, option)) out[option] = *value;
      }
  }
  out["interface"] = key.storage.type == sql::Type::kInt32 || key.storage.type == sql::Type::kInt64
                         ? "integer"
                         : "input";
  return out;
}

std::unexpected<Error> relation_error(const Field& field, std::string id, std::string message) {
  return fail(Error(Code::kInvalidArgument, std::move(id),
                    fmt::format("Field \"{}\": {}", field.name, message))
                  .with_field(field.name));
}

}  // namespace

Result<Collection*> Builder::target_of(const Collection&, const Field& field,
                                       const Relation& relation) {
  Collection* target = find(relation.target);
  if (target != nullptr) return target;
  return relation_error(
      field, "UNKNOWN_TARGET",
      fmt::format("its target, the collection \"{}\", does not exist.", relation.target));
}

// The key named by `option` on `collection`: a column; default its primary key.
Result<std::string> Builder::key_of(Collection& collection, const Field& field,
                                    std::string_view option) {
  std::string name = json::get_string(field.options, option);
  if (name.empty()) {
    auto it = std::ranges::find_if(collection.fields, &Field::primary_key);
    if (it != collection.fields.end()) {
      name = it->name;
    } else {
      name = json::get_string(collection.options, "filterTargetKey", "id");
    }
  }
  const Field* key = find(collection, name);
  if (key == nullptr || key->column.empty()) {
    return relation_error(field, "UNKNOWN_KEY",
                          fmt::format("its {} \"{}\" is not a stored field of \"{}\".", option,
                                      name, collection.name));
  }
  return name;
}

Status Builder::need_foreign_key(Collection& on, std::string_view name, const Collection& other,
                                 const Field& key, const Field& relation) {
  if (Field* known = find(on, name)) {
    if (known->column.empty() || !same_family(known->storage, key.storage)) {
      return relation_error(
          relation, "FOREIGN_KEY_TYPE_MISMATCH",
          fmt::format("its foreign key \"{}\" of \"{}\" (type {}) cannot hold values of \"{}\" of "
                      "\"{}\" (type {}).",
                      name, on.name, known->type, key.name, other.name, key.type));
    }
    known->index = true;
    return {};
  }
  if (on.is_view || on.is_sql || json::get_bool(on.options, "introspected")) {
    return relation_error(
        relation, "UNKNOWN_KEY",
        fmt::format("its foreign key \"{}\" is not a field of \"{}\".", name, on.name));
  }
  // A copy: the key may live in the vector that grows.
  json::Object definition = foreign_key_definition(name, key);
  if (add_implicit(on, std::move(definition)) == nullptr) {
    return relation_error(relation, "INVALID_NAME",
                          fmt::format("\"{}\" is no name for a foreign key.", name));
  }
  return {};
}

Result<Relation> Builder::resolve_belongs_to(Collection& source, const Field& field,
                                             Relation relation) {
  TRY(Collection * target, target_of(source, field, relation));
  TRY(relation.target_key, key_of(*target, field, "targetKey"));
  if (relation.foreign_key.empty()) {
    relation.foreign_key = to_camel(field.name + "_" + relation.target_key);
  }
  const Field key = *find(*target, relation.target_key);
  TRY_STATUS(need_foreign_key(source, relation.foreign_key, *target, key, field));
  return relation;
}

Result<Relation> Builder::resolve_has(Collection& source, const Field& field, Relation relation) {
  TRY(Collection * target, target_of(source, field, relation));
  TRY(relation.source_key, key_of(source, field, "sourceKey"));
  // Which rows set/add mean: the target's own key unless another is named.
  if (auto key = key_of(*target, field, "targetKey")) relation.target_key = *key;
  if (relation.foreign_key.empty()) {
    relation.foreign_key = to_camel(to_singular(source.name) + "_" + relation.source_key);
  }
  const Field key = *find(source, relation.source_key);
  TRY_STATUS(need_foreign_key(*target, relation.foreign_key, source, key, field));
  if (relation.kind == RelationKind::kHasMany && json::get_bool(field.options, "sortable")) {
    const std::string sort = relation.foreign_key + "Sort";
    if (find(*target, sort) == nullptr) {
      add_implicit(
          *target,
          {{"name", sort}, {"type", "sort"}, {"hidden", true}, {"scopeKey", relation.foreign_key}});
    }
  }
  return relation;
}

Result<Relation> Builder::resolve_many_to_many(Collection& source, const Field& field,
                                               Relation relation) {
  TRY(Collection * target, target_of(source, field, relation));
  TRY(relation.source_key, key_of(source, field, "sourceKey"));
  TRY(relation.target_key, key_of(*target, field, "targetKey"));
  if (relation.foreign_key.empty()) {
    relation.foreign_key = to_camel(to_singular(source.name) + "_" + relation.source_key);
  }
  if (relation.other_key.empty()) {
    relation.other_key = to_camel(to_singular(target->name) + "_" + relation.target_key);
  }
  if (relation.foreign_key == relation.other_key) {
    return relation_error(field, "INVALID_FIELD_OPTIONS",
                          "\"foreignKey\" and \"otherKey\" must be different.");
  }
  if (relation.through.empty()) {
    std::vector<std::string> names = {to_lower(source.name), to_lower(target->name)};
    std::ranges::sort(names);
    relation.through = to_camel(names[0] + "_" + names[1]);
  }
  Collection* through = find(relation.through);
  if (through == nullptr) {
    CollectionDefinition made;
    made.builtin = source.builtin && target->builtin;
    made.options = {{"name", relation.through},
                    {"title", relation.through},
                    {"isThrough", true},
                    {"autoGenId", false},
                    {"sourceCollectionName", source.name},
                    {"targetCollectionName", target->name}};
    through = &add(made);
  }
  const Field source_key = *find(source, relation.source_key);
  const Field target_key = *find(*target, relation.target_key);
  TRY_STATUS(need_foreign_key(*through, relation.foreign_key, source, source_key, field));
  TRY_STATUS(need_foreign_key(*through, relation.other_key, *target, target_key, field));
  const bool has_key = std::ranges::any_of(through->fields, &Field::primary_key);
  const bool stored = !through->is_view && !through->is_sql;
  if (!has_key && stored && !json::get_bool(through->options, "introspected")) {
    for (const std::string& name : {relation.foreign_key, relation.other_key}) {
      Field* key = find(*through, name);
      key->primary_key = true;
      key->nullable = false;
    }
  } else if (json::get_bool(field.options, "throughUnique") && stored) {
    json::Value& indexes = through->options["indexes"];
    if (!indexes.is_array()) indexes = json::Array();
    indexes.get_array().push_back(
        {{"unique", true}, {"fields", {relation.foreign_key, relation.other_key}}});
  }
  return relation;
}

Result<Relation> Builder::resolve_array(Collection& source, const Field& field, Relation relation) {
  TRY(Collection * target, target_of(source, field, relation));
  TRY(relation.target_key, key_of(*target, field, "targetKey"));
  if (relation.foreign_key.empty()) {
    relation.foreign_key = to_camel(to_singular(field.name) + "_" + relation.target_key + "s");
  }
  if (Field* known = find(source, relation.foreign_key)) {
    if (known->kind->family() != Family::kArray) {
      return relation_error(field, "FOREIGN_KEY_TYPE_MISMATCH",
                            fmt::format("its foreign key \"{}\" must be a field of type set or "
                                        "array, not {}.",
                                        relation.foreign_key, known->type));
    }
    return relation;
  }
  add_implicit(source, {{"name", relation.foreign_key}, {"type", "set"}, {"isForeignKey", true}});
  return relation;
}

Result<Relation> Builder::resolve(Collection& source, const Field& field) {
  Relation relation;
  relation.kind = *relation_kind(field.type);
  const json::Object& options = field.options;
  relation.target = json::get_string(options, "target", to_plural(field.name));
  relation.foreign_key = json::get_string(options, "foreignKey");
  relation.other_key = json::get_string(options, "otherKey");
  relation.through = json::get_string(options, "through");
  const bool many = relation.kind == RelationKind::kBelongsToMany;
  relation.on_delete = on_delete(json::get_string(options, "onDelete"),
                                 many ? OnDelete::kCascade : OnDelete::kNoAction);
  if (const json::Value* sort_by = json::find(options, "sortBy")) {
    if (sort_by->is_string()) relation.sort_by.emplace_back(json::as_view(*sort_by));
    if (sort_by->is_array()) {
      for (const auto& item : sort_by->get_array()) {
        if (item.is_string()) relation.sort_by.emplace_back(json::as_view(item));
      }
    }
  }
  switch (relation.kind) {
    case RelationKind::kBelongsTo:
      return resolve_belongs_to(source, field, std::move(relation));
    case RelationKind::kHasOne:
    case RelationKind::kHasMany:
      return resolve_has(source, field, std::move(relation));
    case RelationKind::kBelongsToMany:
      return resolve_many_to_many(source, field, std::move(relation));
    case RelationKind::kBelongsToArray:
      return resolve_array(source, field, std::move(relation));
  }
  return relation;
}

void Builder::resolve_relations() {
  // Through collections that appear on the way have no relations of their own; indexes stay good
  // while fields and collections are added.
  const size_t count = collections.size();
  for (size_t c = 0; c < count; ++c) {
    Collection& source = *collections[c];
    std::vector<std::string> failed;
    for (size_t f = 0; f < source.fields.size(); ++f) {
      if (!relation_kind(source.fields[f].type)) continue;
      const Field field = source.fields[f];  // a copy: the vector grows
      auto relation = resolve(source, field);
      if (!relation) {
        problem(source, std::move(relation).error());
        failed.push_back(field.name);
        continue;
      }
      find(source, field.name)->relation = std::move(*relation);
    }
    std::erase_if(source.fields, [&](const Field& field) {
      return std::ranges::find(failed, field.name) != failed.end();
    });
  }
}

}  // namespace halcyon::schema
