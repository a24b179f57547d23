// What creating, changing, moving and removing a collection means for the stored model.
#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "schema/catalog_impl.h"
#include "schema/introspect.h"
#include "schema/names.h"

namespace halcyon::schema {

namespace {

std::unexpected<Error> protected_collection(std::string_view name, std::string_view what) {
  return fail(Error(Code::kInvalidArgument, "PROTECTED_COLLECTION",
                    fmt::format("Collection \"{}\" is built in and cannot be {}.", name, what)));
}

// Keys of a row that are not part of the definition.
void strip(json::Object& definition) {
  for (std::string_view key : {"fields", "key", "category", "collectionCategory"}) {
    definition.erase(key);
  }
}

json::Array fields_of(const json::Object& definition) {
  const json::Array* fields = json::get_array(definition, "fields");
  return fields == nullptr ? json::Array() : *fields;
}

// The four presets not given follow from the fields (reference D.1).
void apply_presets(json::Object& definition) {
  const json::Array fields = fields_of(definition);
  const bool stored = !definition.contains("sql") && !definition.contains("viewName") &&
                      !json::get_bool(definition, "view");
  for (std::string_view preset : {"createdAt", "updatedAt", "createdBy", "updatedBy"}) {
    if (definition.contains(preset) || !stored) continue;
    definition[preset] = std::ranges::any_of(fields, [&](const json::Value& field) {
      return field.is_object() && json::get_string(field.get_object(), "name") == preset;
    });
  }
}

int64_t next_sort(const StoredModel& model) {
  int64_t last = 0;
  for (const auto& row : model.collections) last = std::max(last, row.sort);
  return last + 1;
}

StoredCollection& stored_row(Edit& edit, const std::string& name) {
  if (StoredCollection* row = edit.model.find(name)) return *row;
  StoredCollection row;
  row.key = uid();
  row.sort = next_sort(edit.model);
  row.options = {{"name", name}};
  // An implicit through collection keeps what makes it one.
  if (const Collection* known = edit.before.find(name); known != nullptr && !known->builtin) {
    row.options = known->options;
  }
  edit.model.collections.push_back(std::move(row));
  return edit.model.collections.back();
}

Status check_definition(const json::Object& definition) {
  const std::string sql = json::get_string(definition, "sql");
  if (!sql.empty()) TRY_STATUS(check_select(sql));
  if (definition.contains("inherits")) {
    const json::Array* parents = json::get_array(definition, "inherits");
    if (parents != nullptr && !parents->empty()) {
      return fail(Error(Code::kUnimplemented, "INHERITANCE_UNSUPPORTED",
                        "Collections that inherit from others are not supported.")
                      .with_field("inherits"));
    }
  }
  return {};
}

Status add_collection(Edit& edit, json::Object definition) {
  const std::string name = json::get_string(definition, "name");
  TRY_STATUS(check_name("collection", name));
  TRY_STATUS(check_definition(definition));
  for (const auto& [known, collection] : edit.before.collections) {
    const bool implicit = collection->key.empty() && !collection->builtin;
    if (iequals(known, name) && (!implicit || known != name)) {
      return fail(Error(Code::kInvalidArgument, "DUPLICATE_COLLECTION",
                        fmt::format("There is a collection \"{}\" already.", known))
                      .with_field("name"));
    }
  }
  apply_presets(definition);
  const json::Array fields = fields_of(definition);
  StoredCollection row;
  row.key = json::get_string(definition, "key");
  if (row.key.empty()) row.key = uid();
  row.sort = next_sort(edit.model);
  row.options = std::move(definition);
  strip(row.options);
  row.options.erase("sort");
  edit.model.collections.push_back(std::move(row));
  for (const auto& item : fields) {
    if (!item.is_object()) {
      return invalid("INVALID_VALUE", "\"fields\" must be a list of field definitions.");
    }
    TRY_STATUS(add_field(edit, name, item.get_object()));
  }
  return {};
}

// What a collection reads from: a table, a view, an SQL statement. It stays what it is.
std::string_view kind_of(const json::Object& options) {
  const std::string kind = json::get_string(options, "template");
  if (kind == "sql" || !json::get_string(options, "sql").empty()) return "an SQL collection";
  if (kind == "view" || json::get_bool(options, "view") ||
      !json::get_string(options, "viewName").empty()) {
    return "a view";
  }
  return "a table";
}

Status edit_collection(Edit& edit, const std::string& name, json::Object changes) {
  const Collection* known = edit.before.find(name);
  if (known == nullptr) return collection_not_found(name);
  const std::string new_name = json::get_string(changes, "name", name);
  if (new_name != name) {
    return fail(Error(Code::kInvalidArgument, "NAME_IS_FIXED",
                      fmt::format("Collection \"{}\" cannot be renamed.", name))
                    .with_field("name"));
  }
  TRY_STATUS(check_definition(changes));
  const bool has_fields = json::get_array(changes, "fields") != nullptr;
  const json::Array fields = fields_of(changes);
  strip(changes);
  changes.erase("sort");
  if (!changes.empty()) {
    StoredCollection& row = stored_row(edit, name);
    const std::string_view kind = kind_of(row.options);
    const std::string schema = json::get_string(row.options, "schema");
    for (auto& [key, value] : changes) row.options[key] = std::move(value);
    if (kind_of(row.options) != kind || json::get_string(row.options, "schema") != schema) {
      return fail(Error(Code::kInvalidArgument, "COLLECTION_KIND_CHANGE_REFUSED",
                        fmt::format("Collection \"{}\" is {} and stays one, where it is: make a "
                                    "new collection.",
                                    name, kind))
                      .with_field("template"));
    }
  }
  if (has_fields) TRY_STATUS(replace_fields(edit, name, fields));
  return {};
}

Status remove_collection(Edit& edit, const std::string& name, bool cascade) {
  const Collection* known = edit.before.find(name);
  if (known == nullptr) return collection_not_found(name);
  if (known->builtin) return protected_collection(name, "removed");
  const auto uses = [&](const Field& field) {
    return field.relation && (field.relation->target == name || field.relation->through == name);
  };
  for (const auto& [other_name, other] : edit.before.collections) {
    if (other_name == name) continue;
    for (const Field& field : other->fields) {
      if (!uses(field)) continue;
      if (!cascade) {
        return fail(Code::kInvalidArgument, "COLLECTION_IN_USE",
                    fmt::format("Collection \"{}\" is used by \"{}.{}\"; remove that first or "
                                "pass cascade.",
                                name, other_name, field.name));
      }
      if (field.key.empty()) {
        return protected_collection(other_name, "changed by removing \"" + name + "\"");
      }
      std::erase_if(edit.model.fields,
                    [&](const StoredField& row) { return row.key == field.key; });
    }
  }
  std::erase_if(edit.model.fields, [&](const StoredField& row) { return row.collection == name; });
  std::erase_if(edit.model.collections,
                [&](const StoredCollection& row) { return row.name() == name; });
  return {};
}

}  // namespace

// What only the server decides; it comes back from reads.
void drop_internal(json::Object& definition) {
  definition.erase("introspected");
  definition.erase("treePathOf");
  if (json::Value* fields = definition.if_contains("fields"); fields && fields->is_array()) {
    drop_internal(fields->get_array());
  }
}
void drop_internal(json::Array& fields) {
  for (json::Value& field : fields) {
    if (field.is_object()) field.get_object().erase("introspected");
  }
}

Result<std::vector<std::string>> moved(std::vector<std::string> names, const std::string& source,
                                       const std::string& target, const std::string& method) {
  const auto from = std::ranges::find(names, source);
  const auto to = std::ranges::find(names, target);
  if (from == names.end() || (to == names.end() && method != "prepend")) {
    return fail(Code::kNotFound, "NOT_FOUND",
                fmt::format("There is no \"{}\" to move.", from == names.end() ? source : target));
  }
  const auto place = method == "prepend" ? 0 : to - names.begin();
  const auto old_place = from - names.begin();
  names.erase(from);
  // Taking the target's place; after it, when asked or when coming from before it.
  auto at = place;
  if (method == "insertAfter") at = old_place < place ? place : place + 1;
  names.insert(names.begin() + std::min<std::ptrdiff_t>(at, std::ssize(names)), source);
  return names;
}

namespace {

bool is_view(const json::Object& definition) {
  return json::get_string(definition, "sql").empty() &&
         (json::get_bool(definition, "view") ||
          json::get_string(definition, "template") == "view" ||
          !json::get_string(definition, "viewName").empty());
}

// A view must exist; without fields it gets those its columns suggest.
Task<Status> complete_view(sql::Executor& db, const Context& ctx, const Settings& settings,
                           json::Object& definition) {
  const std::string name =
      json::get_string(definition, "viewName", json::get_string(definition, "name"));
  const std::string schema = json::get_string(definition, "schema", settings.db_schema);
  CO_TRY(auto info, co_await sql::describe_table(db, ctx, schema, name));
  if (!info) {
    co_return fail(Error(Code::kInvalidArgument, "UNKNOWN_VIEW",
                         fmt::format("The database has no view \"{}\".", name))
                       .with_field("viewName"));
  }
  definition["viewName"] = name;
  if (fields_of(definition).empty()) definition["fields"] = guess_fields(*info);
  co_return Status{};
}

// A view collection that is to read another view: is it there?
Task<Status> check_view_name(sql::Executor& db, const Context& ctx, const Settings& settings,
                             const Snapshot& model, const std::string& name,
                             const json::Object& changes) {
  const Collection* known = model.find(name);
  const std::string view = json::get_string(changes, "viewName");
  if (known == nullptr || !known->is_view || view.empty() || view == known->table) {
    co_return Status{};
  }
  json::Object wanted{{"name", name}, {"viewName", view}, {"schema", known->table_schema}};
  co_return co_await complete_view(db, ctx, settings, wanted);
}

}  // namespace

Task<Result<json::Object>> Catalog::create_collection(const Context& ctx, json::Object definition,
                                                      Unit* unit) {
  drop_internal(definition);
  if (json::get_string(definition, "name").empty()) definition["name"] = uid("t_");
  if (is_view(definition)) {
    CO_TRY_STATUS(co_await complete_view(impl_->db, ctx, impl_->settings, definition));
  }
  const std::string name = json::get_string(definition, "name");
  Mutation mutation = [definition](Edit& edit) { return add_collection(edit, definition); };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  const Collection* made = model->find(name);
  if (made == nullptr) co_return collection_not_found(name);
  co_return collection_json(*made, true);
}

Task<Result<json::Object>> Catalog::update_collection(const Context& ctx, std::string name,
                                                      json::Object changes, Unit* unit) {
  drop_internal(changes);
  CO_TRY_STATUS(
      co_await check_view_name(impl_->db, ctx, impl_->settings, *snapshot(), name, changes));
  Mutation mutation = [name, changes](Edit& edit) { return edit_collection(edit, name, changes); };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  const Collection* now = model->find(name);
  if (now == nullptr) co_return collection_not_found(name);
  co_return collection_json(*now, true);
}

Task<Status> Catalog::destroy_collection(const Context& ctx, std::string name, bool cascade,
                                         Unit* unit) {
  Mutation mutation = [name, cascade](Edit& edit) {
    return remove_collection(edit, name, cascade);
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return Status{};
}

Task<Status> Catalog::set_fields(const Context& ctx, std::string name, json::Array fields,
                                 Unit* unit) {
  drop_internal(fields);
  Mutation mutation = [name, fields](Edit& edit) -> Status {
    if (edit.before.find(name) == nullptr) return collection_not_found(name);
    return replace_fields(edit, name, fields);
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return Status{};
}

Task<Result<json::Object>> Catalog::apply_collection(const Context& ctx, json::Object definition,
                                                     Unit* unit) {
  drop_internal(definition);
  if (json::get_string(definition, "name").empty()) definition["name"] = uid("t_");
  const std::string name = json::get_string(definition, "name");
  const auto present = snapshot();
  if (present->find(name) != nullptr) {
    CO_TRY_STATUS(
        co_await check_view_name(impl_->db, ctx, impl_->settings, *present, name, definition));
  } else if (is_view(definition)) {
    CO_TRY_STATUS(co_await complete_view(impl_->db, ctx, impl_->settings, definition));
  }
  Mutation mutation = [definition, name](Edit& edit) -> Status {
    if (edit.before.find(name) == nullptr) return add_collection(edit, definition);
    json::Object changes = definition;
    changes.erase("fields");
    TRY_STATUS(edit_collection(edit, name, std::move(changes)));
    return upsert_fields(edit, name, fields_of(definition));
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  const Collection* now = model->find(name);
  if (now == nullptr) co_return collection_not_found(name);
  co_return collection_json(*now, true);
}

Task<Status> Catalog::move_collection(const Context& ctx, std::string source, std::string target,
                                      std::string method, Unit* unit) {
  Mutation mutation = [source, target, method](Edit& edit) -> Status {
    std::vector<StoredCollection*> rows;
    for (auto& row : edit.model.collections) rows.push_back(&row);
    std::ranges::sort(rows, {}, &StoredCollection::sort);
    std::vector<std::string> names;
    for (const auto* row : rows) names.push_back(row->name());
    TRY(auto order, moved(std::move(names), source, target, method));
    for (size_t i = 0; i < order.size(); ++i) {
      edit.model.find(order[i])->sort = static_cast<int64_t>(i) + 1;
    }
    return {};
  };
  CO_TRY(const auto model, co_await impl_->change(ctx, std::move(mutation), unit));
  co_return Status{};
}

}  // namespace halcyon::schema
