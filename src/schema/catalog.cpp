// Catalog: loading, publishing, and the two ways a change is made safely (one transaction, or
// journalled steps where DDL ends transactions).
#include "schema/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/crypto.h"
#include "base/ids.h"
#include "runtime/io.h"
#include "schema/builtin.h"
#include "schema/catalog_impl.h"

namespace halcyon::schema {

namespace {

// Grows when the form of the state tables or of built-in tables changes in ways the definitions do
// not show.
constexpr int kFormat = 2;

std::vector<json::Object> with_meta(std::vector<json::Object> builtin, int schema_version) {
  std::vector<json::Object> all = meta_collections();
  for (auto& definition : builtin) all.push_back(std::move(definition));
  return definitions_at(std::move(all), schema_version);
}

}  // namespace

std::unexpected<Error> collection_not_found(std::string_view name) {
  return fail(Error(Code::kNotFound, "COLLECTION_NOT_FOUND",
                    fmt::format("There is no collection \"{}\".", name)));
}
std::unexpected<Error> field_not_found(std::string_view collection, std::string_view name) {
  return fail(Error(Code::kNotFound, "FIELD_NOT_FOUND",
                    fmt::format("Collection \"{}\" has no field \"{}\".", collection, name)));
}

const json::Object* Edit::builtin_field(std::string_view collection, std::string_view field) const {
  for (const json::Object& definition : builtin) {
    if (json::get_string(definition, "name") != collection) continue;
    const json::Array* fields = json::get_array(definition, "fields");
    if (fields == nullptr) continue;
    for (const auto& item : *fields) {
      if (json::get_string(item.as_object(), "name") == field) return &item.as_object();
    }
  }
  return nullptr;
}

Catalog::Impl::Impl(sql::Database& database, Settings settings_in,
                    std::vector<json::Object> builtin_in, int schema_version_in)
    : db(database),
      settings(std::move(settings_in)),
      schema_version(schema_version_in),
      builtin(with_meta(std::move(builtin_in), schema_version)),
      store(settings, uuid_v4()),
      loaded(make_loaded({}, 0)) {}

void Catalog::Impl::publish(std::shared_ptr<const Loaded> now) {
  const std::scoped_lock lock(mutex);
  // Two changes may end in the other order than they were committed.
  if (now->snapshot->generation >= loaded->snapshot->generation) loaded = std::move(now);
}

std::string Catalog::Impl::fingerprint() const {
  std::string text = fmt::format("{} {} {} {}\n", kFormat, settings.table_prefix,
                                 settings.underscored, settings.db_schema);
  for (const auto& definition : builtin) text += json::dump(definition) + "\n";
  return sha256_hex(text);
}

// A later version has added what this one does not know and taken away nothing that it needs
// (sql/migrations.h): its tables are left as they are.
bool Catalog::Impl::fits(const State& state) const {
  if (state.generation == 0) return false;
  return state.schema_version > schema_version ||
         (state.schema_version == schema_version && state.fingerprint == fingerprint());
}

Task<Result<bool>> Catalog::Impl::is_installed(const Context& ctx) {
  auto state = co_await store.read(db, ctx);
  if (!state && state.error().id == "UNKNOWN_TABLE_OR_COLUMN") co_return false;
  if (!state) co_return std::unexpected(std::move(state).error());
  if (!fits(*state)) co_return false;
  CO_TRY(auto journal, co_await store.read_journal(db, ctx));
  co_return !journal;
}

std::shared_ptr<const Loaded> Catalog::Impl::make_loaded(StoredModel stored,
                                                         uint64_t generation) const {
  auto made = std::make_shared<Loaded>();
  Build build = build_snapshot(settings, merge(builtin, stored));
  build.snapshot->generation = generation;
  made->stored = std::move(stored);
  made->snapshot = std::move(build.snapshot);
  for (const Error& error : build.problems) made->problems.insert(error.message);
  return made;
}

Task<Result<std::shared_ptr<const Loaded>>> Catalog::Impl::load(sql::Executor& tx,
                                                                const Context& ctx,
                                                                uint64_t generation) const {
  const auto known = current();
  CO_TRY(StoredModel stored, co_await Store::load(tx, ctx, *known->snapshot));
  co_return make_loaded(std::move(stored), generation);
}

Task<Result<std::shared_ptr<const Loaded>>> Catalog::Impl::base_of(sql::Executor& tx,
                                                                   const Context& ctx,
                                                                   uint64_t generation) const {
  auto known = current();
  if (known->snapshot->generation == generation && generation > 0) co_return known;
  co_return co_await load(tx, ctx, generation);
}

Result<std::shared_ptr<const Loaded>> Catalog::Impl::apply(const Loaded& before,
                                                           const Mutation& mutation,
                                                           uint64_t generation) const {
  StoredModel model = before.stored;
  Edit edit{model, *before.snapshot, settings, builtin};
  TRY_STATUS(mutation(edit));
  if (model.collections == before.stored.collections && model.fields == before.stored.fields) {
    return std::shared_ptr<const Loaded>();
  }
  Build build = edit.build();
  std::erase_if(build.problems,
                [&](const Error& error) { return before.problems.contains(error.message); });
  if (!build.problems.empty()) {
    Error first = build.problems.front();
    first.more.assign(build.problems.begin() + 1, build.problems.end());
    return std::unexpected(std::move(first));
  }
  return make_loaded(std::move(model), generation);
}

Task<Result<std::shared_ptr<const Snapshot>>> Catalog::Impl::change(const Context& ctx,
                                                                    Mutation mutation, Unit* unit) {
  const bool transactional = db.dialect().has_transactional_ddl();
  if (unit != nullptr) {
    if (transactional) {
      CO_TRY_STATUS(co_await change_in_transaction(ctx, *unit, mutation));
    } else {
      CO_TRY_STATUS(co_await plan_change(ctx, *unit, mutation));
    }
    co_return unit->now->snapshot;
  }
  std::shared_ptr<const Snapshot> model;
  UnitBody body = [&](Unit& own) -> Task<Status> {
    CO_TRY(model, co_await change(ctx, mutation, &own));
    co_return Status{};
  };
  CO_TRY_STATUS(co_await in_unit(ctx, body));
  co_return model;
}

Task<Status> Catalog::Impl::save(const Context& ctx, sql::Transaction& tx, const Loaded& before,
                                 const Loaded& after) const {
  CO_TRY_STATUS(co_await Store::save(tx, ctx, *after.snapshot, before.stored, after.stored));
  for (const ChangeHook& hook : hooks) {
    CO_TRY_STATUS(co_await hook(ctx, tx, *before.snapshot, *after.snapshot));
  }
  co_return Status{};
}

Task<Status> Catalog::Impl::in_unit(const Context& ctx, UnitBody body) {
  if (!db.dialect().has_transactional_ddl()) co_return co_await unit_in_steps(ctx, body);
  sql::Database::Body attempt = [&](sql::Transaction& tx) { return unit_attempt(tx, body); };
  co_return co_await db.in_transaction(ctx, attempt);
}

Task<Status> Catalog::Impl::unit_attempt(sql::Transaction& tx, const UnitBody& body) {
  Unit unit;
  unit.tx = &tx;
  CO_TRY_STATUS(co_await body(unit));
  if (unit.last) CO_TRY_STATUS(co_await unit.last(tx));
  if (unit.now) tx.on_commit([this, now = unit.now] { publish(now); });
  co_return Status{};
}

Task<Status> Catalog::Impl::change_in_transaction(const Context& ctx, Unit& unit,
                                                  const Mutation& mutation) {
  sql::Transaction& tx = *unit.tx;
  CO_TRY(State state, co_await store.lock(tx, ctx));
  CO_TRY_STATUS(co_await sql::limit_lock_wait(tx, ctx));
  if (!unit.now) {
    CO_TRY(unit.base, co_await base_of(tx, ctx, state.generation));
    unit.now = unit.base;
  }
  const auto before = unit.now;
  CO_TRY(auto after, apply(*before, mutation, state.generation + 1));
  if (!after) co_return Status{};
  CO_TRY(auto steps, plan_steps(*before->snapshot, *after->snapshot));
  CO_TRY_STATUS(co_await check_steps(tx, ctx, steps));
  for (Step& step : steps) CO_TRY_STATUS(co_await run_step(tx, ctx, std::move(step)));
  CO_TRY_STATUS(co_await save(ctx, tx, *before, *after));
  ++state.generation;
  CO_TRY_STATUS(co_await store.write(tx, ctx, state));
  unit.now = std::move(after);
  co_return Status{};
}

Task<Status> Catalog::Impl::install(const Context& ctx) {
  CO_TRY_STATUS(co_await store.create_tables(db, ctx));
  CO_TRY(State state, co_await store.read(db, ctx));
  if (fits(state)) {
    CO_TRY(auto journal, co_await store.read_journal(db, ctx));
    if (!journal) co_return co_await refresh(ctx);
  }
  std::shared_ptr<const Loaded> made;
  if (db.dialect().has_transactional_ddl()) {
    sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
      made.reset();
      CO_TRY(State locked, co_await store.lock(tx, ctx));
      CO_TRY_STATUS(co_await sql::limit_lock_wait(tx, ctx));
      co_return co_await install_attempt(tx, ctx, std::move(locked), made);
    };
    CO_TRY_STATUS(co_await db.in_transaction(ctx, body));
  } else {
    std::function<Task<Status>()> body = [&]() -> Task<Status> {
      CO_TRY(State now, co_await store.read(db, ctx));
      co_return co_await install_attempt(db, ctx, std::move(now), made);
    };
    CO_TRY_STATUS(co_await with_lease(ctx, body));
  }
  if (made) publish(std::move(made));
  co_return Status{};
}

