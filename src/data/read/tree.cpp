#include "data/read/tree.h"

#include "data/read/filter.h"
#include "data/read/list_plan.h"
#include "data/read/load.h"

namespace halcyon::data {
namespace {

constexpr size_t kChunk = 1000;
constexpr int kMaxLevels = 100;

json::Value key_json(const sql::Cell& cell) {
  if (const auto number = to_int64(cell.text())) return json::Value(*number);
  return json::Value(cell.text());
}

// Takes in the rows (key, parentId); parents not yet known go to `wanted`.
struct Climb {
  std::unordered_set<std::string> seen;
  std::vector<std::pair<std::string, std::string>> edges;  // key, parent
  std::vector<json::Value> wanted;
  std::unordered_set<std::string> asked;
  StringMap<json::Value> keys;

  void take(const sql::Rows& rows) {
    wanted.clear();
    for (size_t row = 0; row < rows.size(); ++row) {
      const std::string key(rows.cell(row, 0).text());
      if (!seen.insert(key).second) continue;
      keys.emplace(key, key_json(rows.cell(row, 0)));
      const sql::Cell parent = rows.cell(row, 1);
      edges.emplace_back(key, parent.text());
      if (!parent.is_null() && asked.insert(std::string(parent.text())).second)
        wanted.push_back(key_json(parent));
    }
    std::erase_if(wanted, [&](const json::Value& key) {
      return seen.contains(key.is_string() ? std::string(json::as_view(key)) : json::dump(key));
    });
  }
  json::Array roots() const {
    json::Array list;
    for (const auto& [key, parent] : edges)
      if (parent.empty() || !seen.contains(parent)) list.push_back(keys.find(key)->second);
    return list;
  }
};

Task<Result<sql::Rows>> run(const Call& call, const sql::Select& select) {
  sql::Executor& executor = call.executor();
  return executor.run(call.ctx, sql::render(select, executor.dialect()));
}

}  // namespace

Task<Result<TreeFilter>> plan_tree(const Call& call, const Target& target, Params& params) {
  TreeFilter tree;
  const schema::Collection& collection = *target.collection;
  if (collection.primary_key.size() != 1 || collection.find("parentId") == nullptr)
    co_return invalid("INVALID_PARAMETER", "\"tree\" needs one primary key and \"parentId\"");
  if (!is_effective_filter(params.filter) && params.filter_by_tk.is_null()) {
    tree.roots = json::Object{{"parentId", nullptr}};
    co_return tree;
  }
  const std::string& key = collection.primary_key.front();
  Climb climb;
  CO_TRY(sql::Select matches, plan_tree_matches(call, target, params));
  CO_TRY(sql::Rows rows, co_await run(call, matches));
  climb.take(rows);
  for (int level = 0; level < kMaxLevels && !climb.wanted.empty(); ++level) {
    const std::vector<json::Value> parents = std::move(climb.wanted);
    climb.wanted = {};
    std::vector<json::Value> next;
    for (size_t from = 0; from < parents.size(); from += kChunk) {
      json::Array chunk;
      for (size_t i = from; i < std::min(parents.size(), from + kChunk); ++i)
        chunk.push_back(parents[i]);
      const json::Value filter = json::Object{{key, std::move(chunk)}};
      const Params all;
      CO_TRY(sql::Select above, plan_tree_matches(call, target, all, filter));
      CO_TRY(sql::Rows found, co_await run(call, above));
      climb.take(found);
      for (json::Value& wanted : climb.wanted) next.push_back(std::move(wanted));
    }
    climb.wanted = std::move(next);
  }
  tree.roots = json::Object{{key, json::Object{{"$in", climb.roots()}}}};
  tree.keep = std::move(climb.seen);
  params.filter = nullptr;
  params.filter_by_tk = nullptr;
  co_return tree;
}

}  // namespace halcyon::data
