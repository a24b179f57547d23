// collections:*, fields:*, collections/<name>/fields:*, dbViews:*, sqlCollection:*,
// mainDataSource:*, dataSources:* of the main source (reference D.1, E.5). The model is served from
// the snapshot, so lists cost no database call; changes go through the catalogue.
#include "api/services.h"
#include "data/read/memory_query.h"

namespace halcyon::api {
namespace {

std::unexpected<Error> no_collection(std::string_view name) {
  return std::unexpected(Error(Code::kNotFound, "UNKNOWN_COLLECTION",
                               "There is no collection \"" + std::string(name) + "\".")
                             .with_field("collection"));
}

// Does the request ask for `fields` of collections?
bool wants_fields(const data::Params& params) {
  for (const auto& name : params.appends) {
    if (name == "fields" || name.starts_with("fields.")) return true;
  }
  return false;
}

json::Array fields_json(const schema::Collection& collection) {
  json::Array list;
  for (const auto& field : collection.fields) {
    if (!field.implicit || field.key.empty() == false)
      list.push_back(schema::field_json(field, collection));
  }
  return list;
}

Result<std::shared_ptr<const schema::Collection>> find_collection(const Call& call,
                                                                  const std::string& name) {
  // By name (the filter target key) or by uid.
  auto it = call.model->collections.find(name);
  if (it != call.model->collections.end()) return it->second;
  for (const auto& [unused, collection] : call.model->collections) {
    if (!collection->key.empty() && collection->key == name) return collection;
  }
  return no_collection(name);
}

Task<Result<Reply>> list_collections(const Services& services, Call& call) {
  json::Array rows;
  for (const auto& [name, collection] : call.model->collections) {
    if (collection->builtin && collection->key.empty()) continue;
    rows.push_back(schema::collection_json(*collection, wants_fields(call.params)));
  }
  CO_TRY(data::Answer answer,
         data::memory_list(rows, call.params, "name", services.data_call(call)));
  co_return Reply(std::move(answer));
}

Task<Result<Reply>> list_meta(Call& call) {
  json::Array rows;
  for (const auto& [name, collection] : call.model->collections) {
    rows.push_back(schema::collection_json(*collection, true));
  }
  co_return Reply(json::Value(std::move(rows)));
}

Task<Result<Reply>> get_collection(const Services& services, Call& call) {
  json::Array rows;
  for (const auto& [name, collection] : call.model->collections) {
    const bool asked = !call.params.filter_by_tk.is_null();
    if (asked) {
      CO_TRY(std::string key, call.key_text());
      if (name != key && collection->key != key) continue;
    }
    rows.push_back(schema::collection_json(*collection, wants_fields(call.params)));
  }
  call.params.filter_by_tk = nullptr;
  CO_TRY(data::Answer answer,
         data::memory_get(rows, call.params, "name", services.data_call(call)));
  co_return Reply(std::move(answer));
}

Task<Result<Reply>> create_collection(const Services& services, Call& call) {
  CO_TRY(json::Object definition, call.body_object());
  CO_TRY(json::Object made,
         co_await services.catalog.create_collection(call.ctx, std::move(definition), call.unit));
  co_return Reply(json::Value(std::move(made)));
}

Task<Result<Reply>> update_collection(const Services& services, Call& call) {
  CO_TRY(std::string key, call.key_text());
  CO_TRY(auto collection, find_collection(call, key));
  CO_TRY(json::Object changes, call.body_object());
  CO_TRY(json::Object made, co_await services.catalog.update_collection(
                                call.ctx, collection->name, std::move(changes), call.unit));
  co_return Reply(json::Value(json::Array{std::move(made)}));
}

// Keys of filterByTk (one or a list), or of the rows that `filter` selects.
Result<std::vector<std::string>> collection_names(const Call& call) {
  std::vector<std::string> names;
  auto add = [&](const json::Value& key) -> Status {
    if (!key.is_string())
      return invalid("INVALID_FILTER_BY_TK", "filterByTk must be collection names.");
    TRY(auto collection, find_collection(call, std::string(json::as_view(key))));
    names.push_back(collection->name);
    return {};
  };
  const json::Value& key = call.params.filter_by_tk;
  if (key.is_array()) {
    for (const auto& item : key.get_array()) TRY_STATUS(add(item));
  } else if (!key.is_null()) {
    TRY_STATUS(add(key));
  } else {
    return invalid("MISSING_PARAMETER", "filterByTk is required: the names of the collections.");
  }
  return names;
}

Task<Result<Reply>> destroy_collections(const Services& services, Call& call) {
  CO_TRY(auto names, collection_names(call));
  const bool cascade = json::get_string(call.params.extra, "cascade") == "true";
  for (const auto& name : names) {
    CO_TRY_STATUS(co_await services.catalog.destroy_collection(call.ctx, name, cascade, call.unit));
  }
  co_return Reply(json::Value(static_cast<int64_t>(names.size())));
}

Task<Result<Reply>> set_fields(const Services& services, Call& call) {
  CO_TRY(std::string key, call.key_text());
  CO_TRY(auto collection, find_collection(call, key));
  CO_TRY(json::Object body, call.body_object());
  const json::Array* fields = json::get_array(body, "fields");
  if (fields == nullptr)
    co_return invalid("INVALID_BODY", "The body must hold \"fields\", a list of definitions.");
  CO_TRY_STATUS(
      co_await services.catalog.set_fields(call.ctx, collection->name, *fields, call.unit));
  co_return Reply(json::Value("ok"));
}

Task<Result<Reply>> apply_collection(const Services& services, Call& call) {
  CO_TRY(json::Object definition, call.body_object());
  if (!call.params.filter_by_tk.is_null()) {
    CO_TRY(std::string key, call.key_text());
    definition["name"] = key;
  }
  CO_TRY(json::Object made,
         co_await services.catalog.apply_collection(call.ctx, std::move(definition), call.unit));
  co_return Reply(json::Value(std::move(made)));
}

Task<Result<Reply>> move_collection(const Services& services, Call& call) {
  CO_TRY_STATUS(co_await services.catalog.move_collection(
      call.ctx, json::get_string(call.params.extra, "sourceId"),
      json::get_string(call.params.extra, "targetId"),
      json::get_string(call.params.extra, "method"), call.unit));
  co_return Reply(json::Value("ok"));
}

// The collection of fields:* requests: from the path (collections/<name>/fields), else from the
// values, the filter, or the uid of the field.
struct FieldAddress {
  std::shared_ptr<const schema::Collection> collection;
  const schema::Field* field = nullptr;
};

Result<FieldAddress> find_field(const Call& call, bool need_field) {
  FieldAddress address;
  if (call.route.source_id) {
    TRY(address.collection, find_collection(call, *call.route.source_id));
  }
  if (!need_field) {
    if (address.collection == nullptr) {
      TRY(json::Object body, call.body_object());
      TRY(address.collection, find_collection(call, json::get_string(body, "collectionName")));
    }
    return address;
  }
  TRY(std::string key, call.key_text());
  for (const auto& [name, collection] : call.model->collections) {
    if (address.collection != nullptr && address.collection != collection) continue;
    for (const auto& field : collection->fields) {
      const bool by_name = address.collection != nullptr && field.name == key;
      if (by_name || (!field.key.empty() && field.key == key))
        return FieldAddress{collection, &field};
    }
  }
  return fail(Code::kNotFound, "UNKNOWN_FIELD", "There is no field \"" + key + "\".");
}

Task<Result<Reply>> list_fields(const Services& services, Call& call, bool one) {
  json::Array rows;
  std::shared_ptr<const schema::Collection> only;
  if (call.route.source_id) {
    CO_TRY(only, find_collection(call, *call.route.source_id));
  }
  if (one && !call.params.filter_by_tk.is_null()) {
    CO_TRY(auto address, find_field(call, true));
    rows.push_back(schema::field_json(*address.field, *address.collection));
    call.params.filter_by_tk = nullptr;
  } else {
    for (const auto& [name, collection] : call.model->collections) {
      if (only != nullptr && only != collection) continue;
      for (auto& field : fields_json(*collection)) rows.push_back(std::move(field));
    }
  }
  if (one) {
    CO_TRY(data::Answer answer,
           data::memory_get(rows, call.params, "name", services.data_call(call)));
    co_return Reply(std::move(answer));
  }
  CO_TRY(data::Answer answer,
         data::memory_list(rows, call.params, "name", services.data_call(call)));
  co_return Reply(std::move(answer));
}

Task<Result<Reply>> create_field(const Services& services, Call& call, bool apply) {
  CO_TRY(auto address, find_field(call, false));
  CO_TRY(json::Object definition, call.body_object());
  definition.erase("collectionName");
  json::Object made;
  if (apply) {
    CO_TRY(made, co_await services.catalog.apply_field(call.ctx, address.collection->name,
                                                       std::move(definition), call.unit));
  } else {
    CO_TRY(made, co_await services.catalog.create_field(call.ctx, address.collection->name,
                                                        std::move(definition), call.unit));
  }
  co_return Reply(json::Value(std::move(made)));
}

Task<Result<Reply>> update_field(const Services& services, Call& call) {
  CO_TRY(auto address, find_field(call, true));
  CO_TRY(json::Object changes, call.body_object());
  CO_TRY(json::Object made, co_await services.catalog.update_field(
                                call.ctx, address.collection->name, address.field->name,
                                std::move(changes), call.unit));
  co_return Reply(json::Value(json::Array{std::move(made)}));
}

Task<Result<Reply>> destroy_field(const Services& services, Call& call) {
  CO_TRY(auto address, find_field(call, true));
  CO_TRY_STATUS(co_await services.catalog.destroy_field(call.ctx, address.collection->name,
                                                        address.field->name, call.unit));
  co_return Reply(json::Value(1));
}

Task<Result<Reply>> move_field(const Services& services, Call& call) {
  auto find = [&call](std::string_view parameter) -> Result<FieldAddress> {
    const std::string key = json::get_string(call.params.extra, parameter);
    for (const auto& [name, collection] : call.model->collections) {
      if (call.route.source_id && *call.route.source_id != name) continue;
      for (const auto& field : collection->fields) {
        if (field.key == key || (call.route.source_id && field.name == key))
          return FieldAddress{collection, &field};
      }
    }
    return invalid("INVALID_PARAMETER", "\"" + std::string(parameter) + "\" names no field.");
  };
  CO_TRY(auto source, find("sourceId"));
  CO_TRY(auto target, find("targetId"));
  if (source.collection != target.collection) {
    co_return invalid("INVALID_PARAMETER", "Both fields must be of one collection.");
  }
  CO_TRY_STATUS(co_await services.catalog.move_field(
      call.ctx, source.collection->name, source.field->name, target.field->name,
      json::get_string(call.params.extra, "method"), call.unit));
  co_return Reply(json::Value("ok"));
}

Task<Result<Reply>> list_views(const Services& services, Call& call) {
  CO_TRY(json::Array views, co_await services.catalog.list_views(call.ctx));
  co_return Reply(json::Value(std::move(views)));
}

Task<Result<Reply>> get_view(const Services& services, Call& call) {
  CO_TRY(std::string name, call.key_text());
  CO_TRY(json::Object view, co_await services.catalog.get_view(call.ctx, std::move(name)));
  co_return Reply(json::Value(std::move(view)));
}

Task<Result<Reply>> execute_sql(const Services& services, Call& call) {
  CO_TRY(json::Object body, call.body_object());
  CO_TRY(json::Object result,
         co_await services.catalog.execute_sql(call.ctx, json::get_string(body, "sql")));
  co_return Reply(json::Value(std::move(result)));
}

Task<Result<Reply>> refresh_tables(const Services& services, Call& call) {
  CO_TRY(json::Array adopted,
         co_await services.catalog.refresh_main_data_source(call.ctx, call.unit));
  co_return Reply(json::Value(std::move(adopted)));
}

Task<Result<Reply>> sync_fields(const Services& services, Call& call) {
  CO_TRY(json::Object body, call.body_object());
  std::vector<std::string> names;
  if (const json::Array* list = json::get_array(body, "collections")) {
    for (const auto& item : *list) {
      if (!item.is_string())
        co_return invalid("INVALID_BODY", "\"collections\" must be a list of names.");
      names.emplace_back(json::as_view(item));
    }
  }
  CO_TRY_STATUS(co_await services.catalog.sync_fields(call.ctx, std::move(names), call.unit));
  co_return Reply(json::Value("ok"));
}

// All but looking changes the model, save the trial run of an SQL collection's SELECT.
Effect effect_of(std::string_view resource, std::string_view name) {
  if (resource == "sqlCollection" || name == "list" || name == "get") return Effect::kRead;
  return Effect::kModel;
}

Task<Result<Reply>> empty_list(Call&) { co_return Reply(json::Value(json::Array{})); }

}  // namespace

void add_collection_actions(ActionTable& table, const Services& services) {
  using Run = Task<Result<Reply>> (*)(const Services&, Call&);
  const json::Object body{{"type", "object"}};
  auto add = [&](const char* resource, const char* name, const char* summary, Run run,
                 bool has_body) {
    table.add({.resource = resource,
               .name = name,
               .summary = summary,
               .body = has_body ? body : json::Object{},
               .effect = effect_of(resource, name),
               .run = [&services, run](Call& call) { return run(services, call); }});
  };
  auto add_read = [&](const char* resource, const char* name, const char* summary, Gate gate,
                      Task<Result<Reply>> (*run)(Call&)) {
    table.add({.resource = resource, .name = name, .access = gate, .summary = summary, .run = run});
  };

  add("collections", "list", "Collections of the data model", &list_collections, false);
  add("collections", "get", "One collection", &get_collection, false);
  add_read("collections", "listMeta", "All collections with their fields", Gate::kLogin,
           &list_meta);
  add("collections", "create", "Define a collection; its table is made", &create_collection, true);
  add("collections", "update", "Change a collection", &update_collection, true);
  add("collections", "destroy", "Delete collections and their tables", &destroy_collections, false);
  add("collections", "setFields", "Make the fields exactly these", &set_fields, true);
  add("collections", "apply", "Create or change a collection to match a definition",
      &apply_collection, true);
  add("collections", "move", "Change the order of collections", &move_collection, false);

  for (const char* resource : {"fields", "collections.fields"}) {
    add(
        resource, "list", "Fields",
        [](const Services& s, Call& c) { return list_fields(s, c, false); }, false);
    add(
        resource, "get", "One field",
        [](const Services& s, Call& c) { return list_fields(s, c, true); }, false);
    add(
        resource, "create", "Add a field; its column is made",
        [](const Services& s, Call& c) { return create_field(s, c, false); }, true);
    add(
        resource, "apply", "Create or change a field to match a definition",
        [](const Services& s, Call& c) { return create_field(s, c, true); }, true);
    add(resource, "update", "Change a field", &update_field, true);
    add(resource, "destroy", "Delete a field and its column", &destroy_field, false);
    add(resource, "move", "Change the order of fields", &move_field, false);
  }

  add("dbViews", "list", "Views of the database that are no collections yet", &list_views, false);
  add("dbViews", "get", "A view with guessed field types", &get_view, false);
  add("sqlCollection", "execute", "Try the SELECT of an SQL collection", &execute_sql, true);
  add("mainDataSource", "refresh", "Adopt tables that are no collections yet", &refresh_tables,
      false);
  add("mainDataSource", "syncFields", "Take over new columns of adopted tables", &sync_fields,
      true);
  add_read("dataSources", "listEnabled", "External data sources (none)", Gate::kLogin, &empty_list);
}

}  // namespace halcyon::api
