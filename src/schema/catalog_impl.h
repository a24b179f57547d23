// The inside of Catalog. Private to schema: catalog.cpp has the machinery of changes,
// catalog_collections.cpp, catalog_fields.cpp and catalog_views.cpp what each change means.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "schema/build.h"
#include "schema/catalog.h"
#include "schema/migration.h"
#include "schema/store.h"

namespace halcyon::schema {

// One generation of the model, loaded.
struct Loaded {
  StoredModel stored;
  std::shared_ptr<const Snapshot> snapshot;
  std::set<std::string> problems;  // messages; known ones do not stop later changes
};

// A change while it is being made: edit `model`; `before` is the model it starts from.
struct Edit {
  StoredModel& model;
  const Snapshot& before;
  const Settings& settings;
  const std::vector<json::Object>& builtin;

  Build build() const { return build_snapshot(settings, merge(builtin, model)); }
  const json::Object* builtin_field(std::string_view collection, std::string_view field) const;
};
using Mutation = std::function<Status(Edit&)>;

struct Catalog::Impl {
  Impl(sql::Database& database, Settings settings_in, std::vector<json::Object> builtin_in,
       int schema_version_in);

  sql::Database& db;
  Settings settings;
  const int schema_version;
  std::vector<json::Object> builtin;
  Store store;
  std::vector<ChangeHook> hooks;
  RestoreHook restore;

  mutable std::mutex mutex;
  std::shared_ptr<const Loaded> loaded;  // guarded by mutex

  std::shared_ptr<const Loaded> current() const {
    const std::scoped_lock lock(mutex);
    return loaded;
  }
  void publish(std::shared_ptr<const Loaded> now);

  // Makes the change, in `unit` or as one of its own; the model with it. `mutation` may run more
  // than once.
  Task<Result<std::shared_ptr<const Snapshot>>> change(const Context& ctx, Mutation mutation,
                                                       Unit* unit);
  Task<Status> in_unit(const Context& ctx, UnitBody body);

  Task<Status> install(const Context& ctx);
  Task<Result<bool>> is_installed(const Context& ctx);
  Task<Status> refresh(const Context& ctx);

 private:
  std::string fingerprint() const;
  bool fits(const State& state) const;
  std::shared_ptr<const Loaded> make_loaded(StoredModel stored, uint64_t generation) const;
  Task<Result<std::shared_ptr<const Loaded>>> load(sql::Executor& tx, const Context& ctx,
                                                   uint64_t generation) const;
  Task<Result<std::shared_ptr<const Loaded>>> base_of(sql::Executor& tx, const Context& ctx,
                                                      uint64_t generation) const;
  // The new model, checked; nullptr when nothing changes.
  Result<std::shared_ptr<const Loaded>> apply(const Loaded& before, const Mutation& mutation,
                                              uint64_t generation) const;

  // The rows of the new model and what hangs on them.
  Task<Status> save(const Context& ctx, sql::Transaction& tx, const Loaded& before,
                    const Loaded& after) const;
  Task<Status> change_in_transaction(const Context& ctx, Unit& unit, const Mutation& mutation);
  Task<Status> unit_attempt(sql::Transaction& tx, const UnitBody& body);

  // Without transactional DDL: under the lease, with a journal.
  Task<Status> plan_change(const Context& ctx, Unit& unit, const Mutation& mutation);
  Task<Status> with_lease(const Context& ctx, std::function<Task<Status>()> body);
  Task<Status> unit_in_steps(const Context& ctx, const UnitBody& body);
  Task<Status> run_journalled(const Context& ctx, const std::vector<Step>& steps);
  Task<Status> undo(const Context& ctx, const std::vector<Step>& steps, int64_t done);
  using Last = std::function<Task<Status>(sql::Transaction&)>;
  Task<Status> finish_journal(const Context& ctx, const Loaded& before, const Loaded& after,
                              const Last& last);
  Task<Status> repair(const Context& ctx);

  Task<Status> reconcile(sql::Executor& db_or_tx, const Context& ctx, const Snapshot& model,
                         bool only_meta);
  Task<Status> install_attempt(sql::Executor& db_or_tx, const Context& ctx, State state,
                               std::shared_ptr<const Loaded>& made);
};

std::unexpected<Error> collection_not_found(std::string_view name);
std::unexpected<Error> field_not_found(std::string_view collection, std::string_view name);

// Edits shared by the changes of collections and of fields (catalog_fields.cpp).
Status add_field(Edit& edit, const std::string& collection, json::Object definition);
Status edit_field(Edit& edit, const std::string& collection, const std::string& name,
                  const json::Object& changes);
Status remove_field(Edit& edit, const std::string& collection, const std::string& name);
Status replace_fields(Edit& edit, const std::string& collection, const json::Array& fields);
Status upsert_fields(Edit& edit, const std::string& collection, const json::Array& fields);
// A copy of `names` with `source` at the place of `target` (or just after it, or first).
Result<std::vector<std::string>> moved(std::vector<std::string> names, const std::string& source,
                                       const std::string& target, const std::string& method);

// Takes out of a client's definition what only the server decides.
void drop_internal(json::Object& definition);
void drop_internal(json::Array& fields);

// Is this one SELECT that reads only? Error 400 INVALID_SQL.
Status check_select(std::string_view sql);

}  // namespace halcyon::schema
