// Actions on users, roles, API keys and permissions that are more than records (reference E.2 to
// E.4, E.12).
#include "access/impl_internal.h"
#include "base/crypto.h"
#include "base/time.h"

namespace halcyon::access {
namespace {

using data::Answer;
using data::Params;

Answer answer(const json::Value& value) {
  Answer a;
  a.data = json::dump(value);
  return a;
}

json::Object body(const Params& params) {
  return params.values.is_object() ? params.values.get_object() : json::Object{};
}

std::unexpected<Error> missing(std::string field) {
  return fail(Error(Code::kInvalidArgument, "MISSING_PARAMETER", "\"" + field + "\" is required.")
                  .with_field(field));
}

int64_t user_id(const Identity& who) { return who.caller.user_id.value_or(0); }

Task<Result<Answer>> update_profile(Access::Impl& impl, const data::Call& call, const Identity& who,
                                    Params params) {
  json::Object values;
  for (const auto& [key, value] : body(params)) {
    const std::string_view name(key.data(), key.size());
    const bool known = name == "nickname" || name == "username" || name == "email" ||
                       name == "phone" || name == "systemSettings";
    if (!known) {
      co_return fail(Error(Code::kInvalidArgument, "UNKNOWN_FIELD",
                           "\"" + std::string(name) + "\" is not part of the profile.")
                         .with_field(std::string(name)));
    }
    values[key] = value;
  }
  CO_TRY_STATUS(co_await impl.store.update(call, "users", json::Object{{"id", user_id(who)}},
                                           std::move(values)));
  co_return answer("ok");
}

Task<Result<Answer>> update_lang(Access::Impl& impl, const data::Call& call, const Identity& who,
                                 Params params) {
  const std::string lang = json::get_string(body(params), "appLang");
  if (lang.empty()) co_return missing("appLang");
  CO_TRY_STATUS(co_await impl.store.update(call, "users", json::Object{{"id", user_id(who)}},
                                           json::Object{{"appLang", lang}}));
  co_return answer("ok");
}

Task<Result<Answer>> set_default_role(Access::Impl& impl, const data::Call& call,
                                      const Identity& who, Params params) {
  const std::string role = json::get_string(body(params), "roleName");
  if (role.empty()) co_return missing("roleName");
  const sql::Value id(user_id(who));
  CO_TRY(auto link, co_await impl.store.columns(call, "rolesUsers", {"roleName"},
                                                {{"userId", id}, {"roleName", sql::Value(role)}}));
  if (link.empty())
    co_return fail(Code::kInvalidArgument, "ROLE_NOT_FOUND_FOR_USER", "You do not have this role.");
  CO_TRY(int64_t cleared,
         co_await impl.store.set_columns(call, "rolesUsers", {{"default", sql::Value(false)}},
                                         {{"userId", id}}));
  CO_TRY(int64_t set,
         co_await impl.store.set_columns(call, "rolesUsers", {{"default", sql::Value(true)}},
                                         {{"userId", id}, {"roleName", sql::Value(role)}}));
  (void)cleared;
  (void)set;
  CO_TRY_STATUS(
      co_await impl.changed(call.ctx, call.tx, Access::Impl::Concerned::only({user_id(who)})));
  co_return answer("ok");
}

Task<Result<Answer>> set_role_mode(Access::Impl& impl, const data::Call& call, Params params) {
  const std::string mode = json::get_string(body(params), "roleMode");
  if (mode != "default" && mode != "allow-use-union" && mode != "only-use-union") {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_VALUE", "There is no such role mode.")
                       .with_field("roleMode")
                       .with_expected("default, allow-use-union or only-use-union"));
  }
  CO_TRY_STATUS(co_await impl.store.update(call, "systemSettings", json::Object{{"id", 1}},
                                           json::Object{{"roleMode", mode}}));
  CO_TRY_STATUS(co_await impl.changed(call.ctx, call.tx));
  co_return answer("ok");
}

Task<Result<Answer>> available_actions() {
  auto action = [](const char* name, const char* title, const char* type, json::Array aliases,
                   bool fields) {
    return json::Object{{"name", name},
                        {"displayName", title},
                        {"type", type},
                        {"aliases", std::move(aliases)},
                        {"allowConfigureFields", fields}};
  };
  co_return answer(json::Array{
      action("create", "Add new", "new-data", {"create", "firstOrCreate", "updateOrCreate"}, true),
      action("view", "View", "old-data", {"get", "list", "query"}, true),
      action("update", "Edit", "old-data", {"update", "move"}, true),
      action("destroy", "Delete", "old-data", {"destroy"}, false),
      action("export", "Export", "old-data", {"export"}, true),
      action("importXlsx", "Import", "new-data", {"importXlsx"}, true),
      action("trigger", "Trigger workflow", "old-data", {"trigger"}, false),
  });
}

Task<Result<Answer>> list_api_keys(Access::Impl& impl, const data::Call& call, const Identity& who,
                                   Params params) {
  const data::Call all = impl.store.call(call.ctx);
  data::Target target;
  target.collection = all.model->find("apiKeys");
  json::Value own = json::Object{{"createdById", user_id(who)}};
  params.filter =
      params.filter.is_null() ? own : json::Value(json::Object{{"$and", {own, params.filter}}});
  co_return co_await data::list(all, target, std::move(params));
}

Task<Result<Answer>> create_api_key(Access::Impl& impl, const data::Call& call, const Identity& who,
                                    Params params) {
  const json::Object values = body(params);
  const json::Object* role_object = json::get_object(values, "role");
  const std::string role = role_object != nullptr ? json::get_string(*role_object, "name")
                                                  : json::get_string(values, "role");
  if (role.empty()) co_return missing("role");
  CO_TRY(auto link, co_await impl.store.columns(
                        call, "rolesUsers", {"roleName"},
                        {{"userId", sql::Value(user_id(who))}, {"roleName", sql::Value(role)}}));
  if (link.empty())
    co_return fail(Code::kPermissionDenied, "ROLE_NOT_FOUND_FOR_USER",
                   "You do not have this role.");
  const std::string expires = json::get_string(values, "expiresIn", "30d");
  const auto seconds = parse_period_seconds(expires);
  if (!seconds) {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_VALUE", "This is no period of time.")
                       .with_field("expiresIn")
                       .with_expected("1d, 7d, 30d, 90d or never"));
  }
  Claims claims;
  claims.user_id = user_id(who);
  claims.role_name = role;
  claims.issued_at = now_ms() / 1000;
  claims.expires_at = claims.issued_at + *seconds;
  std::string token = sign_token(claims, impl.settings.jwt_secret);
  // Stored as a hash: who reads the table cannot use the keys.
  CO_TRY(auto made,
         co_await impl.store.create(call, "apiKeys",
                                    json::Object{{"name", json::get_string(values, "name")},
                                                 {"roleName", role},
                                                 {"expiresIn", expires},
                                                 {"token", sha256_hex(token)}},
                                    &who.caller));
  co_return answer(json::Object{{"token", token}});
}