Task<Status> Catalog::Impl::install_attempt(sql::Executor& tx, const Context& ctx, State state,
                                            std::shared_ptr<const Loaded>& made) {
  const auto bare = make_loaded({}, 0);
  const bool done = fits(state);
  if (!done) CO_TRY_STATUS(co_await reconcile(tx, ctx, *bare->snapshot, true));
  // Members that have loaded the model go on with it: what was added is not in their definitions.
  const uint64_t generation = state.generation + (state.generation == 0 ? 1 : 0);
  CO_TRY(made, co_await load(tx, ctx, generation));
  if (done) co_return Status{};
  CO_TRY_STATUS(co_await reconcile(tx, ctx, *made->snapshot, false));
  state.generation = generation;
  state.fingerprint = fingerprint();
  state.schema_version = schema_version;
  co_return co_await store.write(tx, ctx, std::move(state));
}

// Adds what the tables lack. `only_meta`: the tables the model itself is read from.
Task<Status> Catalog::Impl::reconcile(sql::Executor& tx, const Context& ctx, const Snapshot& model,
                                      bool only_meta) {
  CO_TRY(auto known, co_await sql::list_tables(tx, ctx, settings.db_schema, false));
  const std::set<std::string> tables(known.begin(), known.end());
  for (const auto& [name, collection] : model.collections) {
    if (only_meta && name != "collections" && name != "fields") continue;
    if (collection->is_view || collection->is_sql) continue;
    std::optional<sql::TableInfo> info;
    if (tables.contains(collection->table) || collection->table_schema != settings.db_schema) {
      CO_TRY(info,
             co_await sql::describe_table(tx, ctx, collection->table_schema, collection->table));
    }
    for (Step& step : plan_reconcile(*collection, info)) {
      CO_TRY_STATUS(co_await run_step(tx, ctx, std::move(step)));
    }
  }
  for (const auto& [name, collection] : model.collections) {
    auto fill = only_meta ? std::nullopt : tree_fill_step(model, *collection);
    if (!fill) continue;
    CO_TRY(const bool whole, co_await has_all_tree_paths(tx, ctx, *fill));
    if (!whole) CO_TRY_STATUS(co_await run_step(tx, ctx, *std::move(fill)));
  }
  co_return Status{};
}

