#include "api/openapi.h"

#include "schema/field_type.h"

namespace halcyon::api {
namespace {

json::Object reference(std::string_view schema) {
  return {{"$ref", "#/components/schemas/" + std::string(schema)}};
}

// JSON schema of a field's value, from its family; relations refer to the target's schema.
json::Object value_schema(const schema::Field& field, const schema::Snapshot& model) {
  if (field.relation) {
    const auto* target = model.find(field.relation->target);
    json::Object item =
        target != nullptr ? reference(target->name) : json::Object{{"type", "object"}};
    if (field.relation->to_many()) return {{"type", "array"}, {"items", std::move(item)}};
    return item;
  }
  using schema::Family;
  switch (field.kind->family()) {
    case Family::kNumber:
      if (field.type == "decimal") return {{"type", {"string", "null"}}, {"format", "decimal"}};
      if (field.storage.type == sql::Type::kInt32 || field.storage.type == sql::Type::kInt64) {
        return {{"type", {"integer", "null"}}};
      }
      return {{"type", {"number", "null"}}};
    case Family::kBoolean:
      return {{"type", {"boolean", "null"}}};
    case Family::kDateTime:
      return {{"type", {"string", "null"}}, {"format", "date-time"}};
    case Family::kDateOnly:
      return {{"type", {"string", "null"}}, {"format", "date"}};
    case Family::kTime:
      return {{"type", {"string", "null"}}, {"format", "time"}};
    case Family::kArray:
      return {{"type", {"array", "null"}}};
    case Family::kJson:
      return json::Object{};
    case Family::kBytes:
      return {{"type", {"string", "null"}}, {"contentEncoding", "base64"}};
    case Family::kText:
    case Family::kRelation:
    case Family::kNone:
      break;
  }
  return {{"type", {"string", "null"}}};
}

json::Object collection_schema(const schema::Collection& collection,
                               const schema::Snapshot& model) {
  json::Object properties;
  for (const auto& field : collection.fields) {
    if (field.hidden) continue;
    json::Object property = value_schema(field, model);
    // The label of the form is the best description there is.
    if (const auto* ui = json::get_object(field.options, "uiSchema")) {
      if (auto title = json::get_string(*ui, "title"); !title.empty()) property["title"] = title;
    }
    properties.emplace(field.name, std::move(property));
  }
  json::Object schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!collection.title.empty()) schema["title"] = collection.title;
  return schema;
}

json::Object query_parameter(const char* name, const char* description, json::Object schema) {
  return {
      {"name", name}, {"in", "query"}, {"description", description}, {"schema", std::move(schema)}};
}

json::Array parameters_of(std::string_view action) {
  const json::Object text{{"type", "string"}};
  const json::Object number{{"type", "integer"}, {"minimum", 1}};
  json::Array list;
  auto add = [&](const char* name, const char* description, const json::Object& schema) {
    list.push_back(query_parameter(name, description, schema));
  };
  const bool reads = action == "list" || action == "get";
  if (reads || action == "update" || action == "destroy") {
    add("filter", "Filter as JSON, e.g. {\"status\":{\"$eq\":\"paid\"}}", text);
  }
  if (action != "list" && action != "create" && action != "query") {
    add("filterByTk", "Key of the record", text);
  }
  if (reads) {
    add("fields", "Names, separated by commas", text);
    add("except", "Names to leave out", text);
    add("appends", "Associations to load, dotted for nested ones", text);
  }
  if (action == "list") {
    add("sort", "Names, \"-\" before a name for descending order", text);
    add("page", "Page, from 1 on", number);
    add("pageSize", "Records a page", number);
    add("paginate", "false: every record, without meta", {{"type", "boolean"}});
  }
  return list;
}

json::Object operation(const Action& action, const schema::Collection* collection) {
  json::Object op{{"summary", action.summary},
                  {"operationId", (collection != nullptr ? collection->name : action.resource) +
                                      "." + action.name},
                  {"tags", {collection != nullptr ? collection->name : action.resource}}};
  if (action.access == Gate::kPublic) op["security"] = json::Array{};
  json::Array parameters = parameters_of(action.name);
  if (action.resource == "*" && !parameters.empty()) op["parameters"] = std::move(parameters);
  if (!action.body.empty()) {
    json::Object schema = action.body;
    const bool is_record = action.name == "create" || action.name == "update";
    if (collection != nullptr && is_record) {
      schema = {{"oneOf",
                 {reference(collection->name),
                  json::Object{{"type", "array"}, {"items", reference(collection->name)}}}}};
    }
    op["requestBody"] = json::Object{
        {"content",
         json::Object{{"application/json", json::Object{{"schema", std::move(schema)}}}}}};
  }
  json::Object data;
  if (collection != nullptr && action.name == "list") {
    data = {{"type", "array"}, {"items", reference(collection->name)}};
  } else if (collection != nullptr && action.name == "get") {
    data = {{"oneOf", {reference(collection->name), json::Object{{"type", "null"}}}}};
  }
  json::Object envelope{{"type", "object"},
                        {"properties", json::Object{{"data", std::move(data)}}}};
  op["responses"] = json::Object{
      {"200",
       json::Object{{"description", "OK"},
                    {"content", json::Object{{"application/json",
                                              json::Object{{"schema", std::move(envelope)}}}}}}},
      {"default",
       json::Object{{"description", "Error"},
                    {"content", json::Object{{"application/json",
                                              json::Object{{"schema", reference("Errors")}}}}}}}};
  return op;
}

// The SDK's convention: GET for list and get, POST for the rest.
const char* verb(std::string_view action, const json::Object& body) {
  const bool reads = action.starts_with("list") || action.starts_with("get") || action == "check";
  return reads && body.empty() ? "get" : "post";
}

json::Object error_schema() {
  const json::Object text{{"type", "string"}};
  return {
      {"type", "object"},
      {"properties",
       json::Object{
           {"errors",
            json::Object{{"type", "array"},
                         {"items", json::Object{{"type", "object"},
                                                {"properties", json::Object{{"code", text},
                                                                            {"message", text},
                                                                            {"field", text},
                                                                            {"expected", text}}},
                                                {"required", {"code", "message"}}}}}}}}};
}

Task<Result<Reply>> get_document(const ActionTable& table, const Services& services, Call& call) {
  Reply reply;
  reply.raw = true;
  reply.data = json::dump(json::Value(openapi_document(table, *call.model, services.settings)));
  co_return reply;
}

Task<Result<Reply>> get_urls(const Services& services, Call&) {
  json::Array urls{
      json::Object{{"name", "Halcyon"}, {"url", services.settings.base_path + "swagger:get"}}};
  co_return Reply(json::Value(std::move(urls)));
}

}  // namespace