Task<Result<Answer>> destroy_api_key(Access::Impl& impl, const data::Call& call,
                                     const Identity& who, Params params) {
  const auto id = params.filter_by_tk.is_string()  ? to_int64(json::as_view(params.filter_by_tk))
                  : params.filter_by_tk.is_int64() ? std::optional(params.filter_by_tk.get_int64())
                                                   : std::nullopt;
  if (!id) co_return missing("filterByTk");
  CO_TRY(auto rows, co_await impl.store.columns(
                        call, "apiKeys", {"token"},
                        {{"id", sql::Value(*id)}, {"createdById", sql::Value(user_id(who))}}));
  if (rows.empty()) co_return answer(0);
  CO_TRY(auto blocked,
         co_await impl.store.columns(call, "tokenBlacklist", {"id"},
                                     {{"token", sql::Value(rows[0][0].value_or(""))}}));
  if (rows[0][0] && blocked.empty()) {
    auto made =
        co_await impl.store.create(call, "tokenBlacklist", json::Object{{"token", *rows[0][0]}});
    if (!made) co_return std::unexpected(std::move(made).error());
  }
  CO_TRY_STATUS(co_await impl.store.destroy(call, "apiKeys", json::Object{{"id", *id}}));
  co_return answer(1);
}

Task<Result<Answer>> public_authenticators(Access::Impl& impl, const data::Call& call) {
  CO_TRY(auto rows,
         co_await impl.store.find(call, "authenticators",
                                  Store::Query(json::Object{{"enabled", true}}, {}, {"sort"})));
  json::Array list;
  for (const auto& item : rows) {
    const json::Object& row = item.get_object();
    const json::Object* options = json::get_object(row, "options");
    const json::Object* shown = options != nullptr ? json::get_object(*options, "public") : nullptr;
    list.push_back(json::Object{{"name", json::get_string(row, "name")},
                                {"authType", json::get_string(row, "authType")},
                                {"authTypeTitle", "Password"},
                                {"title", json::get_string(row, "title")},
                                {"options", shown != nullptr ? *shown : json::Object{}}});
  }
  co_return answer(std::move(list));
}

// dataSources/main/roles:get and :update: the strategy of a role for one data source.
Task<Result<Answer>> source_role(Access::Impl& impl, const data::Call& call, Params params,
                                 std::string source, bool update) {
  if (!params.filter_by_tk.is_string()) co_return missing("filterByTk");
  const std::string role(json::as_view(params.filter_by_tk));
  const json::Object key{{"roleName", role}, {"dataSourceKey", source}};
  CO_TRY(auto row, co_await impl.store.find_one(call, "dataSourcesRoles", Store::Query(key)));
  if (update) {
    const json::Object values = body(params);
    const json::Value* strategy = json::find(values, "strategy");
    json::Object wanted{{"strategy", strategy != nullptr ? *strategy : json::Value(nullptr)}};
    if (row) {
      CO_TRY_STATUS(co_await impl.store.update(call, "dataSourcesRoles", key, wanted));
    } else {
      for (const auto& item : key) wanted[item.key()] = item.value();
      CO_TRY(auto made, co_await impl.store.create(call, "dataSourcesRoles", wanted));
    }
    CO_TRY(row, co_await impl.store.find_one(call, "dataSourcesRoles", Store::Query(key)));
    CO_TRY_STATUS(co_await impl.changed(call.ctx, call.tx));
  }
  if (!row) {
    CO_TRY(auto fallback,
           co_await impl.store.find_one(call, "roles", Store::Query(json::Object{{"name", role}})));
    if (!fallback)
      co_return fail(Code::kNotFound, "ROLE_NOT_FOUND_ERR", "The role does not exist.");
    const json::Value* strategy = json::find(*fallback, "strategy");
    json::Object shown = key;
    shown["strategy"] = strategy != nullptr ? *strategy : json::Value(nullptr);
    co_return answer(std::move(shown));
  }
  co_return answer(json::Value(*std::move(row)));
}

