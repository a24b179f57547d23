#include "features/pages/pages.h"

#include <algorithm>
#include <map>
#include <set>

#include "access/rights.h"
#include "access/snippets.h"

namespace halcyon::features::pages {
namespace {

constexpr int kSince = 5;  // schema version, server/schema_version.cpp
constexpr int64_t kMostVersionsShown = 100;

json::Object field(const char* name, const char* type, json::Object more = {}) {
  json::Object f{{"name", name}, {"type", type}};
  for (auto& item : more) f.insert_or_assign(item.key(), item.value());
  return f;
}

data::Target collection(const data::Call& call, std::string_view name) {
  data::Target target;
  target.collection = call.model->find(name);
  return target;
}

// Rows of a collection as JSON, all of them.
Task<Result<json::Array>> rows(const data::Call& call, std::string_view name, data::Params params) {
  params.paginate = false;
  CO_TRY(data::Answer answer, co_await data::list(call, collection(call, name), std::move(params)));
  CO_TRY(json::Value value, json::parse(answer.data));
  co_return value.is_array() ? std::move(value.get_array()) : json::Array{};
}

Task<Result<json::Object>> made(const data::Call& call, data::Writer& writer, std::string_view name,
                                json::Object values) {
  data::Params params;
  params.values = std::move(values);
  CO_TRY(data::Answer answer,
         co_await writer.create(call, collection(call, name), std::move(params)));
  CO_TRY(json::Value row, json::parse(answer.data));
  co_return row.is_object() ? std::move(row.get_object()) : json::Object{};
}

bool may_configure(const access::Identity& who) {
  return who.rights->everything() ||
         access::snippets_allow(who.rights->snippets(), "desktopRoutes:update");
}

// Narrowed to what the caller's roles are linked to; null: everything.
json::Value linked_to(const access::Identity& who) {
  if (may_configure(who)) return nullptr;
  json::Array roles;
  for (const std::string& role : who.caller.roles) roles.emplace_back(role);
  return json::Object{{"roles.name", json::Object{{"$in", std::move(roles)}}}};
}

std::unexpected<Error> no_page() {
  return fail(Code::kNotFound, "PAGE_NOT_FOUND", "There is no such page, or you may not see it.");
}

std::string text_of(const json::Object& row, std::string_view name) {
  const json::Value* value = json::find(row, name);
  return value == nullptr || value->is_null() ? "" : json::dump(*value);
}

struct Tree {
  const json::Array& all;
  std::map<std::string, std::vector<const json::Object*>> children;  // by parent's id

  explicit Tree(const json::Array& list) : all(list) {
    for (const json::Value& row : all) {
      children[text_of(row.get_object(), "parentId")].push_back(&row.get_object());
    }
  }

