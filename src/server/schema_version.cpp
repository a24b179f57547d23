#include "server/schema_version.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "sql/ddl.h"

namespace halcyon::server {

namespace {

constexpr int kSchemaVersion = 5;

using sql::Migration;
using sql::MigrationStep;
using Phase = sql::MigrationPhase;

Task<Status> run_all(MigrationStep& step, std::vector<std::string> texts) {
  for (std::string& text : texts) {
    sql::Statement statement;
    statement.text = std::move(text);
    statement.is_write = true;
    statement.is_slow = true;
    CO_TRY(sql::Rows rows, co_await step.db.run(step.ctx, std::move(statement)));
  }
  co_return Status{};
}

struct Scopes {
  const schema::Collection& scopes;
  const schema::Collection& actions;
  const std::string &id, &key, &source, &scope_id;

  explicit Scopes(const schema::Snapshot& model)
      : scopes(*model.find("dataSourcesRolesResourcesScopes")),
        actions(*model.find("dataSourcesRolesResourcesActions")),
        id(scopes.find("id")->column),
        key(scopes.find("key")->column),
        source(scopes.find("dataSourceKey")->column),
        scope_id(actions.find("scopeId")->column) {}
};

// The later rows of one key give way to the first.
Task<Status> merge_scopes(MigrationStep& step, const Scopes& names, std::string key,
                          std::string source, int64_t first) {
  sql::Select later;
  later.from = names.scopes.table_ref("s");
  later.columns = {{sql::column("s", names.id), "id"}};
  later.where = sql::all_of(
      {sql::eq(sql::column("s", names.key), sql::param(sql::Value(key))),
       sql::eq(sql::column("s", names.source), sql::param(sql::Value(source))),
       sql::negate(sql::eq(sql::column("s", names.id), sql::param(sql::Value(first))))});
  CO_TRY(sql::Rows rows, co_await step.db.run(step.ctx, render(later, step.db.dialect())));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t gone = to_int64(rows.cell(i, 0).text()).value_or(0);
    sql::Update point;
    point.table = names.actions.table_ref("a");
    point.set = {{names.scope_id, sql::param(sql::Value(first))}};
    point.where = sql::eq(sql::column("", names.scope_id), sql::param(sql::Value(gone)));
    CO_TRY(sql::Rows moved, co_await step.db.run(step.ctx, render(point, step.db.dialect())));
    sql::Delete remove;
    remove.table = names.scopes.table_ref("s");
    remove.where = sql::eq(sql::column("", names.id), sql::param(sql::Value(gone)));
    CO_TRY(sql::Rows removed, co_await step.db.run(step.ctx, render(remove, step.db.dialect())));
    ++step.done;
  }
  co_return Status{};
}

// Processes that started at the same time on an empty database could each make the scopes "all"
// and "own": nothing but the look before kept them from it.
Task<Status> one_scope_of_each_key(MigrationStep& step,
                                   std::shared_ptr<const schema::Snapshot> model) {
  const Scopes names(*model);
  sql::Select twice;
  twice.from = names.scopes.table_ref("s");
  const sql::Expr key = sql::column("s", names.key), source = sql::column("s", names.source);
  twice.columns = {{key, "key"},
                   {source, "source"},
                   {sql::call(sql::Fn::kMin, {sql::column("s", names.id)}), "first"}};
  twice.where = sql::any_of(
      {sql::eq(key, sql::param(sql::Value("all"))), sql::eq(key, sql::param(sql::Value("own")))});
  twice.group_by = {key, source};
  twice.having =
      sql::binary(sql::BinaryOp::kGt, sql::call(sql::Fn::kCount), sql::param(sql::Value(1)));
  CO_TRY(sql::Rows rows, co_await step.db.run(step.ctx, render(twice, step.db.dialect())));
  for (size_t i = 0; i < rows.size(); ++i) {
    CO_TRY_STATUS(co_await merge_scopes(step, names, std::string(rows.cell(i, 0).text()),
                                        std::string(rows.cell(i, 1).text()),
                                        to_int64(rows.cell(i, 2).text()).value_or(0)));
  }
  co_return Status{};
}

// The unique index on collection and name serves the same look-ups.
Task<Status> drop_index_of_fields(MigrationStep& step,
                                  std::shared_ptr<const schema::Snapshot> model) {
  const schema::Collection& fields = *model->find("fields");
  const std::string& column = fields.find("collectionName")->column;
  CO_TRY(auto info,
         co_await sql::describe_table(step.db, step.ctx, fields.table_schema, fields.table));
  if (!info) co_return Status{};
  sql::TableSpec table;
  table.schema = fields.table_schema;
  table.name = fields.table;
  for (const sql::IndexSpec& index : info->indexes) {
    if (index.unique || index.columns != std::vector<std::string>{column}) continue;
    CO_TRY_STATUS(co_await run_all(step, sql::drop_index(table, index.name, step.db.dialect())));
  }
  co_return Status{};
}

}  // namespace

[[gnu::weak]] int schema_version_limit() { return std::numeric_limits<int>::max(); }

int schema_version() { return std::min(kSchemaVersion, schema_version_limit()); }

std::vector<Migration> migrations(const MigrationParts& parts) {
  schema::Catalog* catalog = &parts.catalog;
  auto alone = [](auto seed) { return [seed](MigrationStep& step) { return seed(step.ctx); }; };
  std::vector<Migration> list{
      {1, "first roles, sign-in and account", Phase::kExpand, alone(parts.seed_accounts), false},
      {2, "first settings", Phase::kExpand, alone(parts.seed_settings), false},
      {3, "one scope of each key", Phase::kExpand,
       [catalog](MigrationStep& step) { return one_scope_of_each_key(step, catalog->snapshot()); }},
      {4, "drop the index of fields by collection", Phase::kContract,
       [catalog](MigrationStep& step) { return drop_index_of_fields(step, catalog->snapshot()); }},
      {5, "menu and pages", Phase::kExpand,
       [](MigrationStep&) -> Task<Status> { co_return Status{}; }},
  };
  std::erase_if(list, [](const Migration& m) { return m.number > schema_version_limit(); });
  return list;
}

}  // namespace halcyon::server
