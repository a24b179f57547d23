#include "data/read/sort.h"

#include <algorithm>

#include "data/read/shape.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

constexpr size_t kMaxSortKeys = 32;

std::unexpected<Error> bad_sort(std::string_view path, std::string_view why) {
  return fail(Error(Code::kInvalidArgument, "INVALID_SORT",
                    "Cannot sort by \"" + std::string(path) + "\": " + std::string(why))
                  .with_field(std::string(path)));
}

class SortPlanner {
 public:
  SortPlanner(const Call& call, Readable& readable, JoinTree& tree, Aliases& aliases)
      : call_(call), readable_(readable), tree_(tree), aliases_(aliases) {}

  Result<sql::Order> one(std::string_view entry) {
    const std::string_view whole = entry;
    sql::Order order;
    if (entry.starts_with('-') || entry.starts_with('+')) {
      order.descending = entry.front() == '-';
      entry.remove_prefix(1);
    }
    JoinTree::Node* at = &tree_.root();
    const std::vector<std::string_view> parts = split(entry, '.');
    for (size_t i = 0; i < parts.size(); ++i) {
      TRY(const schema::Field* field, find(*at->collection, parts[i], entry));
      if (i + 1 == parts.size()) {
        TRY_STATUS(check_sortable(*field, whole));
        order.expr = sql::column(at->alias, field->column);
        const bool nulls = field->nullable || i > 0;
        order.nulls = nulls ? sql::Nulls::kLast : sql::Nulls::kDefault;
        return order;
      }
      if (!field->relation)
        return bad_sort(entry, "\"" + std::string(parts[i]) + "\" is no association");
      if (is_single(*call_.model, *field->relation, *at->collection)) {
        TRY(at, tree_.follow(*at, *field));
        continue;
      }
      if (field->relation->to_many()) return bad_sort(entry, "it has several related rows");
      if (i + 2 != parts.size()) return bad_sort(entry, "its keys are not unique");
      TRY(order.expr, first_related(*at, *field, parts[i + 1], entry));
      return order;
    }
    return bad_sort(whole, "it is empty");
  }

 private:
  Result<const schema::Field*> find(const schema::Collection& collection, std::string_view name,
                                    std::string_view path) {
    const schema::Field* field = collection.find(name);
    if (field == nullptr) {
      return fail(Error(Code::kInvalidArgument, "UNKNOWN_FIELD",
                        "Collection \"" + collection.name + "\" has no field \"" +
                            std::string(name) + "\" to sort by")
                      .with_field(std::string(path)));
    }
    if (!readable_.can_probe(collection, *field)) return not_readable(std::string(path));
    return field;
  }

  static Status check_sortable(const schema::Field& field, std::string_view path) {
    if (field.relation) return bad_sort(path, "name a field of the association");
    const schema::Family family = field.kind->family();
    const bool opaque = family == schema::Family::kArray || family == schema::Family::kJson ||
                        family == schema::Family::kBytes || family == schema::Family::kNone;
    if (field.column.empty() || opaque) return bad_sort(path, "its values have no order");
    return {};
  }

  // A to-one relation whose keys are not known to be unique: the first row by key.
  Result<sql::Expr> first_related(const JoinTree::Node& from, const schema::Field& relation,
                                  std::string_view name, std::string_view path) {
    const schema::Relation& rel = *relation.relation;
    const bool own = rel.kind == schema::RelationKind::kBelongsTo;
    TRY(const schema::Collection* target, relation_target(*call_.model, relation));
    TRY(const schema::Field* field, find(*target, name, path));
    TRY_STATUS(check_sortable(*field, path));
    const std::string alias = aliases_.next("o");
    auto inner = std::make_shared<sql::Select>();
    TRY(sql::Expr theirs, key_column(*target, alias, own ? rel.target_key : rel.foreign_key));
    TRY(sql::Expr ours,
        key_column(*from.collection, from.alias, own ? rel.foreign_key : rel.source_key));
    inner->columns.push_back({sql::column(alias, field->column), "v"});
    inner->from = target->table_ref(alias);
    inner->where =
        sql::and_also(sql::eq(std::move(theirs), std::move(ours)), alive(*target, alias));
    inner->order_by = plain_order(*target, alias, rel.sort_by);
    inner->limit = 1;
    return sql::make(sql::ScalarSelect{std::move(inner)});
  }

  const Call& call_;
  Readable& readable_;
  JoinTree& tree_;
  Aliases& aliases_;
};

}  // namespace

Result<std::vector<sql::Order>> plan_sort(const Call& call, Readable& readable, JoinTree& tree,
                                          Aliases& aliases, const std::vector<std::string>& sort) {
  if (sort.size() > kMaxSortKeys)
    return invalid("INVALID_SORT", "At most 32 fields can be sorted by");
  std::vector<sql::Order> orders;
  SortPlanner planner(call, readable, tree, aliases);
  std::vector<std::string_view> named;
  for (const std::string& entry : sort) {
    if (trim(entry).empty()) continue;
    const std::string_view plain = trim(entry);
    TRY(sql::Order order, planner.one(plain));
    orders.push_back(std::move(order));
    const bool sign = plain.starts_with('-') || plain.starts_with('+');
    named.push_back(sign ? plain.substr(1) : plain);
  }
  const schema::Collection& collection = *tree.root().collection;
  for (const std::string& key : row_key(collection)) {
    if (std::ranges::find(named, key) != named.end()) continue;
    TRY(sql::Expr column, key_column(collection, tree.root().alias, key));
    orders.push_back({std::move(column), false, sql::Nulls::kDefault});
  }
  return orders;
}

}  // namespace halcyon::data