  // `seen`: ids linked to the caller's roles; nullptr: all are.
  json::Array below(const std::string& parent, const std::set<std::string>* seen) const {
    json::Array list;
    const auto found = children.find(parent);
    if (found == children.end()) return list;
    for (const json::Object* row : found->second) {
      const std::string id = text_of(*row, "id");
      json::Array inner = below(id, seen);
      const bool group = json::get_string(*row, "type") == "group";
      if (seen != nullptr && inner.empty() && (group || !seen->contains(id))) continue;
      json::Object entry = *row;
      if (group || !inner.empty()) entry["children"] = std::move(inner);
      list.push_back(std::move(entry));
    }
    return list;
  }
};

Task<Result<json::Object>> stored_page(const data::Call& call, std::string uid) {
  data::Params params;
  params.filter_by_tk = json::Value(uid);
  CO_TRY(data::Answer answer,
         co_await data::get(call, collection(call, "pages"), std::move(params)));
  CO_TRY(json::Value row, json::parse(answer.data));
  if (!row.is_object()) co_return no_page();
  co_return std::move(row.get_object());
}

json::Value shown(const json::Object& page) {
  json::Object out;
  for (const char* name : {"uid", "title", "version", "schema"}) {
    const json::Value* value = json::find(page, name);
    out[name] = value == nullptr ? json::Value() : *value;
  }
  return out;
}

Task<Status> keep_version(const data::Call& call, data::Writer& writer, const Change& change,
                          int64_t version) {
  auto kept = co_await made(call, writer, "pageVersions",
                            json::Object{{"pageUid", change.uid},
                                         {"version", version},
                                         {"schema", change.schema},
                                         {"note", change.note}});
  if (kept) co_return Status{};
  // Another one who began from the same version was faster.
  if (kept.error().id == "UNIQUE_VIOLATION") {
    co_return fail(Code::kConflict, "PAGE_CHANGED",
                   "Somebody else has changed this page meanwhile.");
  }
  co_return std::unexpected(std::move(kept).error());
}

Task<Result<std::string>> make_page(const data::Call& call, data::Writer& writer, std::string title,
                                    json::Value schema) {
  if (schema.is_null()) schema = json::Object{{"blocks", json::Array{}}};
  CO_TRY_STATUS(check(schema));
  CO_TRY(json::Object page,
         co_await made(call, writer, "pages",
                       json::Object{{"title", title}, {"schema", schema}, {"version", 1}}));
  Change first;
  first.uid = json::get_string(page, "uid");
  first.schema = std::move(schema);
  CO_TRY_STATUS(co_await keep_version(call, writer, first, 1));
  co_return first.uid;
}

Task<Result<json::Array>> roles_of_new_entries(const data::Call& call) {
  data::Params params;
  params.filter = json::Object{{"allowNewMenu", true}};
  params.fields = {"name"};
  CO_TRY(json::Array found, co_await rows(call, "roles", std::move(params)));
  json::Array names;
  for (const json::Value& row : found) {
    names.emplace_back(json::get_string(row.get_object(), "name"));
  }
  co_return names;
}

}  // namespace

void add_collections(std::vector<json::Object>& builtin) {
  const json::Object since{{"since", kSince}};
  json::Object links = field("roles", "belongsToMany",
                             {{"target", "roles"},
                              {"through", "rolesDesktopRoutes"},
                              {"foreignKey", "desktopRouteId"},
                              {"otherKey", "roleName"},
                              {"sourceKey", "id"},
                              {"targetKey", "name"}});
  builtin.push_back(json::Object{
      {"name", "desktopRoutes"},
      {"since", kSince},
      {"autoGenId", false},
      {"sortable", "sort"},
      {"fields",
       {field("id", "snowflakeId", {{"primaryKey", true}, {"allowNull", false}}),
        field("parentId", "bigInt", {{"index", true}}),
        field("children", "hasMany",
              {{"target", "desktopRoutes"}, {"foreignKey", "parentId"}, {"onDelete", "CASCADE"}}),
        field("title", "string"), field("icon", "string"), field("type", "string"),
        field("schemaUid", "string", {{"index", true}}), field("options", "json"),
        field("hideInMenu", "boolean"), std::move(links)}}});
  builtin.push_back(json::Object{
      {"name", "pages"},
      {"since", kSince},
      {"autoGenId", false},
      {"createdAt", true},
      {"updatedAt", true},
      {"fields",
       {field("uid", "uid", {{"primaryKey", true}, {"allowNull", false}}), field("title", "string"),
        field("version", "integer"), field("schema", "json")}}});
  builtin.push_back(json::Object{
      {"name", "pageVersions"},
      {"since", kSince},
      {"createdAt", true},
      {"updatedAt", false},
      {"createdBy", true},
      {"indexes", {json::Object{{"unique", true}, {"fields", {"pageUid", "version"}}}}},
      {"fields",
       {field("pageUid", "string"), field("version", "integer"), field("note", "string"),
        field("schema", "json")}}});
  for (json::Object& definition : builtin) {
    if (json::get_string(definition, "name") != "roles") continue;
    definition["fields"].get_array().push_back(field("desktopRoutes", "belongsToMany",
                                                     {{"target", "desktopRoutes"},
                                                      {"through", "rolesDesktopRoutes"},
                                                      {"foreignKey", "roleName"},
                                                      {"otherKey", "desktopRouteId"},
                                                      {"sourceKey", "name"},
                                                      {"targetKey", "id"},
                                                      {"since", kSince}}));
  }
}

Task<Result<json::Value>> accessible_routes(const data::Call& call, const access::Identity& who) {
  data::Params params;
  params.sort = {"sort"};
  CO_TRY(json::Array all, co_await rows(call, "desktopRoutes", std::move(params)));
  const Tree tree(all);
  const json::Value filter = linked_to(who);
  if (filter.is_null()) co_return tree.below("", nullptr);
  data::Params linked;
  linked.filter = filter;
  linked.fields = {"id"};
  CO_TRY(json::Array found, co_await rows(call, "desktopRoutes", std::move(linked)));
  std::set<std::string> seen;
  for (const json::Value& row : found) seen.insert(text_of(row.get_object(), "id"));
  co_return tree.below("", &seen);
}

Task<Result<json::Value>> create_route(const data::Call& call, data::Writer& writer,
                                       json::Object values) {
  json::Value schema;
  if (const json::Value* given = json::find(values, "schema")) {
    schema = *given;
    values.erase("schema");
  }
  if (json::get_string(values, "type") == "page" && json::get_string(values, "schemaUid").empty()) {
    CO_TRY(std::string uid,
           co_await make_page(call, writer, json::get_string(values, "title"), std::move(schema)));
    values["schemaUid"] = uid;
  }
  if (!values.contains("roles")) {
    CO_TRY(json::Array roles, co_await roles_of_new_entries(call));
    values["roles"] = std::move(roles);
  }
  CO_TRY(json::Object route, co_await made(call, writer, "desktopRoutes", std::move(values)));
  co_return json::Value(std::move(route));
}

Task<Result<json::Value>> get(const data::Call& call, const access::Identity& who,
                              std::string uid) {
  if (const json::Value linked = linked_to(who); !linked.is_null()) {
    data::Params params;
    params.filter = json::Object{{"$and", {json::Object{{"schemaUid", uid}}, linked}}};
    params.fields = {"id"};
    CO_TRY(json::Array found, co_await rows(call, "desktopRoutes", std::move(params)));
    if (found.empty()) co_return no_page();
  }
  CO_TRY(json::Object page, co_await stored_page(call, std::move(uid)));
  co_return shown(page);
}

Task<Result<json::Value>> save(const data::Call& call, data::Writer& writer, Change change) {
  CO_TRY_STATUS(check(change.schema));
  CO_TRY(json::Object page, co_await stored_page(call, change.uid));
  const int64_t newest = json::get_int(page, "version");
  if (change.base != newest) {
    co_return fail(Code::kConflict, "PAGE_CHANGED",
                   "Somebody else has changed this page meanwhile.");
  }
  CO_TRY_STATUS(co_await keep_version(call, writer, change, newest + 1));
  data::Params params;
  params.filter_by_tk = json::Value(change.uid);
  params.values = json::Object{{"schema", change.schema}, {"version", newest + 1}};
  CO_TRY(data::Answer updated,
         co_await writer.update(call, collection(call, "pages"), std::move(params)));
  page["schema"] = std::move(change.schema);
  page["version"] = newest + 1;
  co_return shown(page);
}

Task<Result<json::Value>> versions(const data::Call& call, std::string uid) {
  data::Params params;
  params.filter = json::Object{{"pageUid", uid}};
  params.fields = {"version", "note", "createdAt"};
  params.appends = {"createdBy.id", "createdBy.nickname"};
  params.sort = {"-version"};
  params.page_size = kMostVersionsShown;
  CO_TRY(data::Answer answer,
         co_await data::list(call, collection(call, "pageVersions"), std::move(params)));
  co_return json::parse(answer.data);
}

Task<Result<json::Value>> restore(const data::Call& call, data::Writer& writer, std::string uid,
                                  int64_t version) {
  data::Params params;
  params.filter = json::Object{{"pageUid", uid}, {"version", version}};
  params.fields = {"schema"};
  CO_TRY(json::Array found, co_await rows(call, "pageVersions", std::move(params)));
  if (found.empty()) co_return no_page();
  CO_TRY(json::Object page, co_await stored_page(call, uid));
  Change change;
  change.uid = std::move(uid);
  change.base = json::get_int(page, "version");
  change.schema = std::move(found.front().get_object()["schema"]);
  change.note = "version " + std::to_string(version);
  co_return co_await save(call, writer, std::move(change));
}

}  // namespace halcyon::features::pages
