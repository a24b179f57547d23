// Sign-in, sign-up, sign-out, passwords; seeding of the first accounts (reference F.1).
#include <algorithm>

#include "access/impl_internal.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"

namespace halcyon::access {
namespace {

std::unexpected<Error> bad_field(std::string id, std::string message, std::string field) {
  return fail(Error(Code::kInvalidArgument, std::move(id), std::move(message))
                  .with_field(std::move(field)));
}

// Reference F.1: 1 to 50 characters, none of @ < > " ' /.
bool is_username(std::string_view name) {
  return !name.empty() && name.size() <= 50 &&
         name.find_first_of("@<>\"'/") == std::string_view::npos;
}

json::Object seed_role(std::string_view name, std::string_view title, json::Array snippets,
                       json::Array actions) {
  return {{"name", name},
          {"title", title},
          {"snippets", std::move(snippets)},
          {"strategy", json::Object{{"actions", std::move(actions)}}},
          {"hidden", name == "root"},
          {"default", name == "member"},
          {"allowConfigure", name != "member"},
          {"allowNewMenu", name != "member"}};
}

}  // namespace

Access::Access(sql::Database& db, schema::Catalog& catalog, data::Writer& writer,
               runtime::BlockingPool& hashing, Settings settings)
    : impl_(std::make_unique<Impl>(db, catalog, writer, hashing, std::move(settings))) {
  Impl* impl = impl_.get();
  catalog.on_change([impl](const Context& ctx, sql::Transaction& tx, const schema::Snapshot& before,
                           const schema::Snapshot& after) {
    return impl->model_changed(ctx, tx, before, after);
  });
}
Access::~Access() = default;
data::ChangeListener& Access::listener() { return *impl_; }

Task<Result<bool>> Access::Impl::password_matches(std::string password, std::string stored) {
  // A named callable: it outlives the suspension.
  auto work = [&password, &stored]() -> Result<bool> { return verify_password(password, stored); };
  co_return co_await hashing.run(std::move(work));
}

Task<Result<int64_t>> Access::Impl::user_with_password(const Context& ctx, std::string account,
                                                       std::string password) {
  std::optional<Store::Row> user;
  for (const char* name : {"username", "email"}) {
    if (user) break;
    CO_TRY(auto rows,
           co_await store.columns(ctx, "users", {"id", "password"}, {{name, sql::Value(account)}}));
    if (!rows.empty()) user = std::move(rows[0]);
  }
  // An unknown account costs as much time as a wrong password, so that accounts cannot be probed.
  static const std::string kNobody = hash_password("nobody").value_or("");
  CO_TRY(bool right, co_await password_matches(std::move(password),
                                               user && (*user)[1] ? *(*user)[1] : kNobody));
  if (!user || !right) {
    co_return fail(unauthenticated("INVALID_CREDENTIALS", "The account or the password is wrong."));
  }
  co_return to_int64(*(*user)[0]).value_or(0);
}

Task<Result<json::Value>> Access::sign_in(const Context& ctx, std::string authenticator,
                                          json::Object values) {
  if (authenticator.empty()) authenticator = "basic";
  CO_TRY(auto method, co_await impl_->store.find_one(
                          ctx, "authenticators",
                          Store::Query(json::Object{{"name", authenticator}, {"enabled", true}})));
  if (!method) {
    co_return fail(Code::kNotFound, "UNKNOWN_AUTHENTICATOR",
                   "There is no way to sign in called \"" + authenticator + "\".");
  }
  std::string account = json::get_string(values, "account");
  if (account.empty()) account = json::get_string(values, "email");
  if (account.empty()) account = json::get_string(values, "username");
  if (account.empty())
    co_return bad_field("MISSING_ACCOUNT", "Please enter your username or email.", "account");
  CO_TRY_STATUS(co_await impl_->limits.begin(ctx, account));
  CO_TRY(int64_t id,
         co_await impl_->user_with_password(ctx, account, json::get_string(values, "password")));
  CO_TRY_STATUS(co_await impl_->limits.succeeded(ctx, std::move(account)));
  CO_TRY(auto user,
         co_await impl_->store.find_one(ctx, "users", Store::Query(json::Object{{"id", id}})));
  if (!user)
    co_return fail(unauthenticated("NOT_EXIST_USER", "The account does not exist any more."));
  CO_TRY(json::Object session,
         co_await impl_->start_session(ctx, *std::move(user), std::move(authenticator)));
  co_return json::Value(std::move(session));
}

Task<Result<json::Value>> Access::sign_up(const Context& ctx, std::string authenticator,
                                          json::Object values, sql::Transaction* tx) {
  const Store::In in(ctx, tx);
  if (authenticator.empty()) authenticator = "basic";
  CO_TRY(auto method, co_await impl_->store.find_one(
                          in, "authenticators",
                          Store::Query(json::Object{{"name", authenticator}, {"enabled", true}})));
  const json::Object* options = method ? json::get_object(*method, "options") : nullptr;
  const json::Object* shown = options != nullptr ? json::get_object(*options, "public") : nullptr;
  if (shown == nullptr || !json::get_bool(*shown, "allowSignUp")) {
    co_return fail(Code::kPermissionDenied, "SIGN_UP_NOT_ALLOWED", "Signing up is not allowed.");
  }
  const std::string username = json::get_string(values, "username");
  const std::string email = json::get_string(values, "email");
  const std::string password = json::get_string(values, "password");
  if (username.empty() && email.empty())
    co_return bad_field("MISSING_ACCOUNT", "Please enter a username.", "username");
  if (!username.empty() && !is_username(username)) {
    co_return bad_field("INVALID_USERNAME",
                        "A username has 1 to 50 characters, none of @ < > \" ' /.", "username");
  }
  if (password.empty())
    co_return bad_field("MISSING_PASSWORD", "Please enter a password.", "password");
  if (password != json::get_string(values, "confirm_password", password)) {
    co_return bad_field("PASSWORD_MISMATCH", "The two passwords are not the same.",
                        "confirm_password");
  }
  // Only these: nobody signs up with a role of his choice.
  json::Object user{{"password", password}};
  for (const char* name : {"username", "email", "phone", "nickname"}) {
    if (const json::Value* value = json::find(values, name)) user[name] = *value;
  }
  CO_TRY(auto made, co_await impl_->store.create(in, "users", std::move(user)));
  co_return json::Value(nullptr);
}

Task<Status> Access::sign_out(const Context& ctx, const Identity& who, sql::Transaction* tx) {
  const Store::In in(ctx, tx);
  if (who.jti.empty()) co_return Status{};
  CO_TRY(Claims claims, verify_token(who.token, impl_->settings.jwt_secret));
  CO_TRY(auto blocked, co_await impl_->store.columns(in, "tokenBlacklist", {"id"},
                                                     {{"token", sql::Value(who.jti)}}));
  if (!blocked.empty()) co_return Status{};
  CO_TRY(auto made,
         co_await impl_->store.create(
             in, "tokenBlacklist",
             json::Object{{"token", who.jti}, {"expiration", claims.expires_at * 1000}}));
  co_return Status{};  // told by the listener of changed records
}

Task<Result<json::Value>> Access::check(const Context& ctx, const Identity& who) {
  json::Object user = who.caller.user;
  // The roles one may switch to: clients cannot ask for them without rights on roles.
  const data::Call all = impl_->store.call(ctx);
  data::Target target;
  target.collection = all.model->find("roles");
  data::Params params;
  params.filter = json::Object{{"users.id", who.caller.user_id.value_or(0)}};
  params.fields = {"name", "title"};
  params.sort = {"sort"};
  params.paginate = false;
  CO_TRY(data::Answer roles, co_await data::list(all, target, std::move(params)));
  CO_TRY(user["roles"], json::parse(roles.data));
  co_return json::Value(std::move(user));
}

Task<Result<json::Value>> Access::change_password(const Context& ctx, const Identity& who,
                                                  json::Object values, sql::Transaction* tx) {
  const Store::In in(ctx, tx);
  const std::string wanted = json::get_string(values, "newPassword");
  if (wanted.empty())
    co_return bad_field("MISSING_PASSWORD", "Please enter the new password.", "newPassword");
  if (wanted != json::get_string(values, "confirmPassword")) {
    co_return bad_field("PASSWORD_MISMATCH", "The two passwords are not the same.",
                        "confirmPassword");
  }
  const int64_t id = who.caller.user_id.value_or(0);
  CO_TRY(auto rows,
         co_await impl_->store.columns(in, "users", {"password"}, {{"id", sql::Value(id)}}));
  const std::string stored = rows.empty() || !rows[0][0] ? "" : *rows[0][0];
  CO_TRY(bool right,
         co_await impl_->password_matches(json::get_string(values, "oldPassword"), stored));
  if (!right) co_return bad_field("WRONG_PASSWORD", "The old password is wrong.", "oldPassword");
  CO_TRY_STATUS(co_await impl_->store.update(
      in, "users", json::Object{{"id", id}},
      json::Object{{"password", wanted}, {"passwordChangeTz", now_ms()}}));
  co_return json::Value(nullptr);
}

Task<Status> Access::install(const Context& ctx) {
  Store& store = impl_->store;
  auto ensure = [](Store& s, const Context& c, const char* collection, json::Object key,
                   json::Object row) -> Task<Status> {
    CO_TRY(auto found, co_await s.find_one(c, collection, Store::Query(key)));
    if (found) co_return Status{};
    auto made = co_await s.create(c, collection, std::move(row));
    // Another process may seed at the same time; its row is as good.
    if (!made && made.error().id != "UNIQUE_VIOLATION")
      co_return std::unexpected(std::move(made).error());
    co_return Status{};
  };
  const json::Array all{"create", "view", "update", "destroy"};
  for (json::Object role :
       {seed_role("root", "Root", {"ui.*", "pm", "pm.*"}, all),
        seed_role("admin", "Admin", {"ui.*", "pm", "pm.*"}, all),
        seed_role("member", "Member", {"!ui.*", "!pm", "!pm.*"}, {"view:own"})}) {
    json::Object key{{"name", role["name"]}};
    CO_TRY_STATUS(co_await ensure(store, ctx, "roles", std::move(key), std::move(role)));
  }
  CO_TRY_STATUS(co_await ensure(
      store, ctx, "authenticators", {{"name", "basic"}},
      {{"name", "basic"},
       {"authType", "Email/Password"},
       {"title", "Password"},
       {"enabled", true},
       {"options", json::Object{{"public", json::Object{{"allowSignUp", true}}}}}}));
  CO_TRY_STATUS(co_await ensure(store, ctx, "dataSources", {{"key", "main"}},
                                {{"key", "main"},
                                 {"displayName", "Main"},
                                 {"type", "main"},
                                 {"fixed", true},
                                 {"enabled", true}}));
  CO_TRY_STATUS(co_await ensure(store, ctx, "tokenControlConfig", {{"key", "token-policy-config"}},
                                {{"key", "token-policy-config"},
                                 {"config", json::Object{{"tokenExpirationTime", "1d"},
                                                         {"sessionExpirationTime", "7d"},
                                                         {"expiredTokenRenewLimit", "1d"}}}}));
  for (const char* key : {"all", "own"}) {
    const bool own = std::string_view(key) == "own";
    CO_TRY_STATUS(co_await ensure(store, ctx, "dataSourcesRolesResourcesScopes",
                                  {{"key", key}, {"dataSourceKey", "main"}},
                                  {{"key", key},
                                   {"dataSourceKey", "main"},
                                   {"name", own ? "Own records" : "All records"},
                                   {"scope", own ? own_scope() : json::Value(json::Object{})}}));
  }
  CO_TRY(auto users, co_await store.columns(ctx, "users", {"id"}, {}));
  if (!users.empty()) co_return Status{};
  const Settings& s = impl_->settings;
  co_return co_await create_or_reset_admin(ctx, s.root_username, s.root_email, s.root_password);
}

Task<Status> Access::create_or_reset_admin(const Context& ctx, std::string username,
                                           std::string email, std::string password) {
  Store& store = impl_->store;
  CO_TRY(auto rows,
         co_await store.columns(ctx, "users", {"id"}, {{"username", sql::Value(username)}}));
  if (!rows.empty() && rows[0][0]) {
    const int64_t id = to_int64(*rows[0][0]).value_or(0);
    CO_TRY_STATUS(co_await store.update(
        ctx, "users", json::Object{{"id", id}},
        json::Object{{"password", password}, {"passwordChangeTz", now_ms()}}));
    for (const std::string& account : {username, email}) {
      if (!account.empty()) CO_TRY_STATUS(co_await impl_->limits.clear(ctx, account));
    }
    impl_->forget();
    co_return Status{};
  }
  json::Object user{
      {"username", username},
      {"nickname",
       impl_->settings.root_nickname.empty() ? username : impl_->settings.root_nickname},
      {"password", password},
      {"roles", {"root", "admin", "member"}}};
  if (!email.empty()) user["email"] = email;
  auto made = co_await store.create(ctx, "users", std::move(user));
  if (!made && made.error().id == "UNIQUE_VIOLATION")
    co_return Status{};  // another process seeded it
  if (!made) co_return std::unexpected(std::move(made).error());
  CO_TRY(int64_t changed,
         co_await store.set_columns(ctx, "rolesUsers", {{"default", sql::Value(true)}},
                                    {{"userId", sql::Value(json::get_int(*made, "id"))},
                                     {"roleName", sql::Value("root")}}));
  (void)changed;
  co_return Status{};
}

}  // namespace halcyon::access
