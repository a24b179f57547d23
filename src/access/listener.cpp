// What follows from changes of access' own records: caches are dropped, new users get a role, and
// some records may not go (reference E.2 to E.4).
#include "access/impl_internal.h"

#include <algorithm>

namespace halcyon::access {
namespace {

constexpr const char* kTopic = "access";

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

Task<Status> Access::Impl::before_commit(const data::Call& call, sql::Transaction& tx,
                                         const std::vector<data::Change>& changes) {
  const bool matters = std::ranges::any_of(
      changes, [](const data::Change& change) { return rights_rest_on(change.collection->name); });
  if (matters) co_return co_await changed(call.ctx, &tx);
  co_return Status{};
}

void Access::Impl::committed(const std::vector<data::Change>&) {}

Task<Status> Access::Impl::changed(const Context& ctx, sql::Transaction* tx) {
  if (tx == nullptr) {
    forget();
    if (bus == nullptr) co_return Status{};
    co_return co_await bus->publish(ctx, kTopic, json::Object{}, cluster::Delivery::kConfirmed);
  }
  tx->on_commit([this] { forget(); });
  if (bus == nullptr) co_return Status{};
  co_return co_await bus->publish(ctx, *tx, kTopic, json::Object{}, cluster::Delivery::kConfirmed);
}

void Access::join(cluster::Bus& bus) {
  impl_->bus = &bus;
  bus.subscribe(kTopic, [impl = impl_.get()](const cluster::Message&) -> Task<Status> {
    impl->forget();
    co_return Status{};
  });
}

void Access::forget() { impl_->forget(); }

}  // namespace halcyon::access
