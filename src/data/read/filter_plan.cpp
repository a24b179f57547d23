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

bool has_null(const json::Value& operand) {
  if (!operand.is_array()) return operand.is_null();
  return std::ranges::any_of(operand.get_array(), [](const auto& item) { return item.is_null(); });
}

// False or unknown when the value is NULL, as it is without a related row.
bool rejects_null(const FilterNode& node) {
  switch (node.kind) {
    case FilterNode::Kind::kNot:
      return false;
    case FilterNode::Kind::kAnd:
      return std::ranges::any_of(node.children, rejects_null);
    case FilterNode::Kind::kOr:
      return std::ranges::all_of(node.children, rejects_null);
    case FilterNode::Kind::kCondition:
      break;
  }
  switch (node.op) {
    case Op::kExists:
    case Op::kNotEmpty:
      return true;
    case Op::kEq:
    case Op::kIn:
    case Op::kGt:
    case Op::kGte:
    case Op::kLt:
    case Op::kLte:
    case Op::kBetween:
    case Op::kIncludes:
    case Op::kStartsWith:
    case Op::kEndWith:
    case Op::kLike:
    case Op::kILike:
    case Op::kDateOn:
    case Op::kDateBefore:
    case Op::kDateNotBefore:
    case Op::kDateAfter:
    case Op::kDateNotAfter:
    case Op::kDateBetween:
    case Op::kAnyOf:
      return !has_null(*node.operand);
    default:
      return false;
  }
}

