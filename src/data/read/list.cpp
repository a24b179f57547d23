#include <algorithm>

#include "data/read/association.h"
#include "data/read/concurrent.h"
#include "data/read/count_cache.h"
#include "data/read/list_plan.h"
#include "data/read/load.h"
#include "data/read/tree.h"
#include "data/records.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

Status check_size(const sql::Statement& statement, const sql::Dialect& dialect) {
  if (statement.params.size() <= dialect.max_params()) return {};
  return invalid("FILTER_TOO_COMPLEX", "The filter holds too many values");
}

Task<Result<int64_t>> run_total(const Call& call, sql::Statement statement,
                                const std::vector<std::string>& tables) {
  if (call.counts != nullptr && call.tx == nullptr)
    co_return co_await call.counts->count(call.ctx, call.db, std::move(statement), tables,
                                          call.model->generation);
  CO_TRY(sql::Rows rows, co_await call.executor().run(call.ctx, std::move(statement)));
  co_return rows.empty() ? 0 : to_int64(rows.cell(0, 0).text()).value_or(0);
}

// With the mark that lets the total be kept, where it may be kept.
sql::Statement render_count(const Call& call, const ListPlan& plan) {
  const sql::Dialect& dialect = call.executor().dialect();
  if (call.counts == nullptr || call.tx != nullptr || !dialect.snapshot_mark())
    return sql::render(plan.count, dialect);
  sql::Select count = plan.count;
  count.columns.push_back({dialect.snapshot_mark(), "mark"});
  return sql::render(count, dialect);
}

// Does the page itself tell the total? It does when it is not full, unless it is empty and not the
// first one.
std::optional<int64_t> proven_total(const Params& params, size_t rows) {
  const auto got = static_cast<int64_t>(rows);
  const int64_t offset = (params.page - 1) * params.page_size;
  if (got >= params.page_size || (got == 0 && offset > 0)) return std::nullopt;
  return offset + got;
}

struct Page {
  sql::Rows rows;
  int64_t total = 0;
};

// The page and, when it cannot prove the total, the count. Both start at once when the last count
// of this shape says that the page will be full; a first look or a small result asks for the page
// alone, which mostly is the whole answer.
Task<Result<Page>> run_page(const Call& call, const ListPlan& plan, const Params& params) {
  sql::Executor& executor = call.executor();
  sql::Statement statement = sql::render(plan.page, executor.dialect());
  CO_TRY_STATUS(check_size(statement, executor.dialect()));
  Page page;
  if (!plan.count_wanted) {
    CO_TRY(page.rows, co_await executor.run(call.ctx, std::move(statement)));
    co_return page;
  }
  sql::Statement count = render_count(call, plan);
  const auto last = call.counts == nullptr ? std::nullopt : call.counts->last_total(count.text);
  const bool both = call.tx == nullptr && last && *last >= params.page * params.page_size;
  if (both) {
    Started<Result<int64_t>> total(run_total(call, std::move(count), plan.tables));
    Result<sql::Rows> rows = co_await executor.run(call.ctx, std::move(statement));
    Result<int64_t> counted = co_await total;
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (!counted) co_return std::unexpected(std::move(counted).error());
    page.rows = *std::move(rows);
    page.total = proven_total(params, page.rows.size()).value_or(*counted);
    co_return page;
  }
  CO_TRY(page.rows, co_await executor.run(call.ctx, std::move(statement)));
  if (const auto total = proven_total(params, page.rows.size())) {
    page.total = *total;
    co_return page;
  }
  CO_TRY(page.total, co_await run_total(call, std::move(count), plan.tables));
  co_return page;
}

void write_meta(Answer& answer, const ListPlan& plan, const Params& params, const Page& page) {
  json::Writer meta(answer.meta);
  meta.begin_object();
  if (plan.simple) {
    meta.key("hasNext");
    meta.boolean(page.rows.size() > static_cast<size_t>(params.page_size));
  } else {
    meta.key("count");
    meta.integer(page.total);
  }
  meta.key("page");
  meta.integer(params.page);
  meta.key("pageSize");
  meta.integer(params.page_size);
  if (!plan.simple) {
    meta.key("totalPage");
    meta.integer((page.total + params.page_size - 1) / params.page_size);
  }
  meta.end_object();
}

