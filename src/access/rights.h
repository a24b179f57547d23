// Rights: what the current roles of a caller allow, compiled once and shared (reference F.6).
//
// Union of roles as the reference says: row scopes are OR-ed, a role without scope lifts it; field
// lists are joined, a role without list lifts it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/request.h"

namespace halcyon::access {

struct ActionRight {
  std::optional<std::vector<std::string>> fields;
  json::Value scope;
};

struct RoleRights {
  std::string name;
  bool everything = false;                                   // root
  std::map<std::string, ActionRight, std::less<>> strategy;  // general actions; "*" = every action
  // Collections configured one by one: only what is listed is allowed.
  std::map<std::string, std::map<std::string, ActionRight, std::less<>>, std::less<>> resources;
  std::vector<std::string> snippets;
  json::Value strategy_json;  // as stored, for roles:check
};

class Rights : public data::Permissions {
 public:
  explicit Rights(std::vector<std::shared_ptr<const RoleRights>> roles);
  data::Grant grant(const schema::Collection& collection, std::string_view action) const override;
  bool everything() const { return everything_; }
  const std::vector<std::string>& snippets() const { return snippets_; }
  const std::vector<std::shared_ptr<const RoleRights>>& roles() const { return roles_; }

 private:
  std::vector<std::shared_ptr<const RoleRights>> roles_;
  std::vector<std::string> snippets_;
  bool everything_ = false;
};

// Scope of "own" rights: rows that the caller created.
json::Value own_scope();
// Reads {"actions": ["create", "view:own", ...]} or {"actions": "*"}.
std::map<std::string, ActionRight, std::less<>> parse_strategy(const json::Value& strategy);
// list, get, query -> view; firstOrCreate, updateOrCreate -> create; move -> update.
std::string_view canonical_action(std::string_view action);

}  // namespace halcyon::access
