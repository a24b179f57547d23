#include "data/read/list_plan.h"

#include <algorithm>
#include <set>

#include "data/read/association.h"
#include "data/read/filter_plan.h"
#include "data/read/sort.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

using schema::RelationKind;

constexpr int64_t kMaxPageSize = 1000000000;  // a guard against overflow, not a policy

std::unexpected<Error> bad_parameter(std::string name, std::string expected) {
  return fail(
      Error(Code::kInvalidArgument, "INVALID_PARAMETER", "\"" + name + "\" must be " + expected)
          .with_field(name)
          .with_expected(expected));
}

// Fields left out for isTemplate: what makes a record this record and no other.
bool is_identity(const schema::Collection& collection, const schema::Field& field,
                 const std::set<std::string_view>& foreign_keys) {
  static constexpr std::string_view kNames[] = {"createdAt", "updatedAt", "createdById",
                                                "updatedById", "deletedAt"};
  static constexpr std::string_view kTypes[] = {"sort", "password", "sequence"};
  return field.primary_key ||
         std::ranges::find(collection.primary_key, field.name) != collection.primary_key.end() ||
         std::ranges::find(kNames, field.name) != std::end(kNames) ||
         std::ranges::find(kTypes, field.type) != std::end(kTypes) ||
         foreign_keys.contains(field.name);
}

void strip_identity(Selection& selection) {
  std::set<std::string_view> foreign_keys;
  for (const schema::Field& field : selection.collection->fields)
    if (field.relation && field.relation->kind == RelationKind::kBelongsTo)
      foreign_keys.insert(field.relation->foreign_key);
  std::erase_if(selection.fields, [&](const schema::Field* field) {
    return is_identity(*selection.collection, *field, foreign_keys);
  });
  std::erase_if(selection.appends, [](const Selection::Nested& nested) {
    return nested.relation->name == "createdBy" || nested.relation->name == "updatedBy";
  });
  for (Selection::Nested& nested : selection.appends) {
    // A related record keeps its key: the copy links to the same one.
    if (nested.relation->relation->kind == RelationKind::kHasMany ||
        nested.relation->relation->kind == RelationKind::kHasOne)
      strip_identity(*nested.selection);
  }
}

bool is_key_pair(const schema::Collection& through, const schema::Relation& rel) {
  auto is_pair = [&](const std::vector<std::string>& keys, const std::string& a,
                     const std::string& b) {
    return keys.size() == 2 && std::ranges::find(keys, a) != keys.end() &&
           std::ranges::find(keys, b) != keys.end();
  };
  if (is_pair(through.primary_key, rel.foreign_key, rel.other_key)) return true;
  const schema::Field* a = through.find(rel.foreign_key);
  const schema::Field* b = through.find(rel.other_key);
  if (a == nullptr || b == nullptr) return false;
  return std::ranges::any_of(through.indexes, [&](const sql::IndexSpec& index) {
    return index.unique && is_pair(index.columns, a->column, b->column);
  });
}

class ListPlanner {
 public:
  ListPlanner(const Call& call, const Target& target, const Params& params,
              const json::Value& extra)
      : call_(call),
        target_(target),
        params_(params),
        extra_(extra),
        collection_(*target.collection),
        readable_(call.permissions),
        tree_(*call.model, collection_, "r", aliases_) {}

  Result<ListPlan> plan(ListKind kind) {
    TRY_STATUS(check_view(readable_, collection_));
    ListPlan plan;
    TRY_STATUS(plan_where());
    const size_t filter_joins = tree_.joins().size();
    TRY(Selection selection, select_fields(call_, readable_, collection_, params_));
    if (params_.is_template) strip_identity(selection);
    // A page further on, or one that is picked and sorted first, would join every row it skips.
    const bool few_rows =
        kind == ListKind::kGet || (params_.page == 1 && params_.sort.empty() && where_ == nullptr);
    ShapeBuilder builder(call_, few_rows);
    TRY(plan.shape, builder.build(selection, tree_, tree_.root(), columns_));
    if (with_tree(kind)) {
      TRY(Append children,
          builder.tree_children(readable_, selection, columns_, "r", params_.sort));
      plan.shape.appends.push_back(std::move(children));
    }
    TRY_STATUS(add_through_row(plan.shape));
    TRY(plan.page.order_by, plan_sort(call_, readable_, tree_, aliases_, params_.sort));
    plan.page.from = plan.count.from = collection_.table_ref("r");
    plan.page.joins = tree_.take_joins();
    plan.count.joins.assign(plan.page.joins.begin(),
                            plan.page.joins.begin() + static_cast<ptrdiff_t>(filter_joins));
    plan.page.joins.insert(plan.page.joins.begin(), through_joins_.begin(), through_joins_.end());
    plan.page.columns = columns_.take();
    plan.page.where = where_;
    plan.count.where = where_;
    plan.count.columns.push_back({sql::call(sql::Fn::kCount), "n"});
    TRY_STATUS(plan_paging(plan, kind));
    plan.tables = tables_;
    return plan;
  }

  Result<sql::Select> plan_matches() {
    TRY_STATUS(check_view(readable_, collection_));
    TRY_STATUS(plan_where());
    sql::Select select;
    const std::string& key = collection_.primary_key.front();
    for (const std::string& name : {key, std::string("parentId")}) {
      TRY(sql::Expr column, key_column(collection_, "r", name));
      select.columns.push_back({std::move(column), name});
    }
    select.from = collection_.table_ref("r");
    select.joins = tree_.take_joins();
    select.where = where_;
    return select;
  }

