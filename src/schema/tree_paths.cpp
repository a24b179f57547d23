// The path table of a tree collection for rows that are there already: a collection that becomes a
// tree, a database from before the table was kept. Later writes keep it in step
// (data/write/tree.h).
#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "schema/migration.h"

namespace halcyon::schema {

namespace {

constexpr int64_t kRead = 5000;
constexpr size_t kWrite = 300;  // three parameters a row

struct Node {
  std::string key, parent;  // as text; parent empty: a root
};

sql::Value typed(const sql::ColumnSpec& column, std::string_view text) {
  const bool number =
      column.type.type == sql::Type::kInt32 || column.type.type == sql::Type::kInt64;
  if (!number) return sql::Value(text, column.type.type);
  return sql::Value(to_int64(text).value_or(0));
}

Task<Result<sql::Rows>> run(sql::Executor& db, const Context& ctx, sql::Statement statement) {
  statement.is_slow = true;
  co_return co_await db.run(ctx, std::move(statement));
}

Task<Result<std::vector<Node>>> read_nodes(sql::Executor& db, const Context& ctx,
                                           const Step& fill) {
  std::vector<Node> nodes;
  for (;;) {
    sql::Select select;
    select.from = sql::table(fill.tree.name, "t", fill.tree.schema);
    select.columns = {{sql::column("t", fill.from.name), "node"},
                      {sql::column("t", fill.to.name), "parent"}};
    select.order_by = {{sql::column("t", fill.from.name), false, sql::Nulls::kDefault}};
    select.limit = kRead;
    if (!nodes.empty()) {
      select.where = sql::binary(sql::BinaryOp::kGt, sql::column("t", fill.from.name),
                                 sql::param(typed(fill.from, nodes.back().key)));
    }
    CO_TRY(sql::Rows rows, co_await run(db, ctx, sql::render(select, db.dialect())));
    for (size_t i = 0; i < rows.size(); ++i) {
      nodes.push_back({std::string(rows.cell(i, 0).text()), std::string(rows.cell(i, 1).text())});
    }
    if (static_cast<int64_t>(rows.size()) < kRead) co_return nodes;
  }
}

// "/1/4/9" and its root. Ends at a parent that is not there, and where a cycle begins again.
std::pair<std::string, std::string> path_of(
    const std::unordered_map<std::string_view, const Node*>& by_key, const Node& node) {
  std::vector<std::string_view> chain;
  for (const Node* at = &node; at != nullptr;) {
    if (std::ranges::find(chain, at->key) != chain.end()) break;
    chain.push_back(at->key);
    auto parent = at->parent.empty() ? by_key.end() : by_key.find(at->parent);
    at = parent == by_key.end() ? nullptr : parent->second;
  }
  std::string path;
  for (size_t i = chain.size(); i-- > 0;) path.append("/").append(chain[i]);
  return {std::move(path), std::string(chain.back())};
}

}  // namespace

Task<Result<bool>> has_all_tree_paths(sql::Executor& db, const Context& ctx, const Step& fill) {
  std::string counts[2];
  const sql::TableSpec* tables[2] = {&fill.tree, &fill.table};
  for (size_t i = 0; i < 2; ++i) {
    sql::Select count;
    count.from = sql::table(tables[i]->name, "t", tables[i]->schema);
    count.columns = {{sql::call(sql::Fn::kCount), "n"}};
    CO_TRY(sql::Rows rows, co_await run(db, ctx, sql::render(count, db.dialect())));
    counts[i] = rows.cell(0, 0).text();
  }
  co_return counts[0] == counts[1];
}

Task<Status> fill_tree_paths(sql::Executor& db, const Context& ctx, const Step& fill) {
  CO_TRY(const std::vector<Node> nodes, co_await read_nodes(db, ctx, fill));
  std::unordered_map<std::string_view, const Node*> by_key;
  for (const Node& node : nodes) by_key.emplace(node.key, &node);
  const auto column = [&](size_t i) -> const sql::ColumnSpec& { return fill.table.columns.at(i); };
  const sql::TableRef paths = sql::table(fill.table.name, "t", fill.table.schema);
  sql::Delete clear;
  clear.table = paths;
  CO_TRY_STATUS(co_await run(db, ctx, sql::render(clear, db.dialect())));
  for (size_t from = 0; from < nodes.size(); from += kWrite) {
    sql::Insert insert;
    insert.table = paths;
    for (size_t i = 0; i < 3; ++i) insert.columns.push_back(column(i).name);
    for (size_t i = from; i < std::min(nodes.size(), from + kWrite); ++i) {
      auto [path, root] = path_of(by_key, nodes[i]);
      insert.rows.push_back({sql::param(typed(column(0), nodes[i].key)),
                             sql::param(sql::Value(std::move(path))),
                             sql::param(typed(column(2), root))});
    }
    CO_TRY_STATUS(co_await run(db, ctx, sql::render(insert, db.dialect())));
  }
  co_return Status{};
}

}  // namespace halcyon::schema