// roles/<r>/dataSourcesCollections:list: collections with a mark which of them the role configures.
Task<Result<Answer>> role_collections(Access::Impl& impl, const data::Call& call,
                                      std::string role) {
  CO_TRY(auto rows,
         co_await impl.store.find(
             call, "dataSourcesRolesResources",
             Store::Query(json::Object{{"roleName", role}, {"usingActionsConfig", true}})));
  json::Array list;
  for (const auto& [name, collection] : call.model->collections) {
    if (collection->builtin && name != "users" && name != "roles") continue;
    bool configured = false;
    for (const auto& row : rows)
      configured = configured || json::get_string(row.get_object(), "name") == name;
    list.push_back(json::Object{{"type", "collection"},
                                {"name", name},
                                {"collectionName", name},
                                {"title", collection->title.empty() ? name : collection->title},
                                {"roleName", role},
                                {"usingConfig", configured ? "resourceAction" : "strategy"},
                                {"exists", configured}});
  }
  co_return answer(std::move(list));
}

}  // namespace

std::vector<Access::Action> Access::actions() {
  Impl* impl = impl_.get();
  std::vector<Action> list;
  auto add = [&](const char* resource, const char* name, const char* summary, Need need,
                 bool has_body, auto run) {
    Action action;
    action.resource = resource;
    action.name = name;
    action.summary = summary;
    action.need = need;
    action.has_body = has_body;
    action.run = std::move(run);
    list.push_back(std::move(action));
  };
  // The lambdas only start coroutines; everything these need goes in as parameters.
  add("users", "updateProfile", "Change the own profile", Need::kLogin, true,
      [impl](const data::Call& call, const Identity& who, Params params, std::string) {
        return update_profile(*impl, call, who, std::move(params));
      });
  add("users", "updateLang", "Change the own language", Need::kLogin, true,
      [impl](const data::Call& call, const Identity& who, Params params, std::string) {
        return update_lang(*impl, call, who, std::move(params));
      });
  add("users", "setDefaultRole", "Choose the role used when none is named", Need::kLogin, true,
      [impl](const data::Call& call, const Identity& who, Params params, std::string) {
        return set_default_role(*impl, call, who, std::move(params));
      });
  add("roles", "setSystemRoleMode", "One role at a time, or all together", Need::kPermission, true,
      [impl](const data::Call& call, const Identity&, Params params, std::string) {
        return set_role_mode(*impl, call, std::move(params));
      });
  add("availableActions", "list", "Actions that rights can be given for", Need::kPermission, false,
      [](const data::Call&, const Identity&, Params, std::string) { return available_actions(); });
  add("apiKeys", "list", "The own API keys", Need::kPermission, false,
      [impl](const data::Call& call, const Identity& who, Params params, std::string) {
        return list_api_keys(*impl, call, who, std::move(params));
      });
  add("apiKeys", "create", "Make an API key; the token is shown once", Need::kPermission, true,
      [impl](const data::Call& call, const Identity& who, Params params, std::string) {
        return create_api_key(*impl, call, who, std::move(params));
      });
  list.back().secret = true;
  add("apiKeys", "destroy", "Delete an own API key; its token stops working", Need::kPermission,
      false, [impl](const data::Call& call, const Identity& who, Params params, std::string) {
        return destroy_api_key(*impl, call, who, std::move(params));
      });
  add("authenticators", "publicList", "Ways to sign in", Need::kPublic, false,
      [impl](const data::Call& call, const Identity&, Params, std::string) {
        return public_authenticators(*impl, call);
      });
  list.back().reads = true;
  for (const bool update : {false, true}) {
    add("dataSources.roles", update ? "update" : "get", "General rights of a role",
        Need::kPermission, update,
        [impl, update](const data::Call& call, const Identity&, Params params, std::string source) {
          return source_role(*impl, call, std::move(params), std::move(source), update);
        });
  }
  add("roles.dataSourcesCollections", "list", "Collections as the rights of a role see them",
      Need::kPermission, false,
      [impl](const data::Call& call, const Identity&, Params, std::string role) {
        return role_collections(*impl, call, std::move(role));
      });
  return list;
}

}  // namespace halcyon::access