Task<Status> Catalog::Impl::refresh(const Context& ctx) {
  CO_TRY(State state, co_await store.read(db, ctx));
  if (current()->snapshot->generation == state.generation) co_return Status{};
  // Each statement sees what is committed by then, so a change may come between two of them: the
  // rows are of one generation when it is the same before and after.
  std::shared_ptr<const Loaded> made;
  sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
    CO_TRY(State now, co_await store.read(tx, ctx));
    for (;;) {
      CO_TRY(made, co_await load(tx, ctx, now.generation));
      CO_TRY(State still, co_await store.read(tx, ctx));
      if (still.generation == now.generation) co_return Status{};
      now = std::move(still);
    }
  };
  CO_TRY_STATUS(co_await db.in_transaction(ctx, body));
  publish(std::move(made));
  co_return Status{};
}

Catalog::Catalog(sql::Database& db, Settings settings, std::vector<json::Object> builtin,
                 int schema_version)
    : impl_(std::make_unique<Impl>(db, std::move(settings), std::move(builtin), schema_version)) {}
Catalog::~Catalog() = default;

void Catalog::on_change(ChangeHook hook) { impl_->hooks.push_back(std::move(hook)); }
void Catalog::on_restore(RestoreHook hook) { impl_->restore = std::move(hook); }

Task<Status> Catalog::install(const Context& ctx) { return impl_->install(ctx); }
Task<Result<bool>> Catalog::is_installed(const Context& ctx) { return impl_->is_installed(ctx); }
Task<Status> Catalog::refresh(const Context& ctx) { return impl_->refresh(ctx); }
Task<Status> Catalog::in_unit(const Context& ctx, UnitBody body) {
  return impl_->in_unit(ctx, std::move(body));
}

std::shared_ptr<const Snapshot> Catalog::snapshot() const { return impl_->current()->snapshot; }

}  // namespace halcyon::schema
