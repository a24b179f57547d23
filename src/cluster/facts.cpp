#include "cluster/facts.h"

#include "cluster/build.h"

namespace halcyon::cluster {

namespace {

sql::Statement as_write(sql::Statement statement) {
  statement.is_write = true;
  return statement;
}

}  // namespace

Task<Result<std::string>> agree(sql::Database& db, Tables tables, const Context& ctx,
                                std::string name, std::string value) {
  sql::Select select;
  select.from = tables["facts"];
  select.columns = {{sql::column("t", "value"), "value"}};
  select.where = sql::eq(sql::column("t", "name"), text(name));
  sql::Insert insert;
  insert.table = tables["facts"];
  insert.columns = {"name", "value"};
  insert.rows = {{text(name), text(value)}};
  insert.ignore_conflicts = true;
  CO_TRY(sql::Rows found, co_await db.run(ctx, render(select, db.dialect())));
  if (found.empty()) {
    CO_TRY(sql::Rows made, co_await db.run(ctx, as_write(render(insert, db.dialect()))));
    CO_TRY(found, co_await db.run(ctx, render(select, db.dialect())));
  }
  if (found.empty()) co_return fail(Code::kInternal, "INTERNAL", "A fact is not kept.");
  co_return std::string(found.cell(0, 0).text());
}

Task<Result<bool>> replace_fact(sql::Database& db, Tables tables, const Context& ctx,
                                std::string name, std::string old, std::string value) {
  sql::Update update;
  update.table = tables["facts"];
  update.set = {{"value", text(std::move(value))}};
  update.where = sql::all_of(
      {sql::eq(col("name"), text(std::move(name))), sql::eq(col("value"), text(std::move(old)))});
  CO_TRY(sql::Rows changed, co_await db.run(ctx, as_write(render(update, db.dialect()))));
  co_return changed.affected > 0;
}

}  // namespace halcyon::cluster