// Do all paths go through this relation of the root, or ask whether it has a row?
bool is_about(const FilterNode& node, const std::string& relation) {
  if (node.kind != FilterNode::Kind::kCondition)
    return std::ranges::all_of(node.children,
                               [&](const FilterNode& child) { return is_about(child, relation); });
  if (node.path.front() != relation) return false;
  return node.path.size() > 1 || node.op == Op::kExists || node.op == Op::kNotEmpty;
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

Result<sql::Expr> FilterPlanner::emit_all(const Group& group, JoinTree& tree, size_t skip) {
  std::vector<sql::Expr> parts;
  for (const FilterNode* member : group.members) {
    TRY(sql::Expr part, emit(*member, tree, skip));
    parts.push_back(std::move(part));
  }
  if (parts.size() == 1) return parts.front();
  return sql::all_of(std::move(parts));
}

Result<sql::Expr> FilterPlanner::plan_group(const Group& group) {
  if (const schema::Field* relation = direct_relation(group)) return plan_direct(group, *relation);
  const schema::Collection& collection = *tree_.root().collection;
  const std::vector<std::string>& keys = row_key(collection);
  if (keys.empty())
    return invalid("INVALID_FILTER", "Collection \"" + collection.name +
                                         "\" has no primary key, so it cannot be filtered by \"" +
                                         group.prefixes.front() + "\"");
  auto inner = std::make_shared<sql::Select>();
  const std::string alias = aliases_.next("s");
  JoinTree tree(*call_.model, collection, alias, aliases_);
  TRY(inner->where, emit_all(group, tree, 0));
  std::vector<sql::Expr> outer_keys;
  for (const std::string& key : keys) {
    TRY(sql::Expr outer, key_column(collection, tree_.root().alias, key));
    TRY(sql::Expr own, key_column(collection, alias, key));
    outer_keys.push_back(std::move(outer));
    inner->columns.push_back({std::move(own), "k" + std::to_string(inner->columns.size())});
  }
  inner->from = collection.table_ref(alias);
  inner->joins = tree.take_joins();
  return sql::make(sql::InSelect{std::move(outer_keys), std::move(inner), false});
}

const schema::Field* FilterPlanner::direct_relation(const Group& group) const {
  if (group.prefixes.size() != 1) return nullptr;
  const schema::Field* field = tree_.root().collection->find(group.prefixes.front());
  if (field == nullptr || !field->relation) return nullptr;
  const schema::RelationKind kind = field->relation->kind;
  const bool keyed = kind == schema::RelationKind::kHasMany ||
                     kind == schema::RelationKind::kHasOne ||
                     kind == schema::RelationKind::kBelongsToMany;
  auto member = [](const FilterNode* node) -> const FilterNode& { return *node; };
  const bool fits =
      keyed && std::ranges::any_of(group.members, rejects_null, member) &&
      std::ranges::all_of(
          group.members, [&](const FilterNode& node) { return is_about(node, field->name); },
          member);
  return fits ? field : nullptr;
}

Result<sql::Expr> FilterPlanner::plan_direct(const Group& group, const schema::Field& relation) {
  const schema::Relation& rel = *relation.relation;
  const schema::Collection& root = *tree_.root().collection;
  if (!trusted_ && !readable_.can_probe(root, relation)) return not_readable(relation.name);
  TRY(const schema::Collection* target, relation_target(*call_.model, relation));
  auto inner = std::make_shared<sql::Select>();
  const std::string alias = aliases_.next("s");
  JoinTree tree(*call_.model, *target, alias, aliases_);
  TRY(inner->where, emit_all(group, tree, 1));
  inner->from = target->table_ref(alias);
  sql::Expr key;
  if (rel.kind == schema::RelationKind::kBelongsToMany) {
    const schema::Collection* through = call_.model->find(rel.through);
    if (through == nullptr)
      return fail(Code::kInternal, "BROKEN_RELATION",
                  "Collection \"" + rel.through + "\" does not exist");
    const std::string link = aliases_.next("t");
    TRY(key, key_column(*through, link, rel.foreign_key));
    TRY(sql::Expr other, key_column(*through, link, rel.other_key));
    TRY(sql::Expr target_key, key_column(*target, alias, rel.target_key));
    inner->joins.push_back(
        {false, through->table_ref(link),
         sql::and_also(sql::eq(std::move(other), std::move(target_key)), alive(*through, link))});
  } else {
    TRY(key, key_column(*target, alias, rel.foreign_key));
  }
  for (sql::Join& join : tree.take_joins()) inner->joins.push_back(std::move(join));
  inner->columns.push_back({std::move(key), "k0"});
  inner->where = sql::and_also(std::move(inner->where), alive(*target, alias));
  TRY(sql::Expr source_key, key_column(root, tree_.root().alias, rel.source_key));
  return sql::make(sql::InSelect{{std::move(source_key)}, std::move(inner), false});
}

Result<sql::Expr> FilterPlanner::emit(const FilterNode& node, JoinTree& tree, size_t skip) {
  if (node.kind == FilterNode::Kind::kCondition) return emit_condition(node, tree, skip);
  std::vector<sql::Expr> parts;
  parts.reserve(node.children.size());
  for (const FilterNode& child : node.children) {
    TRY(sql::Expr part, emit(child, tree, skip));
    parts.push_back(std::move(part));
  }
  if (node.kind == FilterNode::Kind::kNot) return sql::negate(parts.front());
  return node.kind == FilterNode::Kind::kAnd ? sql::all_of(std::move(parts))
                                             : sql::any_of(std::move(parts));
}

namespace {

// Is this the place where NocoBase shows which of the inheriting collections a row is of?
bool names_collection(const schema::Collection& collection, std::string_view name) {
  if (name == "__collection" || name == "tableoid") return true;
  const schema::Field* field = collection.find(name);
  return field != nullptr && field->type == "virtual";
}

// Without inheritance every row is of the collection it is read from.
Result<sql::Expr> child_in(const FilterNode& node, const schema::Collection& collection) {
  const json::Value& operand = *node.operand;
  bool named = operand.is_string() && json::as_view(operand) == collection.name;
  bool good = operand.is_string() || operand.is_null() || operand.is_array();
  if (operand.is_array()) {
    for (const json::Value& item : operand.get_array()) {
      good = good && item.is_string();
      named = named || (item.is_string() && json::as_view(item) == collection.name);
    }
  }
  if (!good) {
    return fail(Error(Code::kInvalidArgument, "INVALID_VALUE",
                      "\"" + dotted(node.path) + "\" must be given names of collections")
                    .with_field(dotted(node.path))
                    .with_expected("a list of collection names"));
  }
  return sql::boolean(named == (node.op == Op::kChildIn));
}

}  // namespace

Status FilterPlanner::check_readable(const schema::Collection& collection,
                                     const schema::Field& field, const FilterNode& node) {
  if (trusted_ || readable_.can_probe(collection, field)) return {};
  return not_readable(dotted(node.path));
}

Result<sql::Expr> FilterPlanner::emit_condition(const FilterNode& node, JoinTree& tree,
                                                size_t skip) {
  if (node.path.size() <= skip) return sql::boolean(true);  // the related row is there
  JoinTree::Node* at = &tree.root();
  for (size_t i = skip; i < node.path.size(); ++i) {
    const std::string& name = node.path[i];
    if ((node.op == Op::kChildIn || node.op == Op::kChildNotIn) && i + 1 == node.path.size() &&
        names_collection(*at->collection, name)) {
      return child_in(node, *at->collection);
    }
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