 private:
  bool with_tree(ListKind kind) const {
    return kind == ListKind::kList && params_.tree && collection_.tree;
  }

  Status plan_where() {
    FilterPlanner user(call_, readable_, tree_, aliases_, false);
    FilterPlanner server(call_, readable_, tree_, aliases_, true);
    TRY(sql::Expr filter, user.plan(params_.filter));
    TRY(sql::Expr scope, server.plan(readable_.grant(collection_).scope));
    TRY(sql::Expr extra, server.plan(extra_));
    TRY(sql::Expr source, plan_source_condition(call_, target_, "r", aliases_));
    sql::Expr key;
    if (!params_.filter_by_tk.is_null()) {
      TRY(key, plan_filter_by_tk(call_, collection_, "r", params_.filter_by_tk));
    }
    where_ = sql::and_also(sql::and_also(std::move(key), std::move(source)),
                           sql::and_also(std::move(scope), std::move(filter)));
    where_ =
        sql::and_also(sql::and_also(std::move(where_), std::move(extra)), alive(collection_, "r"));
    collect_tables();
    return {};
  }

  // Coarse and safe: the collection, its source, and everything within reach of a filter.
  void collect_tables() {
    tables_.push_back(collection_.name);
    if (target_.source != nullptr) tables_.push_back(target_.source->name);
    if (target_.association != nullptr && target_.association->relation &&
        !target_.association->relation->through.empty())
      tables_.push_back(target_.association->relation->through);
    collect_from(params_.filter);
    collect_from(readable_.grant(collection_).scope);
  }
  void collect_from(const json::Value& filter) {
    if (!filter.is_object() && !filter.is_array()) return;
    Result<ParsedFilter> parsed = parse_filter(filter);
    if (parsed && parsed->root) collect_from(*parsed->root);
  }
  void collect_from(const FilterNode& node) {
    for (const FilterNode& child : node.children) collect_from(child);
    const schema::Collection* at = &collection_;
    for (const std::string& name : node.path) {
      const schema::Field* field = at->find(name);
      if (field == nullptr || !field->relation) return;
      at = call_.model->find(field->relation->target);
      if (at == nullptr) return;
      tables_.push_back(at->name);
      if (!field->relation->through.empty()) tables_.push_back(field->relation->through);
    }
  }

  // `posts/1/tags`: each tag shows its row of the through collection.
  Status add_through_row(Shape& shape) {
    if (target_.association == nullptr || !target_.association->relation) return {};
    const schema::Relation& rel = *target_.association->relation;
    if (rel.kind != RelationKind::kBelongsToMany) return {};
    const schema::Collection* through = call_.model->find(rel.through);
    if (through == nullptr || !is_key_pair(*through, rel)) return {};
    const std::string t = "l";
    TRY(sql::Expr fk, key_column(*through, t, rel.foreign_key));
    TRY(sql::Expr other, key_column(*through, t, rel.other_key));
    TRY(sql::Expr key, key_column(collection_, "r", rel.target_key));
    TRY(sql::Expr id,
        source_key_operand(call_, *target_.source, rel.source_key, target_.source_id));
    through_joins_.push_back(
        {true, through->table_ref(t),
         sql::all_of({sql::eq(std::move(other), std::move(key)), sql::eq(std::move(fk), id)})});
    Append link;
    link.name = through->name;
    link.joined = true;
    link.shape.collection = through;
    for (const schema::Field& field : through->fields)
      if (is_showable(field) && !field.relation)
        link.shape.fields.push_back({&field, columns_.add(t, field.column)});
    link.key_column = columns_.add(t, through->find(rel.foreign_key)->column);
    shape.appends.push_back(std::move(link));
    return {};
  }

  Status plan_paging(ListPlan& plan, ListKind kind) {
    if (kind == ListKind::kGet) {
      plan.page.limit = 1;
      return {};
    }
    if (!params_.paginate) return {};
    if (params_.page < 1 || params_.page > kMaxPageSize)
      return bad_parameter("page", "a whole number from 1");
    if (params_.page_size < 1 || params_.page_size > kMaxPageSize)
      return bad_parameter("pageSize", "a whole number from 1");
    plan.simple = collection_.simple_paginate;
    plan.count_wanted = !plan.simple;
    plan.page.limit = params_.page_size + (plan.simple ? 1 : 0);
    const int64_t offset = (params_.page - 1) * params_.page_size;
    if (offset > 0) plan.page.offset = offset;
    return {};
  }

  const Call& call_;
  const Target& target_;
  const Params& params_;
  const json::Value& extra_;
  const schema::Collection& collection_;
  Readable readable_;
  Aliases aliases_;
  JoinTree tree_;
  Columns columns_;
  sql::Expr where_;
  std::vector<sql::Join> through_joins_;
  std::vector<std::string> tables_;
};

}  // namespace

Result<ListPlan> plan_list(const Call& call, const Target& target, const Params& params,
                           ListKind kind, const json::Value& extra) {
  return ListPlanner(call, target, params, extra).plan(kind);
}

Result<sql::Select> plan_tree_matches(const Call& call, const Target& target, const Params& params,
                                      const json::Value& extra) {
  return ListPlanner(call, target, params, extra).plan_matches();
}

}  // namespace halcyon::data
