// The inside of Access, shared by its .cpp files: caches, sessions, sign-in, actions.
#pragma once

#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "access/access.h"
#include "access/rights.h"
#include "access/sign_in_limits.h"
#include "access/store.h"
#include "access/token.h"
#include "runtime/blocking_pool.h"

namespace halcyon::access {

// How long a cached identity or role is trusted without looking. Without a bus this bounds how late
// a change made by another process takes effect; with one it bounds what a session's age may be
// off.
constexpr std::chrono::milliseconds kCacheLife{1000}, kSharedCacheLife{10'000};

struct TokenPolicy {
  int64_t token_seconds = 24 * 3600;        // tokenExpirationTime
  int64_t session_seconds = 7 * 24 * 3600;  // sessionExpirationTime
  int64_t renew_seconds = 24 * 3600;        // expiredTokenRenewLimit
};

struct Access::Impl : data::ChangeListener {
  Impl(sql::Database& database, schema::Catalog& cat, data::Writer& write,
       runtime::BlockingPool& pool, Settings s)
      : db(database),
        catalog(cat),
        hashing(pool),
        settings(std::move(s)),
        store(database, cat, write),
        limits(database, cat, settings.sign_in_max_failures, settings.sign_in_window) {}

  sql::Database& db;
  schema::Catalog& catalog;
  runtime::BlockingPool& hashing;
  Settings settings;
  Store store;
  SignInLimits limits;

  // sessions.cpp
  Task<Result<std::shared_ptr<const Identity>>> identify(const Context& ctx,
                                                         const Credentials& credentials);
  Task<Result<std::string>> renew(const Context& ctx, Claims claims, const TokenPolicy& policy,
                                  const Credentials& by);
  Task<Status> choose_role(const Context& ctx, Identity& who, const Claims& claims,
                           const Credentials& by);
  Task<Result<TokenPolicy>> token_policy(const Context& ctx);
  Task<Status> not_blocked(const Context& ctx, const std::string& token);
  Task<Result<json::Object>> start_session(const Context& ctx, json::Object user,
                                           std::string authenticator);
  // Whom a change concerns: these users, or everybody.
  struct Concerned {
    bool everybody = true;
    std::vector<int64_t> users = {};
    static Concerned only(std::vector<int64_t> users) { return {false, std::move(users)}; }
    static Concerned nobody() { return {false, {}}; }
    static Concerned all() { return {true, {}}; }
  };
  void forget(const Concerned& whom = Concerned::all());
  // Something changed that identities or rights rest on: tells the members, and drops the caches,
  // when `tx` commits.
  Task<Status> changed(const Context& ctx, sql::Transaction* tx, Concerned whom = Concerned::all());
  // What a change of a record concerns; nobody: `users` is empty.
  Task<Result<Concerned>> concerned(const data::Call& call, sql::Transaction& tx,
                                    const data::Change& change);
  cluster::Bus* bus = nullptr;
  std::chrono::milliseconds cache_life() const {
    return bus != nullptr ? kSharedCacheLife : kCacheLife;
  }

  // role_rights.cpp
  Task<Result<std::shared_ptr<const RoleRights>>> role(const Context& ctx, std::string name);
  Task<Result<std::shared_ptr<const Rights>>> rights(const Context& ctx,
                                                     const std::vector<std::string>& roles);
  Task<Result<std::string>> role_mode(const Context& ctx);

  // passwords: on the hashing pool, never on an io thread.
  Task<Result<bool>> password_matches(std::string password, std::string stored);
  Task<Result<int64_t>> user_with_password(const Context& ctx, std::string account,
                                           std::string password);

  // model_changes.cpp: field lists of roles follow the data model.
  Task<Status> model_changed(const Context& ctx, sql::Transaction& tx,
                             const schema::Snapshot& before, const schema::Snapshot& after);

  // data::ChangeListener
  Task<Status> in_transaction(const data::Call& call, sql::Transaction& tx,
                              const data::Change& change) override;
  Task<Status> before_commit(const data::Call& call, sql::Transaction& tx,
                             const std::vector<data::Change>& changes) override;
  void committed(const std::vector<data::Change>& changes) override;
  Task<Status> give_default_role(const data::Call& call, sql::Transaction& tx,
                                 const json::Value& user);

  struct CachedIdentity {
    std::shared_ptr<const Identity> identity;
    runtime::Clock::time_point until;
  };
  struct CachedRole {
    std::shared_ptr<const RoleRights> role;
    runtime::Clock::time_point until;
  };
  struct Renewed {
    std::string token;
    runtime::Clock::time_point until;
  };
  mutable std::shared_mutex mutex;
  StringMap<CachedIdentity> identities;  // by identity_key()
  StringMap<CachedRole> roles;
  StringMap<Renewed>
      renewed;           // by old jti: concurrent requests with one old token get one new token
  uint64_t version = 0;  // counts forget(): what was read before is not cached after
};

std::string identity_key(const Credentials& credentials);
Error unauthenticated(std::string id, std::string message);

}  // namespace halcyon::access
