// Loads roles from their tables and compiles them (reference E.4, F.6).
#include "access/impl_internal.h"
#include "access/snippets.h"

namespace halcyon::access {
namespace {

std::vector<std::string> texts(const json::Object& row, std::string_view name) {
  std::vector<std::string> list;
  if (const json::Array* array = json::get_array(row, name)) {
    for (const auto& item : *array) {
      if (item.is_string()) list.emplace_back(json::as_view(item));
    }
  }
  return list;
}

// Rights of one collection that a role configures by itself.
std::map<std::string, ActionRight, std::less<>> resource_rights(const json::Object& resource) {
  std::map<std::string, ActionRight, std::less<>> rights;
  const json::Array* actions = json::get_array(resource, "actions");
  if (actions == nullptr) return rights;
  for (const auto& item : *actions) {
    if (!item.is_object()) continue;
    const json::Object& action = item.get_object();
    ActionRight right;
    // An empty list means "no limit on fields", as the permission form sends it.
    if (auto fields = texts(action, "fields"); !fields.empty()) right.fields = std::move(fields);
    if (const json::Object* scope = json::get_object(action, "scope")) {
      if (json::get_string(*scope, "key") == "own") {
        right.scope = own_scope();
      } else if (const json::Object* filter = json::get_object(*scope, "scope");
                 filter != nullptr && !filter->empty()) {
        right.scope = *filter;
      }
    }
    rights.insert_or_assign(json::get_string(action, "name"), std::move(right));
  }
  return rights;
}

}  // namespace

Task<Result<std::shared_ptr<const RoleRights>>> Access::Impl::role(const Context& ctx,
                                                                   std::string name) {
  uint64_t started = 0;
  {
    std::shared_lock lock(mutex);
    started = version;
    if (auto it = roles.find(name); it != roles.end() && it->second.until > runtime::Clock::now()) {
      co_return it->second.role;
    }
  }
  auto role = std::make_shared<RoleRights>();
  role->name = name;
  role->everything = name == "root";
  CO_TRY(auto row,
         co_await store.find_one(ctx, "roles", Store::Query(json::Object{{"name", name}})));
  if (!row && name != "anonymous") {
    co_return fail(
        unauthenticated("ROLE_NOT_FOUND_ERR", "The role \"" + name + "\" does not exist."));
  }
  if (row) {
    role->snippets = texts(*row, "snippets");
    if (const json::Value* strategy = json::find(*row, "strategy")) role->strategy_json = *strategy;
    CO_TRY(auto override,
           co_await store.find_one(
               ctx, "dataSourcesRoles",
               Store::Query(json::Object{{"roleName", name}, {"dataSourceKey", "main"}})));
    if (override && json::get_object(*override, "strategy") != nullptr) {
      role->strategy_json = *json::get_object(*override, "strategy");
    }
    role->strategy = parse_strategy(role->strategy_json);
    CO_TRY(auto resources, co_await store.find(ctx, "dataSourcesRolesResources",
                                               Store::Query(json::Object{{"roleName", name},
                                                                         {"dataSourceKey", "main"}},
                                                            {"actions", "actions.scope"})));
    for (const auto& item : resources) {
      const json::Object& resource = item.get_object();
      if (!json::get_bool(resource, "usingActionsConfig")) continue;
      role->resources.insert_or_assign(json::get_string(resource, "name"),
                                       resource_rights(resource));
    }
  }
  std::unique_lock lock(mutex);
  if (version == started) roles[name] = {role, runtime::Clock::now() + cache_life()};
  co_return std::shared_ptr<const RoleRights>(std::move(role));
}

Task<Result<std::shared_ptr<const Rights>>> Access::Impl::rights(
    const Context& ctx, const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<const RoleRights>> list;
  for (const auto& name : names) {
    CO_TRY(auto one, co_await role(ctx, name));
    list.push_back(std::move(one));
  }
  co_return std::make_shared<const Rights>(std::move(list));
}

Task<Result<std::string>> Access::Impl::role_mode(const Context& ctx) {
  if (catalog.snapshot()->find("systemSettings") == nullptr) co_return "default";
  CO_TRY(auto row,
         co_await store.find_one(ctx, "systemSettings", Store::Query(json::Object{{"id", 1}})));
  co_return row ? json::get_string(*row, "roleMode", "default") : "default";
}

Status Access::authorize(const Identity& who, const Request& request) const {
  const Rights& rights = *who.rights;
  if (rights.everything()) return {};
  const std::string raw = std::string(request.resource) + ":" + std::string(request.action);
  if (snippets_allow(rights.snippets(), raw)) return {};
  if (request.record_action && request.target != nullptr) {
    const bool links = request.action == "add" || request.action == "set" ||
                       request.action == "remove" || request.action == "toggle";
    // Linking changes the source record (reference F.6, 7).
    const schema::Collection* judged =
        links && request.source != nullptr ? request.source : request.target;
    const std::string_view action = links ? "update" : canonical_action(request.action);
    if (rights.grant(*judged, action).allowed) return {};
  }
  return std::unexpected(Error(Code::kPermissionDenied, "NO_PERMISSION", "No permissions")
                             .with_field(std::string(request.resource))
                             .with_expected("the right to " + std::string(request.action)));
}

Task<Result<data::Answer>> Access::roles_check(const Context& ctx, const Identity& who) {
  const Rights& rights = *who.rights;
  json::Array roles, snippets, resources;
  for (const auto& name : who.caller.roles) roles.emplace_back(name);
  for (const auto& name : rights.snippets()) snippets.emplace_back(name);
  json::Object actions;
  json::Value strategy;
  for (const auto& role : rights.roles()) {
    strategy = role->strategy_json;
    for (const auto& [name, configured] : role->resources) {
      resources.emplace_back(name);
      for (const auto& [action, right] : configured) {
        json::Object shown;
        if (right.fields) {
          json::Array fields;
          for (const auto& field : *right.fields) fields.emplace_back(field);
          const bool writes = action == "create" || action == "update";
          shown[writes ? "whitelist" : "fields"] = std::move(fields);
        }
        if (!right.scope.is_null()) shown["filter"] = right.scope;
        actions[name + ":" + action] = std::move(shown);
      }
    }
  }
  CO_TRY(std::string mode, co_await impl_->role_mode(ctx));
  CO_TRY(auto row, co_await impl_->store.find_one(
                       ctx, "roles", Store::Query(json::Object{{"name", who.caller.role}})));
  const bool configure = rights.everything() || (row && json::get_bool(*row, "allowConfigure"));
  json::Object data{
      {"role", who.caller.role},
      {"roles", roles},
      {"strategy", strategy.is_null() ? json::Value(json::Object{}) : strategy},
      {"actions", actions},
      {"resources", resources},
      {"snippets", snippets},
      {"availableActions",
       {"create", "view", "update", "destroy", "export", "importXlsx", "trigger"}},
      {"actionAlias", json::Object{{"list", "view"},
                                   {"get", "view"},
                                   {"query", "view"},
                                   {"firstOrCreate", "create"},
                                   {"updateOrCreate", "create"},
                                   {"move", "update"}}},
      {"allowAll", rights.everything()},
      {"allowConfigure", configure},
      {"allowMenuItemIds", json::Array{}},
      {"allowAnonymous", false},
      {"roleMode", mode},
      {"uiButtonSchemasBlacklist", json::Array{}},
  };
  data::Answer answer;
  json::Object main{{"roles", roles},
                    {"strategy", data["strategy"]},
                    {"actions", actions},
                    {"snippets", snippets},
                    {"resources", resources}};
  answer.meta = json::dump(
      json::Value(json::Object{{"dataSources", json::Object{{"main", std::move(main)}}}}));
  answer.data = json::dump(json::Value(std::move(data)));
  co_return answer;
}

}  // namespace halcyon::access
