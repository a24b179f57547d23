#include "data/read/filter_plan.h"

#include <algorithm>

#include "schema/field_type.h"

namespace halcyon::data {
namespace {

bool is_index(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

void split_conjuncts(const FilterNode& node, std::vector<const FilterNode*>& out) {
  if (node.kind != FilterNode::Kind::kAnd) {
    out.push_back(&node);
    return;
  }
  for (const FilterNode& child : node.children) split_conjuncts(child, out);
}

std::unexpected<Error> unknown(const schema::Collection& collection, std::string_view name,
                               const FilterNode& node) {
  return fail(Error(Code::kInvalidArgument, "UNKNOWN_FIELD",
                    "\"" + std::string(name) +
                        "\" is neither an association nor an attribute of \"" + collection.name +
                        "\"")
                  .with_field(dotted(node.path)));
}

bool is_json(const schema::Field& field) {
  const schema::Family family = field.kind->family();
  return family == schema::Family::kJson || family == schema::Family::kArray;
}

}  // namespace

Result<sql::Expr> FilterPlanner::plan(const json::Value& filter) {
  TRY(const json::Value resolved, resolve_variables(call_, filter));
  TRY(ParsedFilter parsed, parse_filter(resolved));
  if (!parsed.root) return nullptr;
  std::vector<const FilterNode*> conjuncts;
  split_conjuncts(*parsed.root, conjuncts);
  std::vector<sql::Expr> parts;
  std::vector<Group> groups;
  for (const FilterNode* conjunct : conjuncts) {
    std::vector<std::string> prefixes;
    collect_prefixes(*conjunct, prefixes);
    if (!prefixes.empty()) {
      add_to_group(groups, std::move(prefixes), *conjunct);
      continue;
    }
    TRY(sql::Expr part, emit(*conjunct, tree_));
    parts.push_back(std::move(part));
  }
  for (const Group& group : groups) {
    TRY(sql::Expr part, plan_group(group));
    parts.push_back(std::move(part));
  }
  if (parts.size() == 1) return parts.front();
  return sql::all_of(std::move(parts));
}

// The paths, up to and with their first relation that may have several rows at the other end.
void FilterPlanner::collect_prefixes(const FilterNode& node, std::vector<std::string>& out) const {
  for (const FilterNode& child : node.children) collect_prefixes(child, out);
  const schema::Collection* at = tree_.root().collection;
  std::string prefix;
  for (const std::string& name : node.path) {
    if (at == nullptr) return;
    const schema::Field* field = at->find(name);
    if (field == nullptr && is_index(name)) continue;
    if (field == nullptr || !field->relation) return;
    prefix += prefix.empty() ? name : "." + name;
    if (!is_single(*call_.model, *field->relation, *at)) {
      if (std::ranges::find(out, prefix) == out.end()) out.push_back(std::move(prefix));
      return;
    }
    at = call_.model->find(field->relation->target);
  }
}

void FilterPlanner::add_to_group(std::vector<Group>& groups, std::vector<std::string> prefixes,
                                 const FilterNode& node) const {
  Group merged{std::move(prefixes), {}};
  std::erase_if(groups, [&](Group& group) {
    const bool shared = std::ranges::any_of(group.prefixes, [&](const std::string& prefix) {
      return std::ranges::find(merged.prefixes, prefix) != merged.prefixes.end();
    });
    if (!shared) return false;
    merged.members.insert(merged.members.end(), group.members.begin(), group.members.end());
    merged.prefixes.insert(merged.prefixes.end(), group.prefixes.begin(), group.prefixes.end());
    return true;
  });
  merged.members.push_back(&node);
  groups.push_back(std::move(merged));
}

Result<sql::Expr> FilterPlanner::plan_group(const Group& group) {
  const schema::Collection& collection = *tree_.root().collection;
  const std::vector<std::string>& keys = row_key(collection);
  if (keys.empty())
    return invalid("INVALID_FILTER", "Collection \"" + collection.name +
                                         "\" has no primary key, so it cannot be filtered by \"" +
                                         group.prefixes.front() + "\"");
  auto inner = std::make_shared<sql::Select>();
  const std::string alias = aliases_.next("s");
  JoinTree tree(*call_.model, collection, alias, aliases_);
  std::vector<sql::Expr> parts, outer_keys;
  for (const FilterNode* member : group.members) {
    TRY(sql::Expr part, emit(*member, tree));
    parts.push_back(std::move(part));
  }
  for (const std::string& key : keys) {
    TRY(sql::Expr outer, key_column(collection, tree_.root().alias, key));
    TRY(sql::Expr own, key_column(collection, alias, key));
    outer_keys.push_back(std::move(outer));
    inner->columns.push_back({std::move(own), "k" + std::to_string(inner->columns.size())});
  }
  inner->from = collection.table_ref(alias);
  inner->joins = tree.take_joins();
  inner->where = parts.size() == 1 ? parts.front() : sql::all_of(std::move(parts));
  return sql::make(sql::InSelect{std::move(outer_keys), std::move(inner), false});
}

Result<sql::Expr> FilterPlanner::emit(const FilterNode& node, JoinTree& tree) {
  if (node.kind == FilterNode::Kind::kCondition) return emit_condition(node, tree);
  std::vector<sql::Expr> parts;
  parts.reserve(node.children.size());
  for (const FilterNode& child : node.children) {
    TRY(sql::Expr part, emit(child, tree));
    parts.push_back(std::move(part));
  }
  if (node.kind == FilterNode::Kind::kNot) return sql::negate(parts.front());
  return node.kind == FilterNode::Kind::kAnd ? sql::all_of(std::move(parts))
                                             : sql::any_of(std::move(parts));
}

Status FilterPlanner::check_readable(const schema::Collection& collection,
                                     const schema::Field& field, const FilterNode& node) {
  if (trusted_ || readable_.can_probe(collection, field)) return {};
  return not_readable(dotted(node.path));
}

Result<sql::Expr> FilterPlanner::emit_condition(const FilterNode& node, JoinTree& tree) {
  JoinTree::Node* at = &tree.root();
  for (size_t i = 0; i < node.path.size(); ++i) {
    const std::string& name = node.path[i];
    const schema::Field* field = at->collection->find(name);
    if (field == nullptr) {
      if (i > 0 && is_index(name) && i + 1 < node.path.size()) continue;  // a list index
      return unknown(*at->collection, name, node);
    }
    TRY_STATUS(check_readable(*at->collection, *field, node));
    const bool last = i + 1 == node.path.size();
    if (field->relation) {
      if (last) return emit_relation(node, tree, *at, *field);
      TRY(at, tree.follow(*at, *field));
      continue;
    }
    if (field->column.empty())
      return not_applicable(dotted(node.path), node.op, field->type, "a field that is stored");
    Subject subject;
    subject.field = field;
    subject.path = dotted(node.path);
    subject.expr = sql::column(at->alias, field->column);
    if (!last) {
      if (!is_json(*field)) return unknown(*at->collection, name + "." + node.path[i + 1], node);
      subject.json_path =
          dotted({node.path.begin() + static_cast<ptrdiff_t>(i) + 1, node.path.end()});
      subject.expr = sql::call(sql::Fn::kJsonExtractText,
                               {subject.expr, sql::param(sql::Value(subject.json_path))});
    }
    return build_predicate(call_, subject, node.op, *node.operand);
  }
  return invalid("INVALID_FILTER",
                 "The filter path \"" + dotted(node.path) + "\" ends in an index");
}

// "is there a related row?"
Result<sql::Expr> FilterPlanner::emit_relation(const FilterNode& node, JoinTree& tree,
                                               JoinTree::Node& at, const schema::Field& relation) {
  std::optional<bool> wanted;
  switch (node.op) {
    case Op::kExists:
    case Op::kNotEmpty:
      wanted = true;
      break;
    case Op::kNotExists:
    case Op::kEmpty:
      wanted = false;
      break;
    case Op::kEq:
    case Op::kIs:
      if (node.operand->is_null()) wanted = false;
      break;
    case Op::kNe:
    case Op::kNot:
      if (node.operand->is_null()) wanted = true;
      break;
    default:
      break;
  }
  if (!wanted) {
    return not_applicable(dotted(node.path), node.op, relation.type,
                          "$exists or $notExists, or a field of the related collection");
  }
  TRY(JoinTree::Node * other, tree.follow(at, relation));
  const std::vector<std::string>& keys = row_key(*other->collection);
  const std::string& key = keys.empty() ? relation.relation->target_key : keys.front();
  TRY(sql::Expr found, key_column(*other->collection, other->alias, key));
  return *wanted ? sql::is_not_null(std::move(found)) : sql::is_null(std::move(found));
}

}  // namespace halcyon::data
