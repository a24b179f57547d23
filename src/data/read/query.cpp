#include "data/read/query_plan.h"
#include "data/records.h"
#include "json/writer.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

// Databases print sums as integers, decimals or doubles; JSON has one kind of number.
void write_number(sql::Cell cell, json::Writer& out) {
  if (cell.is_null()) return out.null();
  if (const auto whole = to_int64(cell.text())) return out.integer(*whole);
  if (const auto real = to_double(cell.text())) return out.real(*real);
  out.string(cell.text());
}

void write_column(const QueryPlan::Column& column, sql::Cell cell, json::Writer& out) {
  switch (column.output) {
    case QueryPlan::Output::kNumber:
      return write_number(cell, out);
    case QueryPlan::Output::kText:
      if (cell.is_null()) return out.null();
      return out.string(cell.text());
    case QueryPlan::Output::kField:
      return column.field->kind->write(*column.field, cell, out);
  }
}

}  // namespace

Task<Result<Answer>> query(const Call& call, Target target, Params params) {
  CO_TRY(const QueryPlan plan, plan_query(call, target, params));
  sql::Executor& executor = call.executor();
  sql::Statement statement = sql::render(plan.select, executor.dialect());
  statement.is_slow = true;  // aggregates read whole tables
  CO_TRY(const sql::Rows rows, co_await executor.run(call.ctx, std::move(statement)));
  Answer answer;
  answer.data.clear();
  json::Writer writer(answer.data);
  writer.begin_array();
  for (size_t row = 0; row < rows.size(); ++row) {
    writer.begin_object();
    for (size_t i = 0; i < plan.columns.size(); ++i) {
      writer.key(plan.columns[i].alias);
      write_column(plan.columns[i], rows.cell(row, i), writer);
    }
    writer.end_object();
  }
  writer.end_array();
  co_return answer;
}

}  // namespace halcyon::data
