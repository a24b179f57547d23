// The half of migration.h that talks to the database.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "schema/convert.h"
#include "schema/field_type.h"
#include "schema/migration.h"

namespace halcyon::schema {

namespace {

constexpr int64_t kBatch = 1000;

sql::TableRef table_of(const Step& step) {
  return sql::table(step.table.name, "t", step.table.schema);
}

Task<Result<int64_t>> count_rows(sql::Executor& db, const Context& ctx, sql::TableRef table,
                                 sql::Expr where) {
  sql::Select count;
  count.from = std::move(table);
  count.columns = {{sql::call(sql::Fn::kCount), "n"}};
  count.where = std::move(where);
  sql::Statement statement = render(count, db.dialect());
  statement.is_slow = true;
  CO_TRY(sql::Rows rows, co_await db.run(ctx, std::move(statement)));
  co_return to_int64(rows.cell(0, 0).text()).value_or(0);
}

std::unexpected<Error> refused(const Step& step, std::string id, std::string message) {
  return fail(Error(Code::kInvalidArgument, std::move(id),
                    fmt::format("Collection \"{}\": {}", step.collection, message))
                  .with_field(step.field));
}

// Calls `each` for every row that has a value in `column`: (key cells..., value cell).
using EachRow = std::function<Task<Status>(const sql::Rows& rows, size_t row)>;
Task<Status> for_each_value(sql::Executor& db, const Context& ctx, const Step& step,
                            std::string column, std::vector<std::string> order, EachRow each) {
  const std::vector<std::string>& keys = step.table.primary_key;
  std::optional<sql::Value> last;
  for (int64_t offset = 0;; offset += kBatch) {
    sql::Select select;
    select.from = table_of(step);
    for (const std::string& key : keys) select.columns.push_back({sql::column("t", key), key});
    select.columns.push_back({sql::column("t", column), "value__"});
    for (const std::string& key : order) {
      select.order_by.push_back({sql::column("t", key), false, sql::Nulls::kDefault});
    }
    // By key where that is one column; by offset for the rare rest.
    const bool by_key = order.size() == 1 && order == keys;
    if (by_key && last) {
      select.where = sql::binary(sql::BinaryOp::kGt, sql::column("t", keys[0]), sql::param(*last));
    } else if (!by_key) {
      select.offset = offset;
    }
    select.limit = kBatch;
    sql::Statement statement = render(select, db.dialect());
    statement.is_slow = true;
    CO_TRY(sql::Rows rows, co_await db.run(ctx, std::move(statement)));
    for (size_t row = 0; row < rows.size(); ++row) CO_TRY_STATUS(co_await each(rows, row));
    if (static_cast<int64_t>(rows.size()) < kBatch) co_return Status{};
    if (by_key) {
      const auto spec = std::ranges::find(step.table.columns, keys[0], &sql::ColumnSpec::name);
      const std::string_view text = rows.cell(rows.size() - 1, 0).text();
      const bool number =
          spec->type.type == sql::Type::kInt32 || spec->type.type == sql::Type::kInt64;
      last = number ? sql::Value(to_int64(text).value_or(0)) : sql::Value(text, spec->type.type);
    }
  }
}

sql::Expr key_is(const Step& step, const sql::Rows& rows, size_t row) {
  std::vector<sql::Expr> parts;
  for (size_t i = 0; i < step.table.primary_key.size(); ++i) {
    const std::string& key = step.table.primary_key[i];
    const auto spec = std::ranges::find(step.table.columns, key, &sql::ColumnSpec::name);
    const std::string_view text = rows.cell(row, i).text();
    const bool number =
        spec->type.type == sql::Type::kInt32 || spec->type.type == sql::Type::kInt64;
    parts.push_back(
        sql::eq(sql::column("", key), sql::param(number ? sql::Value(to_int64(text).value_or(0))
                                                        : sql::Value(text, spec->type.type))));
  }
  return sql::all_of(std::move(parts));
}

struct CopyCheck {
  int64_t total = 0, bad = 0;
  std::string reason;
};

Task<Status> check_copy(sql::Executor& db, const Context& ctx, const Step& step) {
  sql::TableRef table = table_of(step);
  if (step.table.primary_key.empty()) {
    CO_TRY(int64_t rows, co_await count_rows(db, ctx, table, nullptr));
    if (rows == 0) co_return Status{};
    co_return refused(step, "FIELD_TYPE_CHANGE_REFUSED",
                      fmt::format("the type of \"{}\" cannot change: the table has rows and no "
                                  "primary key.",
                                  step.field));
  }
  CopyCheck check;
  const size_t at = step.table.primary_key.size();
  EachRow each = [&check, &step, at](const sql::Rows& rows, size_t row) -> Task<Status> {
    const sql::Cell cell = rows.cell(row, at);
    if (!cell.is_null()) {
      ++check.total;
      auto value = convert_cell(*step.old_field, *step.new_field, cell);
      if (!value) {
        ++check.bad;
        if (check.reason.empty()) check.reason = value.error().expected;
      }
    }
    co_return Status{};
  };
  CO_TRY_STATUS(
      co_await for_each_value(db, ctx, step, step.from.name, step.table.primary_key, each));
  if (check.bad == 0) co_return Status{};
  co_return refused(
      step, "FIELD_TYPE_CHANGE_REFUSED",
      fmt::format("{} of {} values of \"{}\" are not {}.", check.bad, check.total, step.field,
                  check.reason.empty() ? "of type " + step.new_field->type : check.reason));
}

// `added`: a column of the index that this very change adds.
Task<Status> check_unique(sql::Executor& db, const Context& ctx, const Step& step,
                          std::optional<sql::ColumnSpec> added) {
  sql::TableRef table = table_of(step);
  if (added) {
    if (!added->default_value) co_return Status{};  // new and empty: no repeats
    CO_TRY(int64_t rows, co_await count_rows(db, ctx, table, nullptr));
    if (rows < 2) co_return Status{};
    co_return refused(
        step, "UNIQUE_REFUSED",
        fmt::format("\"{}\" cannot be unique: {} rows would get its default.", added->name, rows));
  }
  sql::Select groups;
  groups.from = table;
  std::vector<sql::Expr> known;
  for (const std::string& column : step.index.columns) {
    groups.group_by.push_back(sql::column("t", column));
    known.push_back(sql::is_not_null(sql::column("t", column)));
  }
  groups.columns = {{sql::call(sql::Fn::kCount), "n"}};
  groups.where = sql::all_of(std::move(known));
  groups.having = sql::binary(sql::BinaryOp::kGt, sql::call(sql::Fn::kCount),
                              sql::param(sql::Value(int64_t{1})));
  sql::Statement statement = render(groups, db.dialect());
  statement.is_slow = true;
  CO_TRY(sql::Rows rows, co_await db.run(ctx, std::move(statement)));
  if (rows.empty()) co_return Status{};
  co_return refused(step, "UNIQUE_REFUSED",
                    fmt::format("{} values of {} occur more than once, so it cannot be unique.",
                                rows.size(), join(step.index.columns, ", ")));
}

Task<Status> check_not_null(sql::Executor& db, const Context& ctx, const Step& step,
                            std::string column) {
  sql::TableRef table = table_of(step);
  CO_TRY(int64_t nulls,
         co_await count_rows(db, ctx, table, sql::is_null(sql::column("t", column))));
  if (nulls == 0) co_return Status{};
  CO_TRY(int64_t rows, co_await count_rows(db, ctx, table, nullptr));
  co_return refused(step, "FIELD_HAS_EMPTY_VALUES",
                    fmt::format("{} of {} values of \"{}\" are empty, so it cannot be required.",
                                nulls, rows, step.field));
}

Task<Status> fill_default(sql::Executor& db, const Context& ctx, const Step& step) {
  sql::Update update;
  update.table = table_of(step);
  update.set = {{step.to.name, sql::param(*step.to.default_value)}};
  update.where = sql::is_null(sql::column("", step.to.name));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return Status{};
}

Task<Status> copy_column(sql::Executor& db, const Context& ctx, const Step& step) {
  if (step.table.primary_key.empty()) co_return Status{};  // checked: no rows
  const size_t at = step.table.primary_key.size();
  EachRow each = [&db, &ctx, &step, at](const sql::Rows& rows, size_t row) -> Task<Status> {
    if (rows.cell(row, at).is_null()) co_return Status{};
    CO_TRY(sql::Value value, convert_cell(*step.old_field, *step.new_field, rows.cell(row, at)));
    sql::Update update;
    update.table = table_of(step);
    update.set = {{step.to.name, sql::param(std::move(value))}};
    update.where = key_is(step, rows, row);
    CO_TRY(sql::Rows done, co_await db.run(ctx, render(update, db.dialect())));
    co_return Status{};
  };
  co_return co_await for_each_value(db, ctx, step, step.from.name, step.table.primary_key, each);
}

Task<Status> fill_sort(sql::Executor& db, const Context& ctx, const Step& step) {
  const size_t at = step.table.primary_key.size();
  const bool scoped = step.old_field && !step.old_field->column.empty();
  const std::string scope = scoped ? step.old_field->column : step.table.primary_key.front();
  StringMap<int64_t> places;
  EachRow each = [&](const sql::Rows& rows, size_t row) -> Task<Status> {
    const std::string group = scoped ? std::string(rows.cell(row, at).text()) : "";
    sql::Update update;
    update.table = table_of(step);
    update.set = {{step.new_field->column, sql::param(sql::Value(++places[group]))}};
    update.where = key_is(step, rows, row);
    CO_TRY(sql::Rows done, co_await db.run(ctx, render(update, db.dialect())));
    co_return Status{};
  };
  co_return co_await for_each_value(db, ctx, step, scope, step.table.primary_key, each);
}

Task<Status> run_all(sql::Executor& db, const Context& ctx, std::vector<std::string> texts) {
  for (std::string& text : texts) {
    sql::Statement statement;
    statement.text = std::move(text);
    statement.is_write = true;
    statement.is_slow = true;
    CO_TRY(sql::Rows rows, co_await db.run(ctx, std::move(statement)));
  }
  co_return Status{};
}

const sql::IndexSpec* find_index(const sql::TableInfo& info, const sql::IndexSpec& wanted) {
  for (const auto& index : info.indexes) {
    if (index.columns == wanted.columns && index.unique == wanted.unique) return &index;
  }
  return nullptr;
}

// Is the step done already? Alter, copy and fill may simply be done again.
bool is_done(const Step& step, const std::optional<sql::TableInfo>& info) {
  const auto has = [&](const std::string& name) {
    return info &&
           std::ranges::find(info->columns, name, &sql::ColumnSpec::name) != info->columns.end();
  };
  switch (step.kind) {
    case StepKind::kCreateTable:
      return info.has_value();
    case StepKind::kDropTable:
      return !info;
    case StepKind::kAddColumn:
      return has(step.to.name);
    case StepKind::kDropColumn:
      return !has(step.from.name);
    case StepKind::kRenameColumn:
      return has(step.to.name) && !has(step.from.name);
    case StepKind::kCreateIndex:
      return info && find_index(*info, step.index) != nullptr;
    case StepKind::kDropIndex:
      return !info || find_index(*info, step.index) == nullptr;
    default:
      return false;
  }
}

}  // namespace

Task<Status> check_steps(sql::Executor& db, const Context& ctx, const std::vector<Step>& steps) {
  // What this change adds and renames is not there yet: table.column.
  std::vector<std::string> fresh;
  StringMap<std::string> renamed;
  const auto is_fresh = [&](const Step& step, const std::string& column) {
    return std::ranges::find(fresh, step.table.name + "." + column) != fresh.end();
  };
  const auto physical = [&](const Step& step, const std::string& column) {
    auto it = renamed.find(step.table.name + "." + column);
    return it == renamed.end() ? column : it->second;
  };
  for (const Step& step : steps) {
    sql::TableRef table = table_of(step);
    if (step.kind == StepKind::kCreateTable && !step.destructive) {
      CO_TRY(auto info, co_await sql::describe_table(db, ctx, step.table.schema, step.table.name));
      if (info) {
        co_return refused(step, "TABLE_EXISTS",
                          fmt::format("the database has a table \"{}\" already.", step.table.name));
      }
    } else if (step.kind == StepKind::kDropTable && step.must_be_empty) {
      CO_TRY(int64_t rows, co_await count_rows(db, ctx, table, nullptr));
      if (rows > 0) {
        co_return refused(step, "PRIMARY_KEY_CHANGE_REFUSED",
                          fmt::format("its primary key cannot change, it has {} rows.", rows));
      }
    } else if (step.kind == StepKind::kAddColumn) {
      fresh.push_back(step.table.name + "." + step.to.name);
      if (step.to.nullable || step.to.default_value) continue;
      CO_TRY(int64_t rows, co_await count_rows(db, ctx, table, nullptr));
      if (rows > 0) {
        co_return refused(step, "DEFAULT_VALUE_NEEDED",
                          fmt::format("\"{}\" cannot be required without a default value: {} "
                                      "rows have none.",
                                      step.field, rows));
      }
    } else if (step.kind == StepKind::kRenameColumn && !step.destructive) {
      renamed[step.table.name + "." + step.to.name] = step.from.name;
    } else if (step.kind == StepKind::kCopyColumn) {
      CO_TRY_STATUS(co_await check_copy(db, ctx, step));
      if (!step.new_field->nullable && !column_default(*step.new_field)) {
        CO_TRY_STATUS(co_await check_not_null(db, ctx, step, step.from.name));
      }
    } else if (step.kind == StepKind::kAlterColumn && step.from.nullable && !step.to.nullable &&
               !step.to.default_value && !is_fresh(step, step.to.name)) {
      CO_TRY_STATUS(co_await check_not_null(db, ctx, step, physical(step, step.to.name)));
    } else if (step.kind == StepKind::kCreateIndex && step.index.unique) {
      Step check = step;
      std::optional<sql::ColumnSpec> added;
      for (std::string& column : check.index.columns) {
        if (is_fresh(step, column)) {
          added = *std::ranges::find(step.table.columns, column, &sql::ColumnSpec::name);
        }
        column = physical(step, column);
      }
      CO_TRY_STATUS(co_await check_unique(db, ctx, check, added));
    }
  }
  co_return Status{};
}

Task<Status> run_step(sql::Executor& db, const Context& ctx, Step step, bool repairing) {
  const sql::Dialect& dialect = db.dialect();
  // Tables made elsewhere may lack what the model has, or have it already.
  const bool look = step.kind == StepKind::kCreateIndex || step.kind == StepKind::kDropIndex ||
                    step.kind == StepKind::kDropColumn;
  if (repairing || look) {
    CO_TRY(auto info, co_await sql::describe_table(db, ctx, step.table.schema, step.table.name));
    if (is_done(step, info)) co_return Status{};
    // Indexes of tables made elsewhere may go by another name.
    if (step.kind == StepKind::kDropIndex) step.index.name = find_index(*info, step.index)->name;
  }
  switch (step.kind) {
    case StepKind::kCreateTable:
      co_return co_await run_all(db, ctx, sql::create_table(step.table, dialect));
    case StepKind::kDropTable:
      co_return co_await run_all(db, ctx,
                                 sql::drop_table(step.table.schema, step.table.name, dialect));
    case StepKind::kAddColumn:
      co_return co_await run_all(db, ctx, sql::add_column(step.table, step.to, dialect));
    case StepKind::kDropColumn:
      co_return co_await run_all(db, ctx, sql::drop_column(step.table, step.from.name, dialect));
    case StepKind::kRenameColumn:
      co_return co_await run_all(
          db, ctx, sql::rename_column(step.table, step.from.name, step.to.name, dialect));
    case StepKind::kAlterColumn:
      if (!step.to.nullable && step.to.default_value) {
        CO_TRY_STATUS(co_await fill_default(db, ctx, step));
      }
      co_return co_await run_all(db, ctx,
                                 sql::alter_column(step.table, step.from, step.to, dialect));
    case StepKind::kCreateIndex:
      co_return co_await run_all(db, ctx, sql::create_index(step.table, step.index, dialect));
    case StepKind::kDropIndex:
      co_return co_await run_all(
          db, ctx,
          sql::drop_index(step.table, sql::index_name(step.table.name, step.index), dialect));
    case StepKind::kCopyColumn:
      co_return co_await copy_column(db, ctx, step);
    case StepKind::kFillSort:
      co_return co_await fill_sort(db, ctx, step);
    case StepKind::kFillFormula:
      co_return co_await fill_formula(db, ctx, step);
    case StepKind::kFillTree:
      co_return co_await fill_tree_paths(db, ctx, step);
  }
  co_return Status{};
}

}  // namespace halcyon::schema
