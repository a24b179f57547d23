#include "data/read/joins.h"

#include <algorithm>

namespace halcyon::data {
namespace {

constexpr size_t kMaxJoins = 40;  // MySQL allows 61 tables, SQLite 64; sub-queries need some

std::unexpected<Error> broken(const schema::Collection& collection, std::string_view what) {
  return fail(Code::kInternal, "BROKEN_RELATION",
              "The relation cannot be read: collection \"" + collection.name + "\" lacks " +
                  std::string(what));
}

}  // namespace

bool is_unique_key(const schema::Collection& collection, const std::string& field) {
  const schema::Field* found = collection.find(field);
  if (found == nullptr) return false;
  if (found->unique) return true;
  if (collection.primary_key.size() == 1 && collection.primary_key[0] == field) return true;
  return std::ranges::any_of(collection.indexes, [&](const sql::IndexSpec& index) {
    return index.unique && index.columns.size() == 1 && index.columns[0] == found->column;
  });
}

bool is_single(const schema::Snapshot& model, const schema::Relation& relation,
               const schema::Collection&) {
  const schema::Collection* target = model.find(relation.target);
  if (target == nullptr) return false;
  if (relation.kind == schema::RelationKind::kBelongsTo)
    return is_unique_key(*target, relation.target_key);
  if (relation.kind == schema::RelationKind::kHasOne)
    return is_unique_key(*target, relation.foreign_key);
  return false;
}

sql::Expr alive(const schema::Collection& collection, const std::string& alias) {
  if (!collection.paranoid) return nullptr;
  const schema::Field* deleted = collection.find("deletedAt");
  if (deleted == nullptr || deleted->column.empty()) return nullptr;
  return sql::is_null(sql::column(alias, deleted->column));
}

Result<sql::Expr> key_column(const schema::Collection& collection, const std::string& alias,
                             const std::string& field) {
  const schema::Field* found = collection.find(field);
  if (found == nullptr || found->column.empty())
    return broken(collection, "the key \"" + field + "\"");
  return sql::column(alias, found->column);
}

Result<const schema::Collection*> relation_target(const schema::Snapshot& model,
                                                  const schema::Field& relation) {
  const schema::Collection* target = model.find(relation.relation->target);
  if (target != nullptr) return target;
  return fail(Code::kInternal, "BROKEN_RELATION",
              "Field \"" + relation.name + "\" points to collection \"" +
                  relation.relation->target + "\", which does not exist");
}

const std::vector<std::string>& row_key(const schema::Collection& collection) {
  return collection.primary_key.empty() ? collection.filter_target_key : collection.primary_key;
}

sql::Expr array_has(sql::Expr array, sql::Expr member) {
  return sql::call(sql::Fn::kJsonArrayContains,
                   {std::move(array), sql::call(sql::Fn::kJsonQuote, {std::move(member)})});
}

JoinTree::JoinTree(const schema::Snapshot& model, const schema::Collection& collection,
                   std::string alias, Aliases& aliases)
    : model_(model), aliases_(aliases) {
  root_.collection = &collection;
  root_.alias = std::move(alias);
}

Result<JoinTree::Node*> JoinTree::follow(Node& from, const schema::Field& relation) {
  for (auto& [field, node] : from.children)
    if (field == &relation) return node.get();
  if (joins_.size() >= kMaxJoins)
    return invalid("FILTER_TOO_COMPLEX", "The request follows too many relations at once");
  auto node = std::make_unique<Node>();
  TRY(node->collection, relation_target(model_, relation));
  node->alias = aliases_.next("j");
  TRY(sql::Join join, make_join(from, relation, *node));
  joins_.push_back(std::move(join));
  return from.children.emplace_back(&relation, std::move(node)).second.get();
}

Result<sql::Join> JoinTree::make_join(const Node& from, const schema::Field& relation,
                                      const Node& to) {
  const schema::Relation& rel = *relation.relation;
  if (rel.kind == schema::RelationKind::kBelongsToMany) return through_join(from, relation, to);
  sql::Join join;
  join.table = to.collection->table_ref(to.alias);
  switch (rel.kind) {
    case schema::RelationKind::kBelongsTo: {
      TRY(sql::Expr target_key, key_column(*to.collection, to.alias, rel.target_key));
      TRY(sql::Expr foreign_key, key_column(*from.collection, from.alias, rel.foreign_key));
      join.on = sql::eq(std::move(target_key), std::move(foreign_key));
      break;
    }
    case schema::RelationKind::kBelongsToArray: {
      TRY(sql::Expr target_key, key_column(*to.collection, to.alias, rel.target_key));
      TRY(sql::Expr keys, key_column(*from.collection, from.alias, rel.foreign_key));
      join.on = array_has(std::move(keys), std::move(target_key));
      break;
    }
    default: {
      TRY(sql::Expr foreign_key, key_column(*to.collection, to.alias, rel.foreign_key));
      TRY(sql::Expr source_key, key_column(*from.collection, from.alias, rel.source_key));
      join.on = sql::eq(std::move(foreign_key), std::move(source_key));
    }
  }
  join.on = sql::and_also(std::move(join.on), alive(*to.collection, to.alias));
  return join;
}

// LEFT JOIN (SELECT t.fk AS "__source", g.* FROM through t JOIN target g ON ...): a derived table,
// so that a through row without its target counts as no related row.
Result<sql::Join> JoinTree::through_join(const Node& from, const schema::Field& relation,
                                         const Node& to) {
  const schema::Relation& rel = *relation.relation;
  const schema::Collection* through = model_.find(rel.through);
  if (through == nullptr)
    return broken(*from.collection, "the through collection \"" + rel.through + "\"");
  const std::string t = aliases_.next("t");
  const std::string g = aliases_.next("g");
  auto inner = std::make_shared<sql::Select>();
  TRY(sql::Expr fk, key_column(*through, t, rel.foreign_key));
  TRY(sql::Expr other, key_column(*through, t, rel.other_key));
  TRY(sql::Expr target_key, key_column(*to.collection, g, rel.target_key));
  TRY(sql::Expr source_key, key_column(*from.collection, from.alias, rel.source_key));
  inner->columns.push_back({std::move(fk), "__source"});
  for (const schema::Field& field : to.collection->fields) {
    if (field.column.empty()) continue;
    const bool have = std::ranges::any_of(
        inner->columns, [&](const sql::OutputColumn& c) { return c.alias == field.column; });
    if (!have) inner->columns.push_back({sql::column(g, field.column), field.column});
  }
  inner->from = through->table_ref(t);
  inner->joins.push_back(
      {false, to.collection->table_ref(g), sql::eq(std::move(target_key), std::move(other))});
  inner->where = sql::and_also(alive(*through, t), alive(*to.collection, g));
  sql::Join join;
  join.table.alias = to.alias;
  join.table.select = std::move(inner);
  join.on = sql::eq(sql::column(to.alias, "__source"), std::move(source_key));
  return join;
}

}  // namespace halcyon::data
