#include "data/read/shape.h"

#include <algorithm>

#include "data/read/filter_plan.h"
#include "data/read/sort.h"

namespace halcyon::data {
namespace {

using schema::RelationKind;

constexpr int kMaxJoinedDepth = 3;

Result<const schema::Field*> key_field(const schema::Collection& collection,
                                       const std::string& name) {
  const schema::Field* field = collection.find(name);
  if (field != nullptr && !field->column.empty()) return field;
  return fail(Code::kInternal, "BROKEN_RELATION",
              "Collection \"" + collection.name + "\" lacks the key \"" + name + "\"");
}

}  // namespace

size_t Columns::add(const std::string& alias, const std::string& column) {
  for (size_t i = 0; i < columns_.size(); ++i)
    if (columns_[i].second == column && columns_[i].first == alias) return i;
  columns_.emplace_back(alias, column);
  return columns_.size() - 1;
}

std::vector<sql::OutputColumn> Columns::take() {
  std::vector<sql::OutputColumn> out;
  out.reserve(columns_.size() + 1);
  for (auto& [alias, column] : columns_) {
    std::string name = "c" + std::to_string(out.size());
    out.push_back({sql::column(std::move(alias), std::move(column)), std::move(name)});
  }
  // A row without columns could not be counted.
  if (out.empty()) out.push_back({sql::literal("1"), "c0"});
  columns_.clear();
  return out;
}

std::vector<sql::Order> plain_order(const schema::Collection& collection, const std::string& alias,
                                    const std::vector<std::string>& sort_by) {
  std::vector<sql::Order> orders;
  std::vector<std::string_view> used;
  auto add = [&](std::string_view name) {
    const bool descending = name.starts_with('-');
    if (descending) name.remove_prefix(1);
    const schema::Field* field = collection.find(name);
    if (field == nullptr || field->column.empty()) return;
    if (std::ranges::find(used, name) != used.end()) return;
    used.push_back(name);
    orders.push_back({sql::column(alias, field->column), descending,
                      field->nullable ? sql::Nulls::kLast : sql::Nulls::kDefault});
  };
  for (const std::string& name : sort_by) add(name);
  for (const std::string& key : row_key(collection)) add(key);
  return orders;
}

Result<Shape> ShapeBuilder::build(const Selection& selection, JoinTree& tree, JoinTree::Node& node,
                                  Columns& columns, int joined_depth) {
  Shape shape;
  shape.collection = selection.collection;
  shape.fields.reserve(selection.fields.size());
  for (const schema::Field* field : selection.fields)
    shape.fields.push_back({field, columns.add(node.alias, field->column)});
  for (const Selection::Nested& nested : selection.appends) {
    const bool join = may_join_ && !nested.recursive && joined_depth < kMaxJoinedDepth &&
                      is_single(*call_.model, *nested.relation->relation, *selection.collection);
    TRY(Append append, join ? joined(nested, tree, node, columns, joined_depth + 1)
                            : batched(nested, node, columns));
    shape.appends.push_back(std::move(append));
  }
  return shape;
}

Result<Append> ShapeBuilder::joined(const Selection::Nested& nested, JoinTree& tree,
                                    JoinTree::Node& node, Columns& columns, int joined_depth) {
  const schema::Relation& rel = *nested.relation->relation;
  TRY(JoinTree::Node * other, tree.follow(node, *nested.relation));
  const std::string& key = rel.kind == RelationKind::kBelongsTo ? rel.target_key : rel.foreign_key;
  TRY(const schema::Field* field, key_field(*other->collection, key));
  Append append;
  append.name = nested.relation->name;
  append.relation = nested.relation;
  append.joined = true;
  append.key_column = columns.add(other->alias, field->column);
  TRY(append.shape, build(*nested.selection, tree, *other, columns, joined_depth));
  return append;
}

Result<Append> ShapeBuilder::batched(const Selection::Nested& nested, const JoinTree::Node& node,
                                     Columns& columns) {
  const schema::Relation& rel = *nested.relation->relation;
  const bool own_key =
      rel.kind == RelationKind::kBelongsTo || rel.kind == RelationKind::kBelongsToArray;
  TRY(const schema::Field* source,
      key_field(*node.collection, own_key ? rel.foreign_key : rel.source_key));
  Append append;
  append.name = nested.relation->name;
  append.relation = nested.relation;
  append.source_column = columns.add(node.alias, source->column);
  append.to_many = rel.to_many();
  append.recursive = nested.recursive;
  TRY_STATUS(batch_statement(nested, append));
  return append;
}

Status ShapeBuilder::batch_statement(const Selection::Nested& nested, Append& append) {
  const schema::Relation& rel = *nested.relation->relation;
  const schema::Collection& target = *nested.selection->collection;
  const std::string root = "r";
  Columns columns;
  Aliases aliases;
  JoinTree tree(*call_.model, target, root, aliases);
  ShapeBuilder inner(call_);
  TRY(append.shape, inner.build(*nested.selection, tree, tree.root(), columns));
  sql::Select& select = append.batch;
  std::string match_alias = root;
  const schema::Collection* match_collection = &target;
  std::string match_key = rel.foreign_key;
  if (rel.kind == RelationKind::kBelongsTo || rel.kind == RelationKind::kBelongsToArray)
    match_key = rel.target_key;
  std::vector<sql::Join> first_joins;
  if (rel.kind == RelationKind::kBelongsToMany) {
    match_collection = call_.model->find(rel.through);
    if (match_collection == nullptr)
      return fail(Code::kInternal, "BROKEN_RELATION",
                  "Collection \"" + rel.through + "\" does not exist");
    match_alias = "t";
    TRY(sql::Expr other, key_column(*match_collection, match_alias, rel.other_key));
    TRY(sql::Expr key, key_column(target, root, rel.target_key));
    first_joins.push_back({false, match_collection->table_ref(match_alias),
                           sql::and_also(sql::eq(std::move(other), std::move(key)),
                                         alive(*match_collection, match_alias))});
    Append link;
    link.name = match_collection->name;
    link.joined = true;
    link.shape.collection = match_collection;
    for (const schema::Field& field : match_collection->fields)
      if (is_showable(field) && !field.relation)
        link.shape.fields.push_back({&field, columns.add(match_alias, field.column)});
    TRY(const schema::Field* fk, key_field(*match_collection, rel.foreign_key));
    link.key_column = columns.add(match_alias, fk->column);
    append.shape.appends.push_back(std::move(link));
  }
  TRY(const schema::Field* match, key_field(*match_collection, match_key));
  append.match = sql::column(match_alias, match->column);
  append.match_type = match->storage.type;
  append.match_column = columns.add(match_alias, match->column);
  if (append.recursive) {
    const bool own_key = rel.kind == RelationKind::kBelongsTo;
    TRY(const schema::Field* source, key_field(target, own_key ? rel.foreign_key : rel.source_key));
    append.self_column = columns.add(root, source->column);
  }
  select.columns = columns.take();
  select.from = target.table_ref(root);
  select.joins = std::move(first_joins);
  for (sql::Join& join : tree.take_joins()) select.joins.push_back(std::move(join));
  select.where = alive(target, root);
  select.order_by = plain_order(target, root, rel.sort_by);
  return {};
}

Result<Append> ShapeBuilder::tree_children(Readable& readable, const Selection& selection,
                                           Columns& parent, const std::string& parent_alias,
                                           const std::vector<std::string>& sort) {
  const schema::Collection& collection = *selection.collection;
  if (collection.primary_key.size() != 1)
    return invalid("INVALID_PARAMETER", "\"tree\" needs a collection with one primary key");
  TRY(const schema::Field* key, key_field(collection, collection.primary_key.front()));
  TRY(const schema::Field* parent_id, key_field(collection, "parentId"));
  const std::string root = "r";
  Append append;
  append.name = "children";
  append.recursive = append.tree = append.to_many = true;
  append.source_column = parent.add(parent_alias, key->column);
  Columns columns;
  Aliases aliases;
  JoinTree tree(*call_.model, collection, root, aliases);
  ShapeBuilder inner(call_);
  TRY(append.shape, inner.build(selection, tree, tree.root(), columns));
  append.match = sql::column(root, parent_id->column);
  append.match_type = parent_id->storage.type;
  append.match_column = columns.add(root, parent_id->column);
  append.self_column = columns.add(root, key->column);
  TRY(append.batch.order_by, plan_sort(call_, readable, tree, aliases, sort));
  append.batch.columns = columns.take();
  append.batch.from = collection.table_ref(root);
  FilterPlanner planner(call_, readable, tree, aliases, true);
  TRY(sql::Expr scope, planner.plan(readable.grant(collection).scope));
  append.batch.where = sql::and_also(alive(collection, root), std::move(scope));
  append.batch.joins = tree.take_joins();
  return append;
}

}  // namespace halcyon::data