json::Object openapi_document(const ActionTable& table, const schema::Snapshot& model,
                              const Settings& settings) {
  json::Object paths, schemas;
  schemas["Errors"] = error_schema();
  for (const auto& [key, action] : table.all()) {
    if (action.resource == "*") continue;
    // "collections.fields" is served at collections/{sourceId}/fields.
    std::string path = action.resource;
    json::Object op = operation(action, nullptr);
    if (const auto dot = path.find('.'); dot != std::string::npos) {
      path.replace(dot, 1, "/{sourceId}/");
      op["parameters"] = json::Array{json::Object{{"name", "sourceId"},
                                                  {"in", "path"},
                                                  {"required", true},
                                                  {"schema", json::Object{{"type", "string"}}}}};
    }
    paths["/" + path + ":" + action.name] =
        json::Object{{verb(action.name, action.body), std::move(op)}};
  }
  for (const auto& [name, collection] : model.collections) {
    schemas[name] = collection_schema(*collection, model);
    if (collection->is_through) continue;
    for (const auto& [key, action] : table.all()) {
      const bool association_only = action.name == "add" || action.name == "set" ||
                                    action.name == "remove" || action.name == "toggle";
      if (action.resource != "*" || association_only) continue;
      if (collection->read_only() && verb(action.name, action.body) == std::string_view("post") &&
          action.name != "query")
        continue;
      paths["/" + name + ":" + action.name] =
          json::Object{{verb(action.name, action.body), operation(action, collection.get())}};
    }
  }
  std::string server = settings.base_path;
  while (server.size() > 1 && server.ends_with('/')) server.pop_back();
  return {{"openapi", "3.1.0"},
          {"info", json::Object{{"title", "Halcyon API"}, {"version", settings.version}}},
          {"servers", {json::Object{{"url", server}}}},
          {"security", {json::Object{{"bearer", json::Array{}}}}},
          {"paths", std::move(paths)},
          {"components",
           json::Object{
               {"schemas", std::move(schemas)},
               {"securitySchemes",
                json::Object{{"bearer", json::Object{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

void add_openapi_actions(ActionTable& table, const Services& services) {
  table.add(
      {.resource = "swagger",
       .name = "get",
       .access = Gate::kLogin,
       .summary = "This document",
       .run = [&table, &services](Call& call) { return get_document(table, services, call); }});
  table.add({.resource = "swagger",
             .name = "getUrls",
             .access = Gate::kLogin,
             .summary = "Where the documents are",
             .run = [&services](Call& call) { return get_urls(services, call); }});
}

}  // namespace halcyon::api
