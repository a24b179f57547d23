#include "access/rights.h"

#include <algorithm>

#include "access/snippets.h"

namespace halcyon::access {
namespace {

data::Grant to_grant(const ActionRight& right) {
  data::Grant grant;
  grant.allowed = true;
  grant.fields = right.fields;
  grant.scope = right.scope;
  return grant;
}

data::Grant role_grant(const RoleRights& role, const schema::Collection& collection,
                       std::string_view action) {
  if (role.everything) return to_grant({});
  if (auto configured = role.resources.find(collection.name); configured != role.resources.end()) {
    auto right = configured->second.find(action);
    return right == configured->second.end() ? data::Grant{} : to_grant(right->second);
  }
  // The general strategy is for the collections that users made; system ones need a snippet.
  if (!collection.builtin) {
    auto right = role.strategy.find(action);
    if (right == role.strategy.end()) right = role.strategy.find("*");
    if (right != role.strategy.end()) {
      const bool own = right->second.scope.is_object();
      if (!own || collection.find("createdById") != nullptr) return to_grant(right->second);
    }
  }
  if (snippets_allow(role.snippets, collection.name + ":" + std::string(action)))
    return to_grant({});
  return {};
}

void unite(data::Grant& sum, data::Grant grant) {
  if (!grant.allowed) return;
  if (!sum.allowed) {
    sum = std::move(grant);
    return;
  }
  if (!sum.fields || !grant.fields) {
    sum.fields.reset();
  } else {
    for (auto& field : *grant.fields) {
      if (std::ranges::find(*sum.fields, field) == sum.fields->end())
        sum.fields->push_back(std::move(field));
    }
  }
  if (!sum.scope.is_object() || !grant.scope.is_object()) {
    sum.scope = nullptr;
  } else if (sum.scope != grant.scope) {
    sum.scope = json::Object{{"$or", {sum.scope, grant.scope}}};
  }
}

}  // namespace

Rights::Rights(std::vector<std::shared_ptr<const RoleRights>> roles) : roles_(std::move(roles)) {
  std::vector<std::vector<std::string>> lists;
  for (const auto& role : roles_) {
    everything_ = everything_ || role->everything;
    lists.push_back(role->snippets);
  }
  snippets_ = union_snippets(lists);
}

data::Grant Rights::grant(const schema::Collection& collection, std::string_view action) const {
  data::Grant sum;
  for (const auto& role : roles_) unite(sum, role_grant(*role, collection, action));
  return sum;
}

json::Value own_scope() {
  return json::Object{{"createdById", json::Object{{"$eq", "{{ctx.state.currentUser.id}}"}}}};
}

std::map<std::string, ActionRight, std::less<>> parse_strategy(const json::Value& strategy) {
  std::map<std::string, ActionRight, std::less<>> rights;
  if (!strategy.is_object()) return rights;
  const json::Value* actions = json::find(strategy.get_object(), "actions");
  if (actions == nullptr) return rights;
  if (actions->is_string() && json::as_view(*actions) == "*") rights["*"] = {};
  if (!actions->is_array()) return rights;
  for (const auto& item : actions->get_array()) {
    if (!item.is_string()) continue;
    std::string_view name = json::as_view(item);
    ActionRight right;
    if (name.ends_with(":own")) {
      name.remove_suffix(4);
      right.scope = own_scope();
    }
    // "view" beside "view:own" is the wider right.
    auto [at, fresh] = rights.try_emplace(std::string(name), right);
    if (!fresh && right.scope.is_null()) at->second = right;
  }
  return rights;
}

std::string_view canonical_action(std::string_view action) {
  if (action == "list" || action == "get" || action == "query") return "view";
  if (action == "firstOrCreate" || action == "updateOrCreate") return "create";
  if (action == "move") return "update";
  return action;
}

}  // namespace halcyon::access
