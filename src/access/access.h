// Who is calling and what they may do: sign-in, tokens, API keys, roles, permissions.
//
// Rights come from the tables of reference E.3/E.4, compiled per role into a RoleRights and cached
// by permission generation; `Identity` is what a request carries. The service functions implement
// auth:*, roles:*, users:*, apiKeys:*, availableActions:* for api to route.
//
//   CO_TRY(Identity who, co_await access.identify(ctx, credentials));
//   CO_TRY_STATUS(access.authorize(who, resource, action));      // 403 NO_PERMISSION
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/records.h"
#include "data/request.h"
#include "schema/catalog.h"

namespace halcyon::runtime {
class BlockingPool;
}

namespace halcyon::access {

struct Settings {
  std::string jwt_secret;  // APP_KEY
  std::string init_root_email, init_root_password, init_root_nickname, init_root_username;
  std::string default_lang = "en-US";
  Settings() = default;
};

// What a request brings to prove who it is.
struct Credentials {
  std::string token;          // Authorization: Bearer, ?token=
  std::string authenticator;  // X-Authenticator
  std::string role;           // X-Role; empty: default role
  bool event_stream = false;
  Credentials() = default;
};

struct Identity {
  data::Caller caller;                                   // user_id empty: not signed in
  std::shared_ptr<const data::Permissions> permissions;  // never nullptr
  std::string renewed_token;                             // send as x-new-token when set
  std::string jti;                                       // session of the token, for sign-out
};

class Access {
 public:
  Access(sql::Database& db, schema::Catalog& catalog, runtime::BlockingPool& hashing,
         Settings settings);
  ~Access();

  // Definitions of users, roles, rolesUsers, authenticators, tokens, apiKeys, permissions tables.
  static std::vector<json::Object> builtin_collections();
  Task<Status> install(const Context& ctx);  // seeds roles, root user, authenticator; loads rights

  // Reference F.3, F.5. Errors: 401 with the codes of F.4. `required` false (public actions): a
  // missing or bad token gives an anonymous identity instead of an error.
  Task<Result<Identity>> identify(const Context& ctx, Credentials credentials, bool required);

  // Reference F.6 steps 1-3 for resource:action ("orders", "customers.orders", "auth", ...).
  // `target` is the collection behind the resource, or nullptr. Public actions never get here.
  Status authorize(const Identity& who, std::string_view resource, std::string_view action,
                   const schema::Collection* target) const;
  bool is_public(std::string_view resource, std::string_view action) const;
  bool needs_only_login(std::string_view resource, std::string_view action) const;

  // auth:* (reference F.1). Results are the `data` of the answer.
  Task<Result<json::Value>> sign_in(const Context& ctx, std::string authenticator,
                                    json::Object values);
  Task<Result<json::Value>> sign_up(const Context& ctx, std::string authenticator,
                                    json::Object values);
  Task<Status> sign_out(const Context& ctx, const Identity& who);
  Task<Result<json::Value>> check(const Context& ctx, const Identity& who);
  Task<Result<json::Value>> change_password(const Context& ctx, const Identity& who,
                                            json::Object values);

  // roles:check and relatives. Result: {"data":..., "meta":...} parts.
  Task<Result<data::Answer>> roles_check(const Context& ctx, const Identity& who);

  // Other custom actions by "resource:action" (users:updateProfile, roles:setSystemRoleMode,
  // apiKeys:create, availableActions:list, roles.resources:..., dataSources.roles:..., ...).
  // nullptr when access has no such action.
  using Action = std::function<Task<Result<data::Answer>>(const data::Call&, const Identity&,
                                                          data::Target, data::Params)>;
  const Action* find_action(std::string_view resource_and_action) const;

  // Hooks: records of access' own collections changed (drop caches, default roles of new users,
  // ...).
  data::ChangeListener& listener();

  // halcyon user: creates the account as root administrator or resets its password.
  Task<Status> create_or_reset_admin(const Context& ctx, std::string account, std::string email,
                                     std::string password);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::access
