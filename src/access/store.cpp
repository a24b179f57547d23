#include "access/store.h"

#include <stdexcept>

namespace halcyon::access {
namespace {

// Access' collections are built in, so an absent one is a programmer's error.
const schema::Collection& need(const schema::Snapshot& model, const std::string& name) {
  const auto* collection = model.find(name);
  if (collection == nullptr) throw std::logic_error("no built-in collection " + name);
  return *collection;
}

const std::string& column_of(const schema::Collection& collection, const std::string& field) {
  const auto* found = collection.find(field);
  if (found == nullptr) throw std::logic_error("no field " + collection.name + "." + field);
  return found->column;
}

sql::Expr condition(const schema::Collection& collection, const std::string& alias,
                    const Store::Match& match) {
  std::vector<sql::Expr> all;
  for (const auto& [field, value] : match) {
    all.push_back(sql::eq(sql::column(alias, column_of(collection, field)), sql::param(value)));
  }
  return sql::all_of(std::move(all));
}

Result<json::Value> parsed(const data::Answer& answer) { return json::parse(answer.data); }

}  // namespace

data::Call Store::call_as(const data::Caller& caller, const Context& ctx,
                          sql::Transaction* tx) const {
  data::Call call{ctx, catalog_.snapshot(), db_, caller, data::unrestricted()};
  call.tx = tx;
  return call;
}

Task<Result<json::Array>> Store::find(In in, std::string collection, Query query) {
  const data::Call data_call = call(in.ctx, in.tx);
  data::Target target;
  target.collection = &need(*data_call.model, collection);
  data::Params params;
  params.filter = std::move(query.filter);
  params.appends = std::move(query.appends);
  params.sort = std::move(query.sort);
  params.paginate = false;
  CO_TRY(data::Answer answer, co_await data::list(data_call, target, std::move(params)));
  CO_TRY(json::Value rows, parsed(answer));
  if (!rows.is_array()) co_return fail(Code::kInternal, "INTERNAL", "A list was expected.");
  co_return std::move(rows.get_array());
}

Task<Result<std::optional<json::Object>>> Store::find_one(In in, std::string collection,
                                                          Query query) {
  const data::Call data_call = call(in.ctx, in.tx);
  data::Target target;
  target.collection = &need(*data_call.model, collection);
  data::Params params;
  params.filter = std::move(query.filter);
  params.appends = std::move(query.appends);
  CO_TRY(data::Answer answer, co_await data::get(data_call, target, std::move(params)));
  CO_TRY(json::Value row, parsed(answer));
  if (!row.is_object()) co_return std::optional<json::Object>{};
  co_return std::optional<json::Object>(std::move(row.get_object()));
}

Task<Result<json::Object>> Store::create(In in, std::string collection, json::Object values,
                                         const data::Caller* as) {
  const data::Call data_call = call_as(as != nullptr ? *as : nobody_, in.ctx, in.tx);
  data::Target target;
  target.collection = &need(*data_call.model, collection);
  data::Params params;
  params.values = std::move(values);
  CO_TRY(data::Answer answer, co_await writer_.create(data_call, target, std::move(params)));
  CO_TRY(json::Value row, parsed(answer));
  if (!row.is_object()) co_return fail(Code::kInternal, "INTERNAL", "A record was expected.");
  co_return std::move(row.get_object());
}

Task<Status> Store::update(In in, std::string collection, json::Value filter, json::Object values) {
  const data::Call data_call = call(in.ctx, in.tx);
  data::Target target;
  target.collection = &need(*data_call.model, collection);
  data::Params params;
  params.filter = std::move(filter);
  params.values = std::move(values);
  CO_TRY(data::Answer answer, co_await writer_.update(data_call, target, std::move(params)));
  co_return Status{};
}

Task<Status> Store::destroy(In in, std::string collection, json::Value filter) {
  const data::Call data_call = call(in.ctx, in.tx);
  data::Target target;
  target.collection = &need(*data_call.model, collection);
  data::Params params;
  params.filter = std::move(filter);
  CO_TRY(data::Answer answer, co_await writer_.destroy(data_call, target, std::move(params)));
  co_return Status{};
}

Task<Result<std::vector<Store::Row>>> Store::columns(In in, std::string collection,
                                                     std::vector<std::string> fields, Match match) {
  const auto model = catalog_.snapshot();
  const schema::Collection& table = need(*model, collection);
  sql::Select select;
  select.from = table.table_ref("t");
  for (const auto& field : fields) {
    select.columns.push_back({sql::column("t", column_of(table, field)), field});
  }
  select.where = condition(table, "t", match);
  CO_TRY(sql::Rows rows, co_await executor(in).run(in.ctx, sql::render(select, db_.dialect())));
  std::vector<Row> result;
  for (size_t r = 0; r < rows.size(); ++r) {
    Row& row = result.emplace_back();
    for (size_t c = 0; c < fields.size(); ++c) {
      const sql::Cell cell = rows.cell(r, c);
      row.push_back(cell.is_null() ? std::nullopt : std::optional<std::string>(cell.text()));
    }
  }
  co_return result;
}

Task<Result<int64_t>> Store::set_columns(In in, std::string collection, Match assignments,
                                         Match match) {
  const auto model = catalog_.snapshot();
  const schema::Collection& table = need(*model, collection);
  sql::Update update;
  update.table = table.table_ref("t");
  for (auto& [field, value] : assignments) {
    update.set.push_back({column_of(table, field), sql::param(std::move(value))});
  }
  update.where = condition(table, "t", match);
  sql::Statement statement = sql::render(update, db_.dialect());
  statement.is_write = true;
  CO_TRY(sql::Rows rows, co_await executor(in).run(in.ctx, std::move(statement)));
  co_return rows.affected;
}

}  // namespace halcyon::access
