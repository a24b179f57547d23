#include "data/write/tree.h"

#include <algorithm>

#include "base/text.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

namespace {

// The tree's shape and its path table; `paths` is nullptr when the model has none.
struct Tree {
  const Collection* collection;
  const Field* parent;  // foreign key
  const Field* key;     // what parent refers to
  const Collection* paths = nullptr;
  const Field* node = nullptr;
  const Field* path = nullptr;
  const Field* root = nullptr;
};

Result<Tree> tree_of(const Session& session, const Collection& collection) {
  Tree tree{&collection, parent_key(collection), nullptr};
  const Field* relation = schema::tree_parent(collection);
  if (relation != nullptr) tree.key = collection.find(relation->relation->target_key);
  if (tree.parent == nullptr || tree.key == nullptr) {
    return fail(Error(Code::kInternal, "INTERNAL", "The tree has no parent key.")
                    .with_internal(collection.name));
  }
  tree.paths = session.collection(schema::tree_path_collection(collection.name));
  if (tree.paths != nullptr) {
    tree.node = tree.paths->find("nodePk");
    tree.path = tree.paths->find("path");
    tree.root = tree.paths->find("rootPk");
    if (tree.node == nullptr || tree.path == nullptr || tree.root == nullptr) tree.paths = nullptr;
  }
  return tree;
}

// Keys from the root down to and including `from`, each locked. TREE_CYCLE when `node` is met.
Task<Result<std::vector<sql::Value>>> ancestors(Session& session, const Tree& tree, sql::Value from,
                                                const sql::Value* node) {
  std::vector<sql::Value> chain;
  StringMap<bool> seen;
  while (!from.is_null()) {
    const bool met = node != nullptr && same_value(from, *node);
    if (met || !seen.emplace(value_text(from), true).second) {
      co_return fail(Error(Code::kInvalidArgument, "TREE_CYCLE",
                           "A record of \"" + tree.collection->name +
                               "\" cannot be placed below itself or its descendants.")
                         .with_field(tree.parent->name)
                         .with_expected("a parent outside the record's own subtree"));
    }
    SelectOptions options = locked();
    options.fields = {tree.key->name, tree.parent->name};
    CO_TRY(auto rows,
           co_await select_rows(session, *tree.collection, field_is(*tree.key, from), options));
    if (rows.empty()) {
      co_return fail(Error(Code::kInvalidArgument, "RELATED_RECORD_NOT_FOUND",
                           "\"" + tree.collection->name + "\" has no record with " +
                               tree.key->name + " " + value_text(from) + ".")
                         .with_field(tree.parent->name)
                         .with_expected("the key of an existing record"));
    }
    chain.push_back(from);
    from = value_of(rows.front(), tree.parent->name);
  }
  std::ranges::reverse(chain);
  co_return chain;
}

std::string path_text(const std::vector<sql::Value>& chain) {
  std::string text;
  for (const sql::Value& key : chain) text += "/" + value_text(key);
  return text;
}

Row path_row(const Tree& tree, const std::vector<sql::Value>& chain) {
  Row row;
  row.emplace(tree.node->name, as_stored_in(*tree.node, chain.back()));
  row.emplace(tree.path->name, as_stored_in(*tree.path, sql::Value(path_text(chain))));
  row.emplace(tree.root->name, as_stored_in(*tree.root, chain.front()));
  return row;
}

struct Moved {
  std::vector<sql::Value> chain;  // new
  std::vector<Row> below;         // path rows of the node and its descendants
  std::string old_path;
  sql::Value old_root;
};

// One UPDATE per chunk: path by CASE over the node.
Task<Status> rewrite_paths(Session& session, const Tree& tree, const Moved& moved) {
  const std::string new_path = path_text(moved.chain);
  const auto node_column = sql::column(kAlias, tree.node->column);
  for (size_t from = 0; from < moved.below.size(); from += kChunk) {
    const size_t to = std::min(moved.below.size(), from + kChunk);
    sql::Case paths;
    std::vector<sql::Value> nodes;
    for (size_t i = from; i < to; ++i) {
      const Row& row = moved.below[i];
      const sql::Value& node = value_of(row, tree.node->name);
      std::string path = value_text(value_of(row, tree.path->name));
      path = new_path + path.substr(std::min(moved.old_path.size(), path.size()));
      paths.when.emplace_back(sql::eq(node_column, sql::param(node)),
                              sql::make(sql::Cast{sql::param(sql::Value(path)), sql::Type::kText}));
      nodes.push_back(node);
    }
    paths.otherwise = sql::column(kAlias, tree.path->column);
    sql::Update update;
    update.table = tree.paths->table_ref(kAlias);
    update.set.push_back({tree.path->column, sql::make(std::move(paths))});
    update.set.push_back(
        {tree.root->column, sql::param(as_stored_in(*tree.root, moved.chain.front()))});
    update.where = field_in(*tree.node, nodes);
    CO_TRY_STATUS(
        co_await session.tx().run(session.call.ctx, sql::render(update, session.tx().dialect())));
  }
  co_return Status{};
}

// The root narrows it down by an index; paths are too long for one.
sql::Expr path_below(const Tree& tree, const Moved& moved) {
  const auto column = sql::column(kAlias, tree.path->column);
  return sql::and_also(
      field_is(*tree.root, moved.old_root),
      sql::any_of({sql::eq(column, sql::param(sql::Value(moved.old_path))),
                   sql::make(sql::Like{column, moved.old_path + "/", sql::LikeKind::kStartsWith,
                                       false, false})}));
}

}  // namespace

