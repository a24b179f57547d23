// Who is calling: token checks, renewal, current role (reference F.3, F.5), and the identity cache.
#include <algorithm>

#include "access/impl_internal.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/time.h"

namespace halcyon::access {

std::string identity_key(const Credentials& credentials) {
  std::string key = credentials.token;
  key += '\n';
  key += credentials.role;
  key += '\n';
  key += credentials.authenticator;
  return key;
}

Error unauthenticated(std::string id, std::string message) {
  return Error(Code::kUnauthenticated, std::move(id), std::move(message));
}

const data::Permissions& Identity::permissions() const { return *rights; }

void Access::Impl::forget(const Concerned& whom) {
  std::unique_lock lock(mutex);
  ++version;
  if (whom.everybody) {
    identities.clear();
    roles.clear();
    return;
  }
  std::erase_if(identities, [&](const auto& entry) {
    const auto user = entry.second.identity->caller.user_id;
    return user && std::ranges::find(whom.users, *user) != whom.users.end();
  });
}

Task<Result<TokenPolicy>> Access::Impl::token_policy(const Context& ctx) {
  TokenPolicy policy;
  CO_TRY(auto row,
         co_await store.find_one(ctx, "tokenControlConfig",
                                 Store::Query(json::Object{{"key", "token-policy-config"}})));
  const json::Object* config = row ? json::get_object(*row, "config") : nullptr;
  if (config == nullptr) co_return policy;
  auto read = [config](const char* name, int64_t& seconds) {
    if (auto value = parse_period_seconds(json::get_string(*config, name))) seconds = *value;
  };
  read("tokenExpirationTime", policy.token_seconds);
  read("sessionExpirationTime", policy.session_seconds);
  read("expiredTokenRenewLimit", policy.renew_seconds);
  co_return policy;
}

Task<Status> Access::Impl::not_blocked(const Context& ctx, const std::string& token) {
  CO_TRY(auto rows,
         co_await store.columns(ctx, "tokenBlacklist", {"id"}, {{"token", sql::Value(token)}}));
  if (!rows.empty())
    co_return fail(
        unauthenticated("BLOCKED_TOKEN", "Your session has ended. Please sign in again."));
  co_return Status{};
}

Task<Result<json::Object>> Access::Impl::start_session(const Context& ctx, json::Object user,
                                                       std::string authenticator) {
  CO_TRY(TokenPolicy policy, co_await token_policy(ctx));
  Claims claims;
  claims.user_id = json::get_int(user, "id");
  claims.sign_in_ms = now_ms();
  claims.issued_at = claims.sign_in_ms / 1000;
  claims.expires_at = claims.issued_at + policy.token_seconds;
  claims.jti = uuid_v4();
  // Sessions that can no longer be renewed are of no use to anyone.
  CO_TRY_STATUS(co_await store.destroy(
      ctx, "issuedTokens",
      json::Object{{"userId", claims.user_id},
                   {"signInTime",
                    json::Object{{"$lt", claims.sign_in_ms - policy.session_seconds * 1000}}}}));
  CO_TRY(auto made, co_await store.create(ctx, "issuedTokens",
                                          json::Object{{"id", uuid_v4()},
                                                       {"jti", claims.jti},
                                                       {"userId", claims.user_id},
                                                       {"signInTime", claims.sign_in_ms},
                                                       {"issuedTime", claims.sign_in_ms},
                                                       {"authenticator", authenticator}}));
  co_return json::Object{{"user", std::move(user)},
                         {"token", sign_token(claims, settings.jwt_secret)}};
}

// Exactly one request replaces the jti in `issuedTokens`; others that come with the same old token
// within ten seconds get the same new one.
Task<Result<std::string>> Access::Impl::renew(const Context& ctx, Claims claims,
                                              const TokenPolicy& policy, const Credentials& by) {
  if (by.event_stream) {
    co_return fail(unauthenticated("SKIP_TOKEN_RENEW",
                                   "The token has expired; renew it with another request."));
  }
  const std::string old_jti = claims.jti;
  {
    std::shared_lock lock(mutex);
    if (auto it = renewed.find(old_jti);
        it != renewed.end() && it->second.until > runtime::Clock::now()) {
      co_return it->second.token;
    }
  }
  claims.jti = uuid_v4();
  claims.issued_at = now_ms() / 1000;
  claims.expires_at = claims.issued_at + policy.token_seconds;
  CO_TRY(int64_t changed,
         co_await store.set_columns(ctx, "issuedTokens",
                                    {{"jti", sql::Value(claims.jti, sql::Type::kUuid)},
                                     {"issuedTime", sql::Value(claims.issued_at * 1000)}},
                                    {{"jti", sql::Value(old_jti, sql::Type::kUuid)}}));
  std::string token = sign_token(claims, settings.jwt_secret);
  std::unique_lock lock(mutex);
  const auto now = runtime::Clock::now();
  if (changed == 0) {
    // Another request of this process may have been faster.
    if (auto it = renewed.find(old_jti); it != renewed.end() && it->second.until > now)
      co_return it->second.token;
    co_return fail(
        unauthenticated("TOKEN_RENEW_FAILED", "Your session has expired. Please sign in again."));
  }
  std::erase_if(renewed, [now](const auto& item) { return item.second.until <= now; });
  renewed[old_jti] = Renewed{token, now + std::chrono::seconds(10)};
  co_return token;
}

Task<Status> Access::Impl::choose_role(const Context& ctx, Identity& who, const Claims& claims,
                                       const Credentials& by) {
  if (by.role == "anonymous" && !claims.is_api_key()) {
    who.caller.role = "anonymous";
    who.caller.roles = {"anonymous"};
    co_return Status{};
  }
  CO_TRY(auto links, co_await store.columns(ctx, "rolesUsers", {"roleName", "default"},
                                            {{"userId", sql::Value(claims.user_id)}}));
  std::vector<std::string> owned;
  std::string preferred;
  for (const auto& link : links) {
    if (!link[0]) continue;
    owned.push_back(*link[0]);
    if (link[1] == "true" || link[1] == "1") preferred = *link[0];
  }
  std::ranges::sort(owned);
  if (owned.empty()) {
    co_return fail(unauthenticated("USER_HAS_NO_ROLES_ERR",
                                   "Your account has no role. Ask an administrator."));
  }
  const std::string asked = claims.is_api_key() ? claims.role_name : by.role;
  CO_TRY(std::string mode, co_await role_mode(ctx));
  const bool unite = !claims.is_api_key() && (mode == "only-use-union" ||
                                              (mode == "allow-use-union" && asked == "__union__"));
  if (unite) {
    who.caller.role = "__union__";
    who.caller.roles = owned;
    co_return Status{};
  }
  if (!asked.empty() && asked != "__union__") {
    if (std::ranges::find(owned, asked) == owned.end()) {
      co_return fail(unauthenticated("ROLE_NOT_FOUND_FOR_USER",
                                     "You do not have the role \"" + asked + "\"."));
    }
    who.caller.role = asked;
  } else {
    who.caller.role = preferred.empty() ? owned.front() : preferred;
  }
  who.caller.roles = {who.caller.role};
  co_return Status{};
}

Task<Result<std::shared_ptr<const Identity>>> Access::Impl::identify(const Context& ctx,
                                                                     const Credentials& by) {
  if (by.token.empty()) co_return fail(unauthenticated("EMPTY_TOKEN", "Please sign in."));
  CO_TRY(Claims claims, verify_token(by.token, settings.jwt_secret));
  auto who = std::make_shared<Identity>();
  CO_TRY(auto user,
         co_await store.find_one(ctx, "users", Store::Query(json::Object{{"id", claims.user_id}})));
  if (!user)
    co_return fail(unauthenticated("NOT_EXIST_USER", "The account does not exist any more."));
  CO_TRY_STATUS(co_await not_blocked(ctx, claims.is_api_key() ? sha256_hex(by.token) : claims.jti));

  const int64_t now = now_ms();
  if (claims.is_api_key()) {
    if (claims.expires_at * 1000 <= now) {
      co_return fail(unauthenticated("INVALID_TOKEN", "The API key has expired."));
    }
  } else {
    CO_TRY(TokenPolicy policy, co_await token_policy(ctx));
    CO_TRY(auto changed, co_await store.columns(ctx, "users", {"passwordChangeTz"},
                                                {{"id", sql::Value(claims.user_id)}}));
    const auto changed_ms =
        changed.empty() || !changed[0][0] ? std::nullopt : to_int64(*changed[0][0]);
    if (changed_ms && *changed_ms > claims.issued_at * 1000 + 999) {
      co_return fail(
          unauthenticated("INVALID_TOKEN", "The password was changed. Please sign in again."));
    }
    if (now - claims.sign_in_ms > policy.session_seconds * 1000) {
      co_return fail(
          unauthenticated("EXPIRED_SESSION", "Your session has expired. Please sign in again."));
    }
    const int64_t age = now / 1000 - claims.issued_at;
    if (claims.expires_at * 1000 <= now || age > policy.token_seconds) {
      if (age > policy.token_seconds + policy.renew_seconds) {
        co_return fail(
            unauthenticated("EXPIRED_SESSION", "Your session has expired. Please sign in again."));
      }
      CO_TRY(who->renewed_token, co_await renew(ctx, claims, policy, by));
    }
  }

  who->token = by.token;
  who->jti = claims.jti;
  who->caller.user_id = claims.user_id;
  who->caller.user = *std::move(user);
  CO_TRY_STATUS(co_await choose_role(ctx, *who, claims, by));
  CO_TRY(who->rights, co_await rights(ctx, who->caller.roles));
  co_return std::shared_ptr<const Identity>(std::move(who));
}

std::optional<int64_t> Access::claimed_user(const Credentials& credentials) const {
  if (credentials.token.empty()) return std::nullopt;
  auto claims = verify_token(credentials.token, impl_->settings.jwt_secret);
  if (!claims) return std::nullopt;
  return claims->user_id;
}

std::shared_ptr<const Identity> Access::cached_identity(const Credentials& credentials) const {
  std::shared_lock lock(impl_->mutex);
  auto it = impl_->identities.find(identity_key(credentials));
  if (it == impl_->identities.end() || it->second.until <= runtime::Clock::now()) return nullptr;
  return it->second.identity;
}

Task<Result<std::shared_ptr<const Identity>>> Access::identify(const Context& ctx,
                                                               Credentials credentials,
                                                               bool required) {
  if (auto cached = cached_identity(credentials)) co_return cached;
  uint64_t version = 0;
  {
    std::shared_lock lock(impl_->mutex);
    version = impl_->version;
  }
  auto found = co_await impl_->identify(ctx, credentials);
  if (!found) {
    if (required || found.error().code != Code::kUnauthenticated)
      co_return std::unexpected(std::move(found).error());
    auto nobody = std::make_shared<Identity>();
    nobody->caller.role = "anonymous";
    CO_TRY(nobody->rights, co_await impl_->rights(ctx, {"anonymous"}));
    co_return std::shared_ptr<const Identity>(std::move(nobody));
  }
  // A renewed token is told once; with the old token the next request asks again.
  if (!(*found)->renewed_token.empty()) co_return *found;
  std::unique_lock lock(impl_->mutex);
  if (impl_->version == version) {
    if (impl_->identities.size() > 10'000) impl_->identities.clear();
    impl_->identities[identity_key(credentials)] = {*found,
                                                    runtime::Clock::now() + impl_->cache_life()};
  }
  co_return *found;
}

}  // namespace halcyon::access
