#include "access/snippets.h"

#include <algorithm>

namespace halcyon::access {
namespace {

struct Snippet {
  std::string_view name;
  std::vector<std::string_view> actions;
};

// Names as NocoBase registers them, with the actions that exist here.
const std::vector<Snippet>& registered() {
  static const std::vector<Snippet> list{
      {"app", {"app:restart", "app:refresh", "app:clearCache"}},
      {"pm", {"pm:*"}},
      {"pm.system-settings.system-settings", {"systemSettings:put"}},
      {"pm.cluster", {"cluster:*"}},
      {"pm.users", {"users:*", "users.roles:*", "roles.users:*"}},
      {"pm.acl.roles",
       {"roles:*", "roles.*", "availableActions:*", "roles.dataSourceResources:*",
        "roles.dataSourcesCollections:*", "dataSourcesRoles:*", "dataSourcesRolesResources:*",
        "dataSourcesRolesResourcesActions:*", "dataSourcesRolesResourcesScopes:*",
        "dataSources.rolesResourcesScopes:*", "dataSources.roles:*",
        "dataSourcesRolesResources.actions:*"}},
      {"pm.auth.authenticators", {"authenticators:*"}},
      {"pm.security.token-policy", {"tokenControlConfig:*"}},
      {"pm.api-keys.configuration", {"apiKeys:*"}},
      {"pm.api-doc.documentation", {"swagger:*"}},
      {"pm.data-source-manager", {"dataSources:*", "dataSources.collections:*"}},
      {"pm.data-source-manager.data-source-main",
       {"collections:*", "collections.fields:*", "fields:*", "collectionCategories:*",
        "collections.category:*", "mainDataSource:*"}},
      {"pm.data-source-manager.collection-view", {"dbViews:*"}},
      {"pm.data-source-manager.collection-sql", {"sqlCollection:*"}},
      {"ui.desktopRoutes", {"desktopRoutes:*"}},
      {"ui.pages", {"pages:*"}},
      {"ui.flowModels", {"flowModels:*"}},
      {"ui.uiSchemas", {"uiSchemas:*"}},
  };
  return list;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool holds_snippet(const std::vector<std::string>& role_snippets, std::string_view name) {
  bool held = false;
  for (std::string_view pattern : role_snippets) {
    const bool denies = pattern.starts_with('!');
    if (denies) pattern.remove_prefix(1);
    if (!glob_match(pattern, name)) continue;
    if (denies) return false;
    held = true;
  }
  return held;
}

bool snippets_allow(const std::vector<std::string>& role_snippets,
                    std::string_view resource_action) {
  return std::ranges::any_of(registered(), [&](const Snippet& snippet) {
    return std::ranges::any_of(snippet.actions,
                               [&](auto p) { return glob_match(p, resource_action); }) &&
           holds_snippet(role_snippets, snippet.name);
  });
}

std::vector<std::string> union_snippets(const std::vector<std::vector<std::string>>& roles) {
  std::vector<std::string> result;
  for (const auto& role : roles) {
    for (const auto& pattern : role) {
      if (std::ranges::find(result, pattern) != result.end()) continue;
      if (pattern.starts_with('!')) {
        const bool all_deny = std::ranges::all_of(roles, [&](const auto& other) {
          return std::ranges::find(other, pattern) != other.end();
        });
        if (!all_deny) continue;
      }
      result.push_back(pattern);
    }
  }
  return result;
}

}  // namespace halcyon::access
