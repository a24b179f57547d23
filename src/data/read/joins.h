// FROM items reached over relations, each path joined once, and how one relation is joined.
//
// A statement has one JoinTree for its root alias. Filters, sorts and joined appends all follow
// paths through it, so that `customer.name` in a filter and in a sort share one JOIN. All joins are
// LEFT JOINs; soft-deleted rows of the other side are left out.
//
//   JoinTree tree(model, orders, "r", aliases);
//   TRY(JoinTree::Node* customer, tree.follow(tree.root(), *orders.find("customer")));
//   sql::column(customer->alias, "name")
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/read/filter.h"
#include "schema/model.h"
#include "sql/ast.h"

namespace halcyon::data {

// At most one row can be at the other end, and the model knows it (unique keys).
bool is_single(const schema::Snapshot& model, const schema::Relation& relation,
               const schema::Collection& source);
bool is_unique_key(const schema::Collection& collection, const std::string& field);

// "deletedAt IS NULL" for soft-deleting collections, else nullptr.
sql::Expr alive(const schema::Collection& collection, const std::string& alias);

// Column of a field by name; fields without a column are a broken model (Error 500
// BROKEN_RELATION).
Result<sql::Expr> key_column(const schema::Collection& collection, const std::string& alias,
                             const std::string& field);
Result<const schema::Collection*> relation_target(const schema::Snapshot& model,
                                                  const schema::Field& relation);

// What identifies a row: primary key, else filter target key; may be empty.
const std::vector<std::string>& row_key(const schema::Collection& collection);

// "the JSON array `array` contains the value of `member`" for belongsToArray keys.
sql::Expr array_has(sql::Expr array, sql::Expr member);

class JoinTree {
 public:
  struct Node {
    const schema::Collection* collection = nullptr;
    std::string alias;
    std::vector<std::pair<const schema::Field*, std::unique_ptr<Node>>> children;
  };

  JoinTree(const schema::Snapshot& model, const schema::Collection& collection, std::string alias,
           Aliases& aliases);
  Node& root() { return root_; }
  // The node at the other end of `relation`, joined when first asked for. Error 400
  // FILTER_TOO_COMPLEX when the statement would have more joins than databases allow.
  Result<Node*> follow(Node& from, const schema::Field& relation);
  const std::vector<sql::Join>& joins() const { return joins_; }
  std::vector<sql::Join> take_joins() { return std::move(joins_); }

 private:
  Result<sql::Join> make_join(const Node& from, const schema::Field& relation, const Node& to);
  Result<sql::Join> through_join(const Node& from, const schema::Field& relation, const Node& to);

  const schema::Snapshot& model_;
  Aliases& aliases_;
  Node root_;
  std::vector<sql::Join> joins_;
};

}  // namespace halcyon::data
