// Who is calling and what they may do: sign-in, tokens, API keys, roles, permissions (reference
// E.2-E.4, F).
//
// Rights come from the tables of roles, compiled per role set into a RoleRights; an Identity is
// what a request carries. Both are cached in the process and dropped when a record they rest on
// changes here (Access::listener) or after a short time, so that a change through another process
// counts too.
//
//   CO_TRY(auto who, co_await access.identify(ctx, credentials, true));
//   CO_TRY_STATUS(access.authorize(*who, route, target));          // 403 NO_PERMISSION
//
// Thread rule: safe from any io thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/bus.h"
#include "data/records.h"
#include "data/request.h"
#include "schema/catalog.h"

namespace halcyon::runtime {
class BlockingPool;
}

namespace halcyon::access {

class Rights;  // access/rights.h

struct Settings {
  std::string jwt_secret;                                               // APP_KEY
  std::string root_email, root_password, root_nickname, root_username;  // INIT_ROOT_*
  int64_t sign_in_max_failures = 10;  // access/sign_in_limits.h; 0: no limit
  std::chrono::milliseconds sign_in_window{900'000};
  Settings() = default;
};

// What a request brings to prove who it is.
struct Credentials {
  std::string token;          // Authorization: Bearer, ?token=
  std::string authenticator;  // X-Authenticator
  std::string role;           // X-Role; empty: default role
  bool event_stream = false;
  bool operator==(const Credentials&) const = default;
};

struct Identity {
  data::Caller caller;                   // user_id empty: not signed in
  std::shared_ptr<const Rights> rights;  // never nullptr
  std::string renewed_token;             // send as x-new-token when set
  std::string jti;                       // session of the token, for sign-out
  std::string token;
  const data::Permissions& permissions() const;
};

// The resource and action of a request, as access judges it.
struct Request {
  std::string_view resource;                   // "orders", "customers.orders", "auth"
  std::string_view action;                     // as called, e.g. "list"
  const schema::Collection* target = nullptr;  // rows acted on; nullptr for actions without records
  const schema::Collection* source = nullptr;  // association resources
  bool record_action = false;                  // one of reference B on a collection
};

class Access {
 public:
  Access(sql::Database& db, schema::Catalog& catalog, data::Writer& writer,
         runtime::BlockingPool& hashing, Settings settings);
  ~Access();

  // Definitions of users, roles, tokens, API keys and permission tables, for schema::Catalog.
  static std::vector<json::Object> builtin_collections();
  // Seeds roles, the root user and the authenticator where absent. Several processes may do so at
  // once.
  Task<Status> install(const Context& ctx);

  // Reference F.3, F.5. Errors: 401 with the codes of F.4. Not `required`: a missing or bad token
  // gives an anonymous identity instead.
  Task<Result<std::shared_ptr<const Identity>>> identify(const Context& ctx,
                                                         Credentials credentials, bool required);
  // The same from the cache only, without suspending: nullptr when it is not there.
  std::shared_ptr<const Identity> cached_identity(const Credentials& credentials) const;

  // The user that a validly signed token names, though the session may have ended: whose request
  // was this? nullopt for anything else.
  std::optional<int64_t> claimed_user(const Credentials& credentials) const;
  // Changes made here are told to the other members, theirs are listened to; caches then live
  // longer. Before Cluster::start.
  void join(cluster::Bus& bus);
  // Deletes sessions that nobody can renew, signed-out tokens that are of no use to anyone, and
  // counts of wrong passwords that are over: to be called now and then by some member.
  Task<Status> purge(const Context& ctx);
  // Whose rights or sessions a message of the topic "access" is about; nullopt: everybody's.
  static std::optional<std::vector<int64_t>> concerned_users(const cluster::Message& message);
  // Drops every cache: something may have changed that nobody told.
  void forget();

  // Reference F.6 steps 1 to 3. Error 403 NO_PERMISSION.
  Status authorize(const Identity& who, const Request& request) const;

  // auth:* (reference F.1). Results are the `data` of the answer.
  Task<Result<json::Value>> sign_in(const Context& ctx, std::string authenticator,
                                    json::Object values);
  Task<Result<json::Value>> sign_up(const Context& ctx, std::string authenticator,
                                    json::Object values, sql::Transaction* tx = nullptr);
  Task<Status> sign_out(const Context& ctx, const Identity& who, sql::Transaction* tx = nullptr);
  Task<Result<json::Value>> check(const Context& ctx, const Identity& who);
  Task<Result<json::Value>> change_password(const Context& ctx, const Identity& who,
                                            json::Object values, sql::Transaction* tx = nullptr);
  Task<Result<data::Answer>> roles_check(const Context& ctx, const Identity& who);

  // Further actions of this module, by "resource:action": users:updateProfile, apiKeys:create, ...
  enum class Need { kPublic, kLogin, kPermission };
  struct Action {
    std::string resource, name, summary;
    Need need = Need::kPermission;
    bool has_body = false;
    bool reads = false;   // whatever its name says, it writes nothing
    bool secret = false;  // the answer is shown once
    // `source_id`: of association resources such as roles/admin/dataSourcesCollections:list.
    std::function<Task<Result<data::Answer>>(const data::Call&, const Identity&, data::Params,
                                             std::string source_id)>
        run;
  };
  std::vector<Action> actions();

  // Told of every change of records: drops caches, gives new users their role, ...
  data::ChangeListener& listener();

  // halcyon user: makes an administrator (role root) or resets the password of an account.
  Task<Status> create_or_reset_admin(const Context& ctx, std::string username, std::string email,
                                     std::string password);

  struct Impl;  // access/impl_internal.h

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::access
