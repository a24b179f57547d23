// What follows from changes of access' own records: caches are dropped, new users get a role, and
// some records may not go (reference E.2 to E.4).
#include "access/impl_internal.h"

#include <algorithm>

namespace halcyon::access {
namespace {

constexpr const char* kTopic = "access";
constexpr size_t kMostUsers = 1000;  // more than that are everybody

bool rights_rest_on(std::string_view collection) {
  for (std::string_view name :
       {"users", "roles", "rolesUsers", "dataSourcesRoles", "dataSourcesRolesResources",
        "dataSourcesRolesResourcesActions", "dataSourcesRolesResourcesScopes", "tokenBlacklist",
        "tokenControlConfig", "systemSettings", "apiKeys"}) {
    if (collection == name) return true;
  }
  return false;
}

std::unexpected<Error> fixed(std::string message) {
  return fail(Code::kPermissionDenied, "PROTECTED_RECORD", std::move(message));
}

bool is_key(const json::Value& key, std::string_view text) {
  return key.is_string() && json::as_view(key) == text;
}

}  // namespace

Task<Status> Access::Impl::in_transaction(const data::Call& call, sql::Transaction& tx,
                                          const data::Change& change) {
  const std::string& name = change.collection->name;
  const bool destroys = change.kind == data::Change::Kind::kDestroy;
  if (destroys && name == "users" && change.key == json::Value(1)) {
    co_return fixed("The first user cannot be deleted.");
  }
  if (destroys && name == "roles" &&
      (is_key(change.key, "root") || is_key(change.key, "admin") || is_key(change.key, "member"))) {
    co_return fixed("The built-in roles cannot be deleted.");
  }
  if (destroys && name == "dataSources" && is_key(change.key, "main")) {
    co_return fixed("The main data source cannot be deleted.");
  }
  if (change.kind == data::Change::Kind::kCreate && name == "users") {
    co_return co_await give_default_role(call, tx, change.key);
  }
  co_return Status{};
}

// A user made without roles gets the default one.
Task<Status> Access::Impl::give_default_role(const data::Call& call, sql::Transaction& tx,
                                             const json::Value& user) {
  const data::Call mine = store.call(call.ctx, &tx);
  data::Target links;
  links.collection = mine.model->find("rolesUsers");
  data::Params params;
  params.filter = json::Object{{"userId", user}};
  params.paginate = false;
  CO_TRY(data::Answer present, co_await data::list(mine, links, std::move(params)));
  if (present.data != "[]") co_return Status{};
  CO_TRY(auto role, co_await store.find_one({call.ctx, &tx}, "roles",
                                            Store::Query(json::Object{{"default", true}})));
  if (!role) co_return Status{};
  json::Object link{
      {"userId", user}, {"roleName", json::get_string(*role, "name")}, {"default", true}};
  CO_TRY(auto made, co_await store.create({call.ctx, &tx}, "rolesUsers", std::move(link)));
  co_return Status{};
}

// Most changes concern one user: a session that ends, a role given. Else everybody with a session
// would have to be looked at again each time.
Task<Result<Access::Impl::Concerned>> Access::Impl::concerned(const data::Call& call,
                                                              sql::Transaction& tx,
                                                              const data::Change& change) {
  const std::string& name = change.collection->name;
  if (!rights_rest_on(name)) co_return Concerned::nobody();
  const auto user_in = [&](const char* field) -> Concerned {
    const json::Value* id = json::find(change.record, field);
    if (id == nullptr || !id->is_int64()) return Concerned::all();
    return Concerned::only({id->get_int64()});
  };
  const bool creates = change.kind == data::Change::Kind::kCreate;
  const bool updates = change.kind == data::Change::Kind::kUpdate;
  if (name == "users" && change.key.is_int64()) {
    co_return Concerned::only({change.key.get_int64()});
  }
  if (name == "rolesUsers" && !updates) co_return user_in("userId");
  if (name == "apiKeys" && !updates) {
    co_return creates ? Concerned::nobody() : user_in("createdById");
  }
  if (name != "tokenBlacklist" || !creates) co_return Concerned::all();
  // The id of a session, or a whole API key.
  const std::string token = json::get_string(change.record, "token");
  if (auto claims = verify_token(token, settings.jwt_secret)) {
    co_return Concerned::only({claims->user_id});
  }
  if (token.size() != 36) co_return Concerned::all();
  CO_TRY(auto rows, co_await store.columns({call.ctx, &tx}, "issuedTokens", {"userId"},
                                           {{"jti", sql::Value(token, sql::Type::kUuid)}}));
  const auto user = rows.empty() || !rows[0][0] ? std::nullopt : to_int64(*rows[0][0]);
  co_return user ? Concerned::only({*user}) : Concerned::all();
}

Task<Status> Access::Impl::before_commit(const data::Call& call, sql::Transaction& tx,
                                         const std::vector<data::Change>& changes) {
  Concerned all = Concerned::nobody();
  for (const data::Change& change : changes) {
    CO_TRY(Concerned some, co_await concerned(call, tx, change));
    all.everybody = all.everybody || some.everybody;
    if (all.everybody) break;
    for (const int64_t user : some.users) {
      if (std::ranges::find(all.users, user) == all.users.end()) all.users.push_back(user);
    }
  }
  if (!all.everybody && all.users.empty()) co_return Status{};
  if (all.users.size() > kMostUsers) all = Concerned::all();
  co_return co_await changed(call.ctx, &tx, std::move(all));
}

void Access::Impl::committed(const std::vector<data::Change>&) {}

Task<Status> Access::Impl::changed(const Context& ctx, sql::Transaction* tx, Concerned whom) {
  json::Object payload;
  if (!whom.everybody) payload["users"] = json::Array(whom.users.begin(), whom.users.end());
  if (tx == nullptr) {
    forget(whom);
    if (bus == nullptr) co_return Status{};
    co_return co_await bus->publish(ctx, kTopic, std::move(payload), cluster::Delivery::kConfirmed);
  }
  tx->on_commit([this, whom = std::move(whom)] { forget(whom); });
  if (bus == nullptr) co_return Status{};
  co_return co_await bus->publish(ctx, *tx, kTopic, std::move(payload),
                                  cluster::Delivery::kConfirmed);
}

std::optional<std::vector<int64_t>> Access::concerned_users(const cluster::Message& message) {
  if (message.missed || !message.payload.is_object()) return std::nullopt;
  const json::Array* list = json::get_array(message.payload.get_object(), "users");
  if (list == nullptr) return std::nullopt;
  std::vector<int64_t> users;
  for (const json::Value& user : *list) {
    if (!user.is_int64()) return std::nullopt;
    users.push_back(user.get_int64());
  }
  return users;
}

void Access::join(cluster::Bus& bus) {
  impl_->bus = &bus;
  bus.subscribe(kTopic, [impl = impl_.get()](const cluster::Message& message) -> Task<Status> {
    const auto users = concerned_users(message);
    impl->forget(users ? Impl::Concerned::only(*users) : Impl::Concerned::all());
    co_return Status{};
  });
}

void Access::forget() { impl_->forget(); }

}  // namespace halcyon::access