// `posts/5/tags` where tags is a plain list field: the stored list.
Task<Result<Answer>> stored_list(const Call& call, const Target& target) {
  const schema::Field& field = *target.association;
  sql::Select select;
  CO_TRY(select.where, source_row_condition(call, target, "r"));
  select.where = sql::and_also(std::move(select.where), alive(*target.source, "r"));
  CO_TRY(sql::Expr column, key_column(*target.source, "r", field.name));
  select.columns.push_back({std::move(column), "c0"});
  select.from = target.source->table_ref("r");
  Readable readable(call.permissions);
  CO_TRY_STATUS(check_view(readable, *target.source));
  if (!is_showable(field) || !readable.can_read(*target.source, field))
    co_return not_readable(field.name);
  select.limit = 1;
  sql::Executor& executor = call.executor();
  CO_TRY(sql::Rows rows, co_await executor.run(call.ctx, sql::render(select, executor.dialect())));
  Answer answer;
  if (rows.empty()) co_return answer;
  answer.data.clear();
  json::Writer writer(answer.data);
  field.kind->write(field, rows.cell(0, 0), writer);
  co_return answer;
}

bool is_to_one(const Target& target) {
  return target.association != nullptr && target.association->relation &&
         !target.association->relation->to_many();
}

bool is_stored_list(const Target& target) {
  return target.association != nullptr && !target.association->relation;
}

Task<Result<Answer>> first_match(const Call& call, const Target& target, const Params& params) {
  CO_TRY(const ListPlan plan, plan_list(call, target, params, ListKind::kGet));
  sql::Executor& executor = call.executor();
  sql::Statement statement = sql::render(plan.page, executor.dialect());
  CO_TRY_STATUS(check_size(statement, executor.dialect()));
  CO_TRY(sql::Rows rows, co_await executor.run(call.ctx, std::move(statement)));
  Answer answer;
  if (rows.empty()) co_return answer;
  CO_TRY(const Loaded loaded, co_await load(call, plan.shape, std::move(rows)));
  answer.data.clear();
  json::Writer writer(answer.data);
  write_first(plan.shape, loaded, writer);
  co_return answer;
}

}  // namespace

Task<Result<Answer>> list(const Call& call, Target target, Params params) {
  if (is_stored_list(target)) co_return co_await stored_list(call, target);
  if (is_to_one(target)) {
    if (!params.paginate) co_return co_await first_match(call, target, params);
    co_return invalid("INVALID_PARAMETER", "A paged list of the to-one association \"" +
                                               target.association->name +
                                               "\" makes no sense; use get or paginate=false");
  }
  TreeFilter tree;
  if (params.tree && target.collection->tree) {
    CO_TRY(tree, co_await plan_tree(call, target, params));
  }
  CO_TRY(const ListPlan plan, plan_list(call, target, params, ListKind::kList, tree.roots));
  CO_TRY(Page page, co_await run_page(call, plan, params));
  Answer answer;
  if (params.paginate) write_meta(answer, plan, params, page);
  const size_t limit = params.paginate ? static_cast<size_t>(params.page_size) : page.rows.size();
  CO_TRY(const Loaded loaded, co_await load(call, plan.shape, std::move(page.rows)));
  answer.data.clear();
  json::Writer writer(answer.data);
  WriteOptions options;
  if (tree.keep) options.keep = &*tree.keep;
  write_rows(plan.shape, loaded, limit, writer, options);
  co_return answer;
}

Task<Result<Answer>> get(const Call& call, Target target, Params params) {
  if (is_stored_list(target)) co_return co_await stored_list(call, target);
  co_return co_await first_match(call, target, params);
}

}  // namespace halcyon::data
