#include "schema/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "schema/builder.h"
#include "schema/field_type.h"
#include "schema/names.h"
#include "schema/rules.h"
#include "schema/types/formula.h"

namespace halcyon::schema {

Result<Field> build_field(const json::Object& options, bool underscored) {
  Field field;
  field.name = json::get_string(options, "name");
  field.type = json::get_string(options, "type");
  field.interface = json::get_string(options, "interface");
  TRY_STATUS(check_name("field", field.name));
  field.kind = find_field_type(field.type);
  if (field.kind == nullptr) {
    return fail(
        Error(Code::kInvalidArgument, "UNKNOWN_FIELD_TYPE",
              fmt::format("Field \"{}\": there is no field type \"{}\".", field.name, field.type))
            .with_field(field.name));
  }
  if (auto status = field.kind->check_options(options); !status) {
    status.error().message = fmt::format("Field \"{}\": {}", field.name, status.error().message);
    return std::unexpected(std::move(status).error());
  }
  if (field.type == "formula") {
    TRY(field.formula, types::parse_formula(options));
  }
  if (auto storage = field.kind->storage(options)) {
    field.storage = *storage;
    field.column = json::get_string(options, "field");
    if (field.column.empty()) field.column = physical_name(field.name, "", underscored);
    TRY_STATUS(check_identifier("field", field.name, field.column));
  }
  field.primary_key = json::get_bool(options, "primaryKey");
  field.auto_increment = json::get_bool(options, "autoIncrement");
  field.nullable = json::get_bool(options, "allowNull", true) && !field.primary_key;
  field.unique = json::get_bool(options, "unique");
  field.index = json::get_bool(options, "index");
  field.hidden = json::get_bool(options, "hidden") || field.type == "password";
  field.now_on_create = json::get_bool(options, "defaultToCurrentTime");
  field.now_on_update = json::get_bool(options, "onUpdateToCurrentTime");
  if (const json::Value* value = json::find(options, "defaultValue")) field.default_value = *value;
  if (const json::Object* validation = json::get_object(options, "validation")) {
    if (const json::Array* rules = json::get_array(*validation, "rules")) {
      field.rules = *rules;
      if (auto status = check_rule_definitions(field.rules); !status) {
        status.error().message =
            fmt::format("Field \"{}\": {}", field.name, status.error().message);
        return std::unexpected(std::move(status).error());
      }
    }
  }
  field.options = options;
  return field;
}

void Builder::problem(const Collection& collection, Error error) {
  if (!error.message.starts_with("Collection")) {
    error.message = fmt::format("Collection \"{}\": {}", collection.name, error.message);
  }
  problems.push_back(std::move(error));
}

Field* Builder::add_implicit(Collection& collection, json::Object options, bool first) {
  auto made = build_field(options, settings.underscored);
  if (!made) {
    problem(collection, std::move(made).error());
    return nullptr;
  }
  made->implicit = true;
  auto at = first ? collection.fields.begin() : collection.fields.end();
  return &*collection.fields.insert(at, std::move(*made));
}

Field* Builder::find(Collection& collection, std::string_view name) {
  auto it = std::ranges::find(collection.fields, name, &Field::name);
  return it == collection.fields.end() ? nullptr : &*it;
}

Collection* Builder::find(std::string_view name) {
  auto it = index.find(name);
  return it == index.end() ? nullptr : collections[it->second].get();
}

void Builder::place_table(Collection& collection) {
  const json::Object& options = collection.options;
  const std::string own_schema = json::get_string(options, "schema");
  collection.table_schema = own_schema.empty() ? settings.db_schema : own_schema;
  if (collection.is_view) {
    collection.table = json::get_string(options, "viewName", collection.name);
    return;
  }
  const std::string given = json::get_string(options, "tableName", collection.name);
  // An adopted table is called what it is called.
  collection.table = json::get_bool(options, "introspected")
                         ? given
                         : physical_name(given, settings.table_prefix, settings.underscored);
}

Collection& Builder::add(const CollectionDefinition& definition) {
  const json::Object& options = definition.options;
  auto made = std::make_shared<Collection>();
  Collection& collection = *made;
  collection.key = definition.key;
  collection.name = json::get_string(options, "name");
  collection.title = json::get_string(options, "title", collection.name);
  collection.template_name = json::get_string(options, "template", "general");
  collection.builtin = definition.builtin;
  collection.options = options;
  collection.options.erase("fields");
  collection.sql = json::get_string(options, "sql");
  collection.is_sql = collection.template_name == "sql" || !collection.sql.empty();
  collection.is_view = !collection.is_sql &&
                       (collection.template_name == "view" || json::get_bool(options, "view") ||
                        !json::get_string(options, "viewName").empty());
  collection.writable_view = collection.is_view && json::get_bool(options, "writableView");
  collection.is_through = json::get_bool(options, "isThrough");
  collection.paranoid = json::get_bool(options, "paranoid");
  collection.simple_paginate = json::get_bool(options, "simplePaginate");
  const json::Value* tree = json::find(options, "tree");
  collection.tree = (tree != nullptr && ((tree->is_string() && !tree->get_string().empty()) ||
                                         (tree->is_bool() && tree->get_bool()))) ||
                    collection.template_name == "tree";
  place_table(collection);
  index.emplace(collection.name, collections.size());
  collections.push_back(std::move(made));

  for (const FieldDefinition& item : definition.fields) {
    auto field = build_field(item.options, settings.underscored);
    if (!field) {
      problem(collection, std::move(field).error());
      continue;
    }
    if (find(collection, field->name) != nullptr) {
      problem(collection, Error(Code::kInvalidArgument, "DUPLICATE_FIELD",
                                fmt::format("Field \"{}\" is defined twice.", field->name))
                              .with_field(field->name));
      continue;
    }
    field->key = item.key;
    field->parent_key = item.parent_key;
    field->reverse_key = item.reverse_key;
    collection.fields.push_back(std::move(*field));
  }
  if (!collection.is_view && !collection.is_sql) add_own_fields(collection);
  return collection;
}

// id, times, author fields, sort, tree: what options ask for and `fields` does not have.
void Builder::add_own_fields(Collection& collection) {
  const json::Object& options = collection.options;
  const bool adopted = json::get_bool(options, "introspected");
  const bool has_key = std::ranges::any_of(collection.fields, &Field::primary_key);
  if (json::get_bool(options, "autoGenId", !adopted) && !has_key && !adopted) {
    if (Field* id = find(collection, "id")) {
      id->primary_key = true;
      id->nullable = false;
      if (id->type == "bigInt" || id->type == "integer") id->auto_increment = true;
    } else {
      add_implicit(collection,
                   {{"name", "id"},
                    {"type", "bigInt"},
                    {"interface", "id"},
                    {"primaryKey", true},
                    {"autoIncrement", true},
                    {"allowNull", false}},
                   true);
    }
  }
  const bool timestamps = json::get_bool(options, "timestamps", !adopted);
  add_time(collection, "createdAt", timestamps, true, false);
  add_time(collection, "updatedAt", timestamps, true, true);
  add_author(collection, "createdBy", "createdById", true);
  add_author(collection, "updatedBy", "updatedById", false);
  if (collection.paranoid) add_time(collection, "deletedAt", true, false, false);
  add_sort(collection);
  if (collection.tree) add_tree(collection);
}

void Builder::add_time(Collection& collection, std::string_view option, bool wanted, bool on_create,
                       bool on_update) {
  std::string name(option);
  if (const json::Value* value = json::find(collection.options, option)) {
    if (value->is_bool()) wanted = wanted && value->get_bool();
    if (value->is_string()) name = std::string(json::as_view(*value));
  }
  Field* field = find(collection, name);
  if (!wanted && field == nullptr) return;
  if (field == nullptr) {
    field = add_implicit(collection,
                         {{"name", name}, {"type", "date"}, {"interface", std::string(option)}});
  }
  if (field == nullptr || field->kind->family() != Family::kDateTime) return;
  field->now_on_create |= on_create;
  field->now_on_update |= on_update;
}

void Builder::add_author(Collection& collection, std::string_view relation, std::string_view key,
                         bool create_only) {
  if (!json::get_bool(collection.options, relation)) return;
  if (find(collection, key) == nullptr) {
    add_implicit(collection, {{"name", std::string(key)},
                              {"type", "context"},
                              {"dataType", "bigInt"},
                              {"dataIndex", "state.currentUser.id"},
                              {"createOnly", create_only},
                              {"isForeignKey", true},
                              {"index", true}});
  }
  if (find(collection, relation) == nullptr) {
    add_implicit(collection, {{"name", std::string(relation)},
                              {"type", "belongsTo"},
                              {"interface", std::string(relation)},
                              {"target", "users"},
                              {"foreignKey", std::string(key)},
                              {"targetKey", "id"}});
  }
}

void Builder::add_sort(Collection& collection) {
  const json::Value* sortable = json::find(collection.options, "sortable");
  if (sortable == nullptr || sortable->is_null()) return;
  std::string name = "sort";
  std::string scope;
  if (sortable->is_bool() && !sortable->get_bool()) return;
  if (sortable->is_string()) name = std::string(json::as_view(*sortable));
  if (sortable->is_object()) {
    name = json::get_string(sortable->get_object(), "name", name);
    scope = json::get_string(sortable->get_object(), "scopeKey");
  }
  if (name.empty() || find(collection, name) != nullptr) return;
  json::Object options{{"name", name}, {"type", "sort"}, {"hidden", true}};
  if (!scope.empty()) options["scopeKey"] = scope;
  add_implicit(collection, std::move(options));
}

void Builder::add_tree(Collection& collection) {
  const auto has = [&](std::string_view flag) {
    return std::ranges::any_of(
        collection.fields, [&](const Field& field) { return json::get_bool(field.options, flag); });
  };
  if (!has("treeParent") && find(collection, "parent") == nullptr) {
    add_implicit(collection, {{"name", "parent"},
                              {"type", "belongsTo"},
                              {"interface", "m2o"},
                              {"target", collection.name},
                              {"foreignKey", "parentId"},
                              {"onDelete", "CASCADE"},
                              {"treeParent", true}});
  }
  if (!has("treeChildren") && find(collection, "children") == nullptr) {
    add_implicit(collection, {{"name", "children"},
                              {"type", "hasMany"},
                              {"interface", "o2m"},
                              {"target", collection.name},
                              {"foreignKey", "parentId"},
                              {"onDelete", "CASCADE"},
                              {"treeChildren", true}});
  }
}

// The path table, made by the server: no row of `collections`, not for roles' general rights.
void Builder::add_tree_path(Collection& tree) {
  const Field* parent = tree_parent(tree);
  const Field* key = parent == nullptr ? nullptr : find(tree, parent->relation->target_key);
  if (key == nullptr || find(tree_path_collection(tree.name)) != nullptr) return;
  const auto key_column = [&](std::string_view name) {
    json::Object column{{"name", name}, {"type", "bigInt"}, {"index", true}};
    if (key->storage.type == sql::Type::kInt32) column["type"] = "integer";
    if (key->storage.type == sql::Type::kUuid) {
      column["type"] = "uuid";
      column["autoFill"] = false;
    }
    if (key->storage.type == sql::Type::kText) {
      column["type"] = "string";
      if (key->storage.length > 0) column["length"] = key->storage.length;
    }
    return FieldDefinition{"", "", "", std::move(column)};
  };
  CollectionDefinition definition;
  definition.builtin = true;
  definition.options = {{"name", tree_path_collection(tree.name)},
                        {"title", tree.title + " (paths)"},
                        {"autoGenId", false},
                        {"timestamps", false},
                        {"hidden", true},
                        {"treePathOf", tree.name}};
  if (const json::Value* schema = json::find(tree.options, "schema")) {
    definition.options["schema"] = *schema;
  }
  definition.fields.push_back(key_column("nodePk"));
  definition.fields.push_back({"", "", "", {{"name", "path"}, {"type", "text"}}});
  definition.fields.push_back(key_column("rootPk"));
  add(definition);
}

void Builder::add_tree_paths() {
  const size_t count = collections.size();
  for (size_t i = 0; i < count; ++i) {
    const std::shared_ptr<Collection> tree = collections[i];
    if (!tree->tree || tree->is_view || tree->is_sql) continue;
    add_tree_path(*tree);
  }
}

// A default that is no value of the field would fail every create.
void Builder::check_default(const Collection& collection, const Field& field) {
  const json::Value& value = field.default_value;
  if (value.is_null()) return;
  if (value.is_string() &&
      (json::as_view(value).find("{{") != std::string_view::npos || json::as_view(value).empty())) {
    return;  // a variable of the client
  }
  auto parsed = field.kind->parse(field, value, ValueContext());
  if (parsed) return;
  Error error = std::move(parsed).error();
  error.id = "INVALID_DEFAULT_VALUE";
  error.message = "the default is wrong. " + error.message;
  problem(collection, std::move(error));
}

void Builder::finish(Collection& collection) {
  StringMap<std::string> columns;
  for (size_t i = 0; i < collection.fields.size(); ++i) {
    Field& field = collection.fields[i];
    collection.field_index.emplace(field.name, i);
    if (field.primary_key) collection.primary_key.push_back(field.name);
    if (field.column.empty()) continue;
    check_default(collection, field);
    auto [it, fresh] = columns.emplace(to_lower(field.column), field.name);
    if (!fresh) {
      problem(collection, Error(Code::kInvalidArgument, "DUPLICATE_COLUMN",
                                fmt::format("Fields \"{}\" and \"{}\" have the same column \"{}\".",
                                            it->second, field.name, field.column))
                              .with_field(field.name));
    }
  }
  const json::Value* target = json::find(collection.options, "filterTargetKey");
  if (target != nullptr && target->is_string() && !target->get_string().empty()) {
    collection.filter_target_key = {std::string(json::as_view(*target))};
  } else if (target != nullptr && target->is_array()) {
    for (const auto& item : target->get_array()) {
      if (item.is_string()) collection.filter_target_key.emplace_back(json::as_view(item));
    }
  }
  std::erase_if(collection.filter_target_key, [&](const std::string& name) {
    const Field* field = collection.find(name);
    return field == nullptr || field->column.empty();
  });
  if (collection.filter_target_key.empty()) collection.filter_target_key = collection.primary_key;
  collection.title_field = json::get_string(collection.options, "titleField");
  if (collection.find(collection.title_field) == nullptr) {
    collection.title_field =
        collection.filter_target_key.empty() ? "" : collection.filter_target_key.front();
  }
  if (!collection.is_view && !collection.is_sql) add_indexes(collection);
}

void Builder::add_index(Collection& collection, std::vector<std::string> names, bool unique,
                        std::string name) {
  sql::IndexSpec spec;
  spec.unique = unique;
  spec.name = std::move(name);
  for (const std::string& field_name : names) {
    const Field* field = collection.find(field_name);
    if (field == nullptr) {
      // NocoBase lets an index name the column instead of the field.
      auto it = std::ranges::find(collection.fields, field_name, &Field::column);
      field = it == collection.fields.end() ? nullptr : &*it;
    }
    const bool indexable = field != nullptr && !field->column.empty() && is_indexable(*field);
    if (!indexable) {
      problem(collection,
              Error(Code::kInvalidArgument, "INVALID_INDEX",
                    field == nullptr || field->column.empty()
                        ? fmt::format("an index names the unknown field \"{}\".", field_name)
                        : fmt::format("a field of type {} cannot be indexed or unique (\"{}\").",
                                      field->type, field_name))
                  .with_field(field_name));
      return;
    }
    spec.columns.push_back(field->column);
  }
  if (spec.columns.empty()) return;
  for (sql::IndexSpec& known : collection.indexes) {
    if (known.columns != spec.columns) continue;
    known.unique |= spec.unique;
    if (known.name.empty()) known.name = spec.name;
    return;
  }
  collection.indexes.push_back(std::move(spec));
}

// MySQL cannot index texts and blobs without a prefix, and JSON not at all.
bool Builder::is_indexable(const Field& field) {
  const sql::ColumnType& type = field.storage;
  if (type.type == sql::Type::kText) return type.length > 0 && type.length <= 768;
  return type.type != sql::Type::kJson && type.type != sql::Type::kJsonb &&
         type.type != sql::Type::kBytes;
}

void Builder::add_indexes(Collection& collection) {
  for (const Field& field : collection.fields) {
    if (field.column.empty()) continue;
    const bool whole_key = field.primary_key && collection.primary_key.size() == 1;
    if (whole_key) continue;
    const bool first_of_key =
        !collection.primary_key.empty() && collection.primary_key.front() == field.name;
    if (field.unique) {
      add_index(collection, {field.name}, true);
    } else if (field.index && !first_of_key && is_indexable(field)) {
      add_index(collection, {field.name}, false);
    }
  }
  if (const json::Array* list = json::get_array(collection.options, "indexes")) {
    for (const auto& item : *list) {
      if (!item.is_object()) continue;
      std::vector<std::string> names;
      if (const json::Array* fields = json::get_array(item.get_object(), "fields")) {
        for (const auto& name : *fields) {
          if (name.is_string()) names.emplace_back(json::as_view(name));
        }
      }
      const bool unique = json::get_bool(item.get_object(), "unique") ||
                          iequals(json::get_string(item.get_object(), "type"), "UNIQUE");
      add_index(collection, std::move(names), unique, json::get_string(item.get_object(), "name"));
    }
  }
}

Build build_snapshot(const Settings& settings,
                     const std::vector<CollectionDefinition>& definitions) {
  Builder builder(settings);
  std::set<std::string> tables;
  for (const CollectionDefinition& definition : definitions) builder.add(definition);
  builder.resolve_relations();
  builder.add_tree_paths();
  auto snapshot = std::make_shared<Snapshot>();
  for (auto& collection : builder.collections) {
    builder.finish(*collection);
    if (auto status = check_identifier("collection", collection->name, collection->table);
        !status) {
      builder.problem(*collection, std::move(status).error());
    }
    if (!collection->is_view && !collection->is_sql &&
        !tables.insert(to_lower(collection->table_schema + "." + collection->table)).second) {
      builder.problem(*collection,
                      Error(Code::kInvalidArgument, "DUPLICATE_TABLE",
                            fmt::format("the table \"{}\" belongs to another collection already.",
                                        collection->table)));
    }
    snapshot->collections.emplace(collection->name, collection);
  }
  return {std::move(snapshot), std::move(builder.problems)};
}

}  // namespace halcyon::schema
