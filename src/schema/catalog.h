// The catalogue: loads the model from the meta tables, changes it with real DDL, hands out
// snapshots.
//
//   Catalog catalog(db, settings, builtin_definitions);
//   CO_TRY_STATUS(co_await catalog.install(ctx));   // makes meta and built-in tables, loads
//   auto model = catalog.snapshot();
//   CO_TRY(json::Object made, co_await catalog.create_collection(ctx, definition));
//
// Every change: validates the whole of it first, does DDL and meta rows in one transaction where
// the dialect has transactional DDL (else journalled steps that `install` repairs), bumps the
// generation, publishes a new snapshot, and only then returns. Errors name collection and field.
// Thread rule: snapshot() from any thread; changes are serialised inside.
//
// A change may be part of a larger whole, with what the caller writes itself: see Unit.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "json/json.h"
#include "schema/model.h"
#include "schema/settings.h"
#include "sql/database.h"

namespace halcyon::schema {

struct Loaded;

// Changes of the model that take effect together with writes of the caller, or not at all.
//
//   co_await catalog.in_unit(ctx, [&](Unit& unit) -> Task<Status> {
//     CO_TRY(json::Object made, co_await catalog.create_collection(ctx, definition, &unit));
//     unit.last = [&](sql::Transaction& tx) -> Task<Status> { ...writes... };
//     co_return Status{};
//   });
//
// Where DDL is transactional all of it is one transaction. Elsewhere the changes are planned while
// the body runs and carried out afterwards, under the schema lock, in journalled steps; a
// transaction makes them final. A crash in between is repaired by the next change or start.
class Unit {
 public:
  // The transaction the body may write in; nullptr where DDL ends transactions.
  sql::Transaction* tx = nullptr;
  // Set by the body: called in the transaction that makes the changes final, before its COMMIT.
  std::function<Task<Status>(sql::Transaction&)> last;
  // What `last` writes, as text, for Catalog::Hooks::restore.
  std::string note;

 private:
  friend class Catalog;
  std::shared_ptr<const Loaded> base, now;  // before and after the changes so far
  bool changed() const { return now != base; }
};

class Catalog {
 public:
  // `builtin`: definitions in the form of collections:create ({name, fields:[...]}), from each
  // module. `schema_version` (sql/migrations.h): what older programs beside this one, and newer
  // ones, go by; the tables are fitted to the definitions of the newest.
  Catalog(sql::Database& db, Settings settings, std::vector<json::Object> builtin,
          int schema_version = std::numeric_limits<int>::max());
  ~Catalog();

  // Called inside the transaction that stores a changed model, so that what other modules keep
  // about collections and fields changes with it. An error undoes the change. Set before serving.
  using ChangeHook = std::function<Task<Status>(const Context& ctx, sql::Transaction& tx,
                                                const Snapshot& before, const Snapshot& after)>;
  void on_change(ChangeHook hook);
  // Where a change whose process died is finished: writes what Unit::note tells, in the transaction
  // that makes the change final.
  using RestoreHook = std::function<Task<Status>(const Context&, sql::Transaction&, std::string)>;
  void on_restore(RestoreHook hook);

  // Creates or upgrades the meta tables and the built-in collections' tables; loads the model.
  // Idempotent and safe to run from several processes at once.
  Task<Status> install(const Context& ctx);
  // True when `install` has nothing to make: the tables were fitted to these definitions, or to
  // those of a later version, which only adds.
  Task<Result<bool>> is_installed(const Context& ctx);
  // Re-reads the model when another process changed it. Cheap when nothing changed.
  Task<Status> refresh(const Context& ctx);

  std::shared_ptr<const Snapshot> snapshot() const;

  using UnitBody = std::function<Task<Status>(Unit&)>;
  // `body` may run more than once. Changes without a unit are one each.
  Task<Status> in_unit(const Context& ctx, UnitBody body);

  // collections:* (reference D.1, D.2). Results are the API form with `fields`.
  Task<Result<json::Object>> create_collection(const Context& ctx, json::Object definition,
                                               Unit* unit = nullptr);
  Task<Result<json::Object>> update_collection(const Context& ctx, std::string name,
                                               json::Object changes, Unit* unit = nullptr);
  Task<Status> destroy_collection(const Context& ctx, std::string name, bool cascade,
                                  Unit* unit = nullptr);
  Task<Status> set_fields(const Context& ctx, std::string name, json::Array fields,
                          Unit* unit = nullptr);
  Task<Result<json::Object>> apply_collection(const Context& ctx, json::Object definition,
                                              Unit* unit = nullptr);
  Task<Status> move_collection(const Context& ctx, std::string source, std::string target,
                               std::string method, Unit* unit = nullptr);

  // fields:* and collections/<name>/fields:*.
  Task<Result<json::Object>> create_field(const Context& ctx, std::string collection,
                                          json::Object definition, Unit* unit = nullptr);
  Task<Result<json::Object>> update_field(const Context& ctx, std::string collection,
                                          std::string name, json::Object changes,
                                          Unit* unit = nullptr);
  Task<Status> destroy_field(const Context& ctx, std::string collection, std::string name,
                             Unit* unit = nullptr);
  Task<Result<json::Object>> apply_field(const Context& ctx, std::string collection,
                                         json::Object definition, Unit* unit = nullptr);
  Task<Status> move_field(const Context& ctx, std::string collection, std::string source,
                          std::string target, std::string method, Unit* unit = nullptr);

  // Existing tables and views: dbViews:*, mainDataSource:refresh / syncFields, sqlCollection:*.
  Task<Result<json::Array>> refresh_main_data_source(
      const Context& ctx, Unit* unit = nullptr);  // adopts tables not yet known
  Task<Status> sync_fields(const Context& ctx, std::vector<std::string> collections,
                           Unit* unit = nullptr);
  Task<Result<json::Array>> list_views(const Context& ctx);
  Task<Result<json::Object>> get_view(const Context& ctx,
                                      std::string name);  // fields with guessed types
  Task<Result<json::Object>> execute_sql(const Context& ctx,
                                         std::string select);  // first rows and columns

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// API forms from a snapshot.
json::Object collection_json(const Collection& collection, bool with_fields);
json::Object field_json(const Field& field, const Collection& collection);

}  // namespace halcyon::schema
