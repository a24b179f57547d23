// Definitions of access' own collections, named as NocoBase names them so that its databases are
// adopted.
#include "access/access.h"
#include "access/sign_in_limits.h"

namespace halcyon::access {
namespace {

json::Object field(std::string_view name, std::string_view type, json::Object more = {}) {
  json::Object f{{"name", name}, {"type", type}};
  for (auto& item : more) f.insert_or_assign(item.key(), item.value());
  return f;
}
json::Object primary(std::string_view name, std::string_view type) {
  return field(name, type, {{"primaryKey", true}, {"allowNull", false}});
}
json::Object titled(json::Object f, std::string_view interface, std::string_view title) {
  f["interface"] = interface;
  f["uiSchema"] = json::Object{{"title", title}};
  return f;
}
json::Object collection(std::string_view name, json::Array fields, json::Object more = {}) {
  json::Object c{{"name", name}, {"fields", std::move(fields)}};
  for (auto& item : more) c.insert_or_assign(item.key(), item.value());
  return c;
}
const json::Object kNoId{{"autoGenId", false}};

json::Object users() {
  return collection(
      "users",
      {
          titled(field("nickname", "string"), "input", "Nickname"),
          titled(field("username", "string", {{"unique", true}}), "input", "Username"),
          titled(field("email", "string", {{"unique", true}}), "email", "Email"),
          titled(field("phone", "string", {{"unique", true}}), "input", "Phone"),
          titled(field("password", "password", {{"hidden", true}}), "password", "Password"),
          field("passwordChangeTz", "bigInt", {{"hidden", true}}),
          field("appLang", "string"),
          field("resetToken", "string", {{"hidden", true}}),
          field("systemSettings", "json"),
          titled(field("roles", "belongsToMany",
                       {{"target", "roles"},
                        {"through", "rolesUsers"},
                        {"foreignKey", "userId"},
                        {"otherKey", "roleName"},
                        {"sourceKey", "id"},
                        {"targetKey", "name"}}),
                 "m2m", "Roles"),
      },
      {{"title", "Users"},
       {"createdBy", true},
       {"updatedBy", true},
       {"sortable", "sort"},
       {"titleField", "nickname"}});
}

json::Object roles() {
  return collection(
      "roles",
      {
          primary("name", "string"),
          titled(field("title", "string", {{"unique", true}}), "input", "Title"),
          field("description", "string"),
          field("default", "boolean"),
          field("hidden", "boolean"),
          field("allowConfigure", "boolean"),
          field("allowNewMenu", "boolean"),
          field("strategy", "json"),
          field("snippets", "set"),
          field("users", "belongsToMany",
                {{"target", "users"},
                 {"through", "rolesUsers"},
                 {"foreignKey", "roleName"},
                 {"otherKey", "userId"},
                 {"sourceKey", "name"},
                 {"targetKey", "id"}}),
          field("dataSourceResources", "hasMany",
                {{"target", "dataSourcesRolesResources"},
                 {"foreignKey", "roleName"},
                 {"sourceKey", "name"},
                 {"onDelete", "CASCADE"}}),
      },
      {{"title", "Roles"}, {"autoGenId", false}, {"sortable", "sort"}, {"titleField", "title"}});
}

json::Array permission_tables() {
  return {
      collection("dataSourcesRoles",
                 {primary("id", "uid"), field("strategy", "json"), field("dataSourceKey", "string"),
                  field("roleName", "string", {{"index", true}})},
                 kNoId),
      collection(
          "dataSourcesRolesResources",
          {field("dataSourceKey", "string", {{"defaultValue", "main"}}), field("name", "string"),
           field("roleName", "string", {{"index", true}}), field("usingActionsConfig", "boolean"),
           field("actions", "hasMany",
                 {{"target", "dataSourcesRolesResourcesActions"},
                  {"foreignKey", "rolesResourceId"},
                  {"onDelete", "CASCADE"}})}),
      collection("dataSourcesRolesResourcesActions",
                 {field("name", "string"), field("fields", "set"),
                  field("rolesResourceId", "bigInt", {{"index", true}}),
                  field("scope", "belongsTo",
                        {{"target", "dataSourcesRolesResourcesScopes"},
                         {"foreignKey", "scopeId"},
                         {"onDelete", "RESTRICT"}})}),
      collection(
          "dataSourcesRolesResourcesScopes",
          {field("key", "uid"), field("dataSourceKey", "string", {{"defaultValue", "main"}}),
           field("name", "string"), field("resourceName", "string"), field("scope", "json")}),
      collection("dataSources",
                 {primary("key", "string"), field("displayName", "string"), field("type", "string"),
                  field("options", "json"), field("enabled", "boolean", {{"defaultValue", true}}),
                  field("fixed", "boolean", {{"defaultValue", false}}),
                  field("rolesResourcesScopes", "hasMany",
                        {{"target", "dataSourcesRolesResourcesScopes"},
                         {"foreignKey", "dataSourceKey"},
                         {"sourceKey", "key"}})},
                 kNoId),
  };
}

json::Array token_tables() {
  return {
      collection(
          "authenticators",
          {field("name", "string", {{"unique", true}, {"allowNull", false}}),
           field("authType", "string"), field("title", "string"), field("description", "string"),
           field("options", "json"), field("enabled", "boolean", {{"defaultValue", true}})},
          {{"sortable", true}}),
      collection("issuedTokens",
                 {primary("id", "uuid"), field("jti", "uuid", {{"unique", true}}),
                  field("signInTime", "bigInt"), field("issuedTime", "bigInt"),
                  field("userId", "bigInt", {{"index", true}}), field("authenticator", "string")},
                 kNoId),
      collection("tokenBlacklist",
                 {field("token", "string", {{"unique", true}}), field("expiration", "bigInt")}),
      collection("tokenControlConfig", {primary("key", "string"), field("config", "json")}, kNoId),
      collection("apiKeys",
                 {titled(field("name", "string"), "input", "Name"),
                  field("role", "belongsTo",
                        {{"target", "roles"}, {"foreignKey", "roleName"}, {"targetKey", "name"}}),
                  field("expiresIn", "string"), field("token", "text", {{"hidden", true}})},
                 {{"createdBy", true}, {"sortable", "sort"}}),
  };
}

}  // namespace

std::vector<json::Object> Access::builtin_collections() {
  std::vector<json::Object> list{users(), roles()};
  list.push_back(collection(
      "rolesUsers",
      {field("userId", "bigInt", {{"primaryKey", true}, {"allowNull", false}}),
       field("roleName", "string", {{"primaryKey", true}, {"allowNull", false}}),
       field("default", "boolean")},
      {{"autoGenId", false},
       {"isThrough", true},
       // The key begins with the user; this finds the users of a role.
       {"indexes", json::Array{json::Object{{"fields", json::Array{"roleName"}}, {"since", 3}}}}}));
  list.push_back(SignInLimits::collection());
  for (json::Array group : {permission_tables(), token_tables()}) {
    for (auto& item : group) list.push_back(std::move(item.get_object()));
  }
  return list;
}

}  // namespace halcyon::access
