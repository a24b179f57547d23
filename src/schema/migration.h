// From one snapshot to the next: which DDL, may it be done on the data that is there, doing it.
//
//   TRY(auto steps, plan_steps(before, after));            // pure
//   CO_TRY_STATUS(co_await check_steps(tx, ctx, steps));   // reads only; refuses with a reason
//   for (const Step& step : steps) CO_TRY_STATUS(co_await run_step(tx, ctx, step));
//
// Steps that lose data come last, so that everything before them can be undone (`inverse`) where
// the database cannot roll DDL back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schema/model.h"
#include "sql/database.h"
#include "sql/ddl.h"

namespace halcyon::schema {

enum class StepKind {
  kCreateTable,
  kDropTable,
  kAddColumn,
  kCopyColumn,   // converts the values of `from` into the new column `to`
  kFillSort,     // numbers the rows that were there before the sort field
  kFillFormula,  // works `new_field` out for every row of `owner`
  kFillTree,     // works out the paths of the rows of `tree`: key column `from`, parent column `to`
  kDropColumn,
  kRenameColumn,
  kAlterColumn,  // wider type, nullability, default: nothing to convert
  kCreateIndex,
  kDropIndex,
};

struct Step {
  StepKind kind = StepKind::kCreateTable;
  std::string collection, field;              // for messages
  sql::TableSpec table;                       // as it is after the step
  sql::ColumnSpec from, to;                   // add, drop: `to`, `from`; rename: names
  sql::IndexSpec index;                       // create, drop
  sql::TableSpec tree;                        // fill tree
  std::shared_ptr<const Collection> owner;    // fill formula
  std::optional<Field> old_field, new_field;  // copy, fill
  bool destructive = false;                   // cannot be undone
  bool must_be_empty = false;                 // drop table before it is made anew with another key
};

sql::TableSpec table_spec(const Collection& collection);
// The value the database itself puts into rows without one; nullopt: none or not a plain value.
std::optional<sql::Value> column_default(const Field& field);

// Fields of one collection are the same when they have the same key, or else the same column.
Result<std::vector<Step>> plan_steps(const Snapshot& before, const Snapshot& after);
Task<Status> fill_formula(sql::Executor& db, const Context& ctx, const Step& step);
// Works out the path table `paths` anew; nullopt: it belongs to no tree of the model.
std::optional<Step> tree_fill_step(const Snapshot& model, const Collection& paths);
// Do as many rows have a path as there are rows?
Task<Result<bool>> has_all_tree_paths(sql::Executor& db, const Context& ctx, const Step& fill);
Task<Status> fill_tree_paths(sql::Executor& db, const Context& ctx, const Step& fill);

// Steps that make the real table fit the collection: only additions. `info` nullopt: no table yet.
std::vector<Step> plan_reconcile(const Collection& collection,
                                 const std::optional<sql::TableInfo>& info);

Task<Status> check_steps(sql::Executor& db, const Context& ctx, const std::vector<Step>& steps);
// `repairing`: the step may have been done already; look first.
Task<Status> run_step(sql::Executor& db, const Context& ctx, Step step, bool repairing = false);
std::optional<Step> inverse(const Step& step);

}  // namespace halcyon::schema