const Field* parent_key(const Collection& collection) {
  const Field* relation = schema::tree_parent(collection);
  return relation == nullptr ? nullptr : collection.find(relation->relation->foreign_key);
}

Task<Status> tree_created(Session& session, const Collection& collection,
                          const std::vector<Row>& rows) {
  CO_TRY(const Tree tree, tree_of(session, collection));
  StringMap<std::vector<sql::Value>> chains;  // by parent: siblings share it
  std::vector<Row> paths;
  for (const Row& row : rows) {
    const sql::Value& parent = value_of(row, tree.parent->name);
    const sql::Value& key = value_of(row, tree.key->name);
    std::vector<sql::Value> chain;
    if (!parent.is_null()) {
      const std::string text = value_text(parent);
      auto it = chains.find(text);
      if (it == chains.end()) {
        CO_TRY(auto found, co_await ancestors(session, tree, parent, &key));
        it = chains.emplace(text, std::move(found)).first;
      }
      chain = it->second;
    }
    chain.push_back(key);
    if (tree.paths != nullptr) paths.push_back(path_row(tree, chain));
  }
  if (paths.empty()) co_return Status{};
  co_return co_await insert_rows(session, *tree.paths, paths, InsertAnswer::kKeys);
}

Task<Status> check_tree_move(Session& session, const Collection& collection, const Row& before,
                             const sql::Value& new_parent) {
  CO_TRY(const Tree tree, tree_of(session, collection));
  const sql::Value& node = value_of(before, tree.key->name);
  CO_TRY_STATUS(co_await ancestors(session, tree, new_parent, &node));
  co_return Status{};
}

Task<Status> tree_moved(Session& session, const Collection& collection, const Row& after) {
  CO_TRY(const Tree tree, tree_of(session, collection));
  if (tree.paths == nullptr) co_return Status{};
  const sql::Value& node = value_of(after, tree.key->name);
  Moved moved;
  CO_TRY(moved.chain, co_await ancestors(session, tree, value_of(after, tree.parent->name), &node));
  moved.chain.push_back(node);
  CO_TRY(auto own,
         co_await select_rows(session, *tree.paths, field_is(*tree.node, node), locked()));
  if (own.empty()) {  // a row from before the collection was a tree
    std::vector<Row> rows{path_row(tree, moved.chain)};
    co_return co_await insert_rows(session, *tree.paths, rows, InsertAnswer::kKeys);
  }
  moved.old_path = value_text(value_of(own.front(), tree.path->name));
  moved.old_root = value_of(own.front(), tree.root->name);
  CO_TRY(moved.below,
         co_await select_rows(session, *tree.paths, path_below(tree, moved), locked()));
  co_return co_await rewrite_paths(session, tree, moved);
}

Task<Status> tree_destroyed(Session& session, const Collection& collection,
                            const std::vector<Row>& rows) {
  CO_TRY(const Tree tree, tree_of(session, collection));
  if (tree.paths == nullptr) co_return Status{};
  std::vector<sql::Value> nodes;
  for (const Row& row : rows) nodes.push_back(value_of(row, tree.key->name));
  CO_TRY_STATUS(co_await delete_rows(session, *tree.paths, field_in(*tree.node, nodes)));
  co_return Status{};
}

}  // namespace halcyon::data::write
