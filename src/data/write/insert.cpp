// insert_rows: many rows in few statements, with the keys the database made.
#include <algorithm>

#include "data/write/rows.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

namespace {

// Measured best on every dialect: the statement's text stays short enough to be kept prepared.
constexpr size_t kRowsPerInsert = 100;

struct Plan {
  std::vector<const Field*> columns;    // written by every row of the chunk
  std::vector<const Field*> returning;  // asked back
  const Field* generated = nullptr;     // auto-increment key not given by these rows
};

// May a row that leaves the field out stand beside one that gives it, with NULL in its place?
bool null_stands_in(const Field& field) {
  return field.nullable && field.default_value.is_null() && !field.auto_increment;
}

// The rows from `begin` on that can share one statement.
size_t chunk_end(const Collection& collection, const std::vector<Row>& rows, size_t begin,
                 size_t max_params) {
  const auto fields = stored_fields(collection);
  const size_t limit =
      std::clamp<size_t>(max_params / std::max<size_t>(1, fields.size()), 1, kRowsPerInsert);
  size_t end = begin + 1;
  while (end < rows.size() && end - begin < limit) {
    const bool fits = std::ranges::all_of(fields, [&](const Field* field) {
      return rows[end].contains(field->name) == rows[begin].contains(field->name) ||
             null_stands_in(*field);
    });
    if (!fits) break;
    ++end;
  }
  return end;
}

Plan plan_chunk(const Collection& collection, const std::vector<Row>& rows, size_t begin,
                size_t end, InsertAnswer answer) {
  Plan plan;
  for (const Field* field : stored_fields(collection)) {
    const bool given = std::any_of(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                                   rows.begin() + static_cast<std::ptrdiff_t>(end),
                                   [&](const Row& row) { return row.contains(field->name); });
    if (given) plan.columns.push_back(field);
    if (!given && field->auto_increment) plan.generated = field;
  }
  if (answer == InsertAnswer::kRows) {
    plan.returning = stored_fields(collection);
  } else if (plan.generated != nullptr) {
    plan.returning.push_back(plan.generated);
  }
  return plan;
}

sql::Insert build(const Collection& collection, const Plan& plan, const std::vector<Row>& rows,
                  size_t begin, size_t end) {
  sql::Insert insert;
  insert.table = collection.table_ref(kAlias);
  for (const Field* field : plan.columns) insert.columns.push_back(field->column);
  insert.rows.reserve(end - begin);
  for (size_t i = begin; i < end; ++i) {
    std::vector<sql::Expr> cells;
    cells.reserve(plan.columns.size());
    for (const Field* field : plan.columns) {
      auto it = rows[i].find(field->name);
      cells.push_back(sql::param(it == rows[i].end() ? sql::Value(sql::Null{}, field->storage.type)
                                                     : it->second));
    }
    insert.rows.push_back(std::move(cells));
  }
  for (const Field* field : plan.returning) insert.returning.push_back(field->column);
  return insert;
}

std::vector<Row> read_returned(const Plan& plan, const sql::Rows& answer) {
  std::vector<Row> rows(answer.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t c = 0; c < plan.returning.size(); ++c) {
      rows[i].emplace(plan.returning[c]->name, cell_value(*plan.returning[c], answer.cell(i, c)));
    }
  }
  return rows;
}

// Puts what came back into its row. Databases hand out generated keys in the order of VALUES but
// promise no order for RETURNING: rows are told apart by their key, not by their place.
void merge(const Collection& collection, const Plan& plan, std::vector<Row> stored,
           std::vector<Row>& rows, size_t begin) {
  if (plan.generated != nullptr) {
    std::ranges::sort(stored, [&](const Row& a, const Row& b) {
      const auto* left = std::get_if<int64_t>(&value_of(a, plan.generated->name).data);
      const auto* right = std::get_if<int64_t>(&value_of(b, plan.generated->name).data);
      return left != nullptr && right != nullptr && *left < *right;
    });
  }
  StringMap<size_t> by_key;
  if (plan.generated == nullptr && stored.size() > 1) {
    for (size_t i = 0; i < stored.size(); ++i) by_key[identity_text(collection, stored[i])] = i;
  }
  for (size_t i = 0; i < stored.size(); ++i) {
    size_t from = i;
    if (!by_key.empty()) {
      auto it = by_key.find(identity_text(collection, rows[begin + i]));
      if (it != by_key.end()) from = it->second;
    }
    for (auto& [name, value] : stored[from]) rows[begin + i].insert_or_assign(name, value);
  }
}

// For the dialect without RETURNING: reads back what was inserted. One INSERT of several rows takes
// consecutive keys from last_insert_id on.
Task<Result<std::vector<Row>>> read_back(Session& session, const Collection& collection,
                                         const Plan& plan, const std::vector<Row>& rows,
                                         size_t begin, size_t end, int64_t first_id) {
  SelectOptions options;
  for (const Field* field : plan.returning) options.fields.push_back(field->name);
  if (plan.generated != nullptr) {
    if (end - begin == 1 && plan.returning.size() == 1) {
      std::vector<Row> only(1);
      only[0].emplace(plan.generated->name, sql::Value(first_id));
      co_return only;
    }
    auto key = sql::column(kAlias, plan.generated->column);
    options.order_by.push_back({key});
    options.limit = static_cast<int64_t>(end - begin);
    co_return co_await select_rows(
        session, collection, sql::binary(sql::BinaryOp::kGe, key, sql::param(sql::Value(first_id))),
        options);
  }
  std::vector<Row> keys(rows.begin() + static_cast<std::ptrdiff_t>(begin),
                        rows.begin() + static_cast<std::ptrdiff_t>(end));
  auto where = match_rows(collection, keys);
  if (!where) co_return std::vector<Row>{};  // no key: the values written are the answer
  co_return co_await select_rows(session, collection, *where, options);
}

}  // namespace

Task<Status> insert_rows(Session& session, const Collection& collection, std::vector<Row>& rows,
                         InsertAnswer answer) {
  const sql::Dialect& dialect = session.tx().dialect();
  session.touched(collection);
  for (size_t begin = 0; begin < rows.size();) {
    const size_t end = chunk_end(collection, rows, begin, dialect.max_params());
    const Plan plan = plan_chunk(collection, rows, begin, end, answer);
    const sql::Insert insert = build(collection, plan, rows, begin, end);
    auto done = co_await session.tx().run(session.call.ctx, sql::render(insert, dialect));
    if (!done) co_return fail(write_error(collection, std::move(done).error()));
    if (!plan.returning.empty()) {
      std::vector<Row> stored;
      if (dialect.has_returning()) {
        stored = read_returned(plan, *done);
      } else {
        CO_TRY(stored, co_await read_back(session, collection, plan, rows, begin, end,
                                          done->last_insert_id));
      }
      merge(collection, plan, std::move(stored), rows, begin);
    }
    begin = end;
  }
  co_return Status{};
}

}  // namespace halcyon::data::write
