#include "data/read/query_plan.h"

#include <algorithm>

#include "data/read/filter_plan.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

using schema::Family;
using sql::Fn;

constexpr int64_t kDefaultLimit = 2000;
constexpr size_t kMaxColumns = 100;
constexpr size_t kMaxFormat = 64;

std::unexpected<Error> bad(std::string_view where, std::string_view expected) {
  return fail(Error(Code::kInvalidArgument, "INVALID_QUERY",
                    "\"" + std::string(where) + "\" must be " + std::string(expected))
                  .with_field(std::string(where))
                  .with_expected(std::string(expected)));
}

// 'price' | 'customer.age' | ['customer', 'age']
Result<std::vector<std::string>> field_path(const json::Object& object, std::string_view where) {
  const json::Value* field = object.if_contains("field");
  std::vector<std::string> path;
  if (field != nullptr && field->is_string()) {
    for (std::string_view part : split(json::as_view(*field), '.')) path.emplace_back(part);
  } else if (field != nullptr && field->is_array()) {
    for (const json::Value& part : field->get_array()) {
      if (!part.is_string()) return bad(where, "a field path");
      path.emplace_back(json::as_view(part));
    }
  }
  if (path.empty() || path.size() > 2) return bad(where, "a field, of one association at most");
  return path;
}

class QueryPlanner {
 public:
  QueryPlanner(const Call& call, const Target& target, const Params& params)
      : call_(call),
        params_(params),
        collection_(*target.collection),
        readable_(call.permissions),
        tree_(*call.model, collection_, "r", aliases_) {}

  Result<QueryPlan> plan() {
    TRY_STATUS(check_view(readable_, collection_));
    static const json::Object kNone;
    const json::Object& body = params_.values.is_object() ? params_.values.get_object() : kNone;
    TRY_STATUS(each(body, "dimensions", [&](const json::Object& d) { return dimension(d); }));
    TRY_STATUS(each(body, "measures", [&](const json::Object& m) { return measure(m); }));
    if (items_.empty())
      return invalid("INVALID_QUERY", "A query needs at least one measure or dimension");
    if (items_.size() > kMaxColumns) return bad("measures", "100 columns at most");
    TRY_STATUS(where(body));
    if (std::ranges::any_of(items_, &Item::aggregated)) {
      for (const Item& item : items_)
        if (!item.aggregated) plan_.select.group_by.push_back(item.expr);
    }
    if (const json::Value* having = body.if_contains("having")) TRY_STATUS(plan_having(*having));
    TRY_STATUS(each(body, "orders", [&](const json::Object& o) { return order(o); }));
    TRY_STATUS(paging(body));
    for (Item& item : items_) {
      plan_.select.columns.push_back(
          {std::move(item.expr), "c" + std::to_string(plan_.columns.size())});
      plan_.columns.push_back(std::move(item.column));
    }
    plan_.select.from = collection_.table_ref("r");
    plan_.select.joins = tree_.take_joins();
    return std::move(plan_);
  }

 private:
  struct Item {
    QueryPlan::Column column;
    std::vector<std::string> path;
    sql::Expr expr;
    bool aggregated = false;
    bool number = false;  // an aggregate that is a number whatever the field is
  };

  template <class F>
  Status each(const json::Object& body, std::string_view name, F plan_one) {
    const json::Value* list = body.if_contains(name);
    if (list == nullptr || list->is_null()) return {};
    if (!list->is_array()) return bad(name, "a list of objects");
    for (const json::Value& item : list->get_array()) {
      if (!item.is_object()) return bad(name, "a list of objects");
      TRY_STATUS(plan_one(item.get_object()));
    }
    return {};
  }

  // Finds the column, joining the association when there is one.
  Result<Item> column_item(const json::Object& object, std::string_view where) {
    Item item;
    TRY(item.path, field_path(object, where));
    item.column.alias = json::get_string(object, "alias");
    if (item.column.alias.empty()) item.column.alias = join(item.path, ".");
    const bool repeated = std::ranges::any_of(
        items_, [&](const Item& other) { return other.column.alias == item.column.alias; });
    if (repeated)
      return bad("alias", "given once: \"" + item.column.alias + "\" names two columns");
    TRY(item.expr, resolve(item.path, item.column.field));
    return item;
  }

  Result<sql::Expr> resolve(const std::vector<std::string>& path, const schema::Field*& field) {
    JoinTree::Node* at = &tree_.root();
    if (path.size() == 2) {
      TRY(const schema::Field* relation, find(*at->collection, path[0]));
      if (!relation->relation) return bad(path[0], "an association");
      TRY(at, tree_.follow(*at, *relation));
    }
    TRY(field, find(*at->collection, path.back()));
    if (field->relation || field->column.empty()) return bad(join(path, "."), "a stored field");
    return sql::column(at->alias, field->column);
  }

  Result<const schema::Field*> find(const schema::Collection& collection, const std::string& name) {
    const schema::Field* field = collection.find(name);
    if (field == nullptr) return std::unexpected(schema::unknown_field(collection, name));
    if (!readable_.can_probe(collection, *field)) return not_readable(name);
    return field;
  }

  static bool is_groupable(Family family) {
    return family != Family::kArray && family != Family::kJson && family != Family::kBytes &&
           family != Family::kNone;
  }

  Status dimension(const json::Object& object) {
    TRY(Item item, column_item(object, "dimensions.field"));
    const schema::Field& field = *item.column.field;
    if (!is_groupable(field.kind->family()))
      return bad(join(item.path, "."), "a field whose values can be grouped");
    const json::Value* format = object.if_contains("format");
    if (format != nullptr && format->is_string() && !format->get_string().empty()) {
      TRY(item.expr, formatted(field, std::move(item.expr), json::as_view(*format)));
      item.column.output = QueryPlan::Output::kText;
    } else if (field.kind->family() == Family::kNumber) {
      item.column.output = QueryPlan::Output::kNumber;
    }
    items_.push_back(std::move(item));
    return {};
  }

  Result<sql::Expr> formatted(const schema::Field& field, sql::Expr expr, std::string_view format) {
    const sql::Type type = field.storage.type;
    const bool unix = type == sql::Type::kInt64 && field.kind->family() == Family::kDateTime;
    const bool date = type == sql::Type::kTimestampTz || type == sql::Type::kTimestamp ||
                      type == sql::Type::kDate || unix;
    if (!date || format.size() > kMaxFormat || format.find('\0') != std::string_view::npos)
      return bad("dimensions.format", "a date format, on a date field");
    if (unix) expr = from_unix(field, std::move(expr));
    const bool zoned = type == sql::Type::kTimestampTz || unix;
    const int64_t offset = zoned ? call_.ctx.utc_offset_minutes : int64_t{0};
    return sql::call(Fn::kDateFormat, {std::move(expr), sql::param(sql::Value(format)),
                                       sql::param(sql::Value(offset))});
  }

  // Literals, not parameters: the same text must stand in SELECT and GROUP BY.
  static sql::Expr from_unix(const schema::Field& field, sql::Expr expr) {
    const bool seconds = json::get_string(field.options, "accuracy", "second") == "second";
    if (seconds) expr = sql::binary(sql::BinaryOp::kMul, std::move(expr), sql::literal("1000"));
    return sql::call(Fn::kAddMillis, {sql::literal("'1970-01-01 00:00:00'"), std::move(expr)});
  }

  Status measure(const json::Object& object) {
    TRY(Item item, column_item(object, "measures.field"));
    const std::string name = to_lower(json::get_string(object, "aggregation"));
    const Family family = item.column.field->kind->family();
    const bool distinct = json::get_bool(object, "distinct");
    if (family == Family::kNumber) item.column.output = QueryPlan::Output::kNumber;
    if (name.empty()) {
      if (!is_groupable(family))
        return bad(join(item.path, "."), "a field whose values can be grouped");
      items_.push_back(std::move(item));
      return {};
    }
    TRY(const Fn fn, aggregate(name, distinct, family, join(item.path, ".")));
    item.aggregated = true;
    item.number = fn != Fn::kMin && fn != Fn::kMax;
    if (item.number) item.column.output = QueryPlan::Output::kNumber;
    item.expr = sql::call(fn, {std::move(item.expr)});
    items_.push_back(std::move(item));
    return {};
  }

  static Result<Fn> aggregate(std::string_view name, bool distinct, Family family,
                              std::string_view path) {
    if (name == "count") return distinct ? Fn::kCountDistinct : Fn::kCount;
    const bool number = family == Family::kNumber;
    if (name == "sum" || name == "avg") {
      if (!number) return bad(path, "a number to be summed up");
      if (name == "sum") return distinct ? Fn::kSumDistinct : Fn::kSum;
      return distinct ? Fn::kAvgDistinct : Fn::kAvg;
    }
    if (name != "min" && name != "max")
      return bad("measures.aggregation", "sum, count, avg, min or max");
    if (!is_groupable(family) || family == Family::kBoolean)
      return bad(path, "a field whose values have an order");
    return name == "min" ? Fn::kMin : Fn::kMax;
  }

  Status where(const json::Object& body) {
    FilterPlanner user(call_, readable_, tree_, aliases_, false);
    FilterPlanner server(call_, readable_, tree_, aliases_, true);
    const json::Value* own = body.if_contains("filter");
    TRY(sql::Expr filter, user.plan(own == nullptr ? json::Value() : *own));
    TRY(sql::Expr more, user.plan(params_.filter));
    TRY(sql::Expr scope, server.plan(readable_.grant(collection_).scope));
    plan_.select.where = sql::and_also(sql::and_also(std::move(scope), std::move(filter)),
                                       sql::and_also(std::move(more), alive(collection_, "r")));
    return {};
  }

  // An alias, a field path, or "collection.field".
  const Item* find_item(std::string_view name) const {
    std::string_view plain = name;
    if (plain.starts_with(collection_.name + ".")) plain.remove_prefix(collection_.name.size() + 1);
    for (const Item& item : items_)
      if (item.column.alias == name || item.column.alias == plain) return &item;
    for (const Item& item : items_)
      if (join(item.path, ".") == plain) return &item;
    return nullptr;
  }

  Status plan_having(const json::Value& having) {
    TRY(const ParsedFilter parsed, parse_filter(having));
    if (!parsed.root) return {};
    TRY(plan_.select.having, having_node(*parsed.root));
    return {};
  }

  Result<sql::Expr> having_node(const FilterNode& node) {
    if (node.kind == FilterNode::Kind::kCondition) return having_condition(node);
    std::vector<sql::Expr> parts;
    for (const FilterNode& child : node.children) {
      TRY(sql::Expr part, having_node(child));
      parts.push_back(std::move(part));
    }
    if (node.kind == FilterNode::Kind::kNot) return sql::negate(parts.front());
    return node.kind == FilterNode::Kind::kAnd ? sql::all_of(std::move(parts))
                                               : sql::any_of(std::move(parts));
  }

  Result<sql::Expr> having_condition(const FilterNode& node) {
    const std::string name = dotted(node.path);
    const Item* item = find_item(name);
    if (item == nullptr) return bad("having", "about a measure or dimension, not \"" + name + "\"");
    static constexpr Op kPlain[] = {Op::kEq, Op::kNe,  Op::kGt, Op::kGte,
                                    Op::kLt, Op::kLte, Op::kIn, Op::kNotIn};
    if (std::ranges::find(kPlain, node.op) == std::end(kPlain))
      return bad("having", "made of plain comparisons");
    if (!item->number) {
      if (item->column.output == QueryPlan::Output::kText)
        return bad("having", "about measures and plain dimensions");
      return build_predicate(call_, {item->expr, item->column.field, "", name}, node.op,
                             *node.operand);
    }
    return compare_number(node, *item, name);
  }

  static Result<sql::Expr> compare_number(const FilterNode& node, const Item& item,
                                          const std::string& name) {
    std::vector<sql::Expr> values;
    auto add = [&](const json::Value& v) -> Status {
      if (v.is_int64()) {
        values.push_back(sql::param(sql::Value(v.get_int64())));
      } else if (v.is_number()) {
        values.push_back(sql::param(sql::Value(v.to_number<double>())));
      } else {
        const auto number = v.is_string() ? to_double(json::as_view(v)) : std::nullopt;
        if (!number) return bad_operand(name, node.op, "a number");
        values.push_back(sql::param(sql::Value(*number)));
      }
      return {};
    };
    const bool list = node.operand->is_array();
    if (list) {
      for (const json::Value& v : node.operand->get_array()) TRY_STATUS(add(v));
    } else {
      TRY_STATUS(add(*node.operand));
    }
    const bool negated = node.op == Op::kNe || node.op == Op::kNotIn;
    if (list || node.op == Op::kIn || node.op == Op::kNotIn) {
      const bool equality = negated || node.op == Op::kEq || node.op == Op::kIn;
      if (!equality) return bad_operand(name, node.op, "a single number");
      return sql::make(sql::In{item.expr, std::move(values), negated});
    }
    using sql::BinaryOp;
    BinaryOp op = BinaryOp::kEq;
    if (node.op == Op::kNe) op = BinaryOp::kNe;
    if (node.op == Op::kGt) op = BinaryOp::kGt;
    if (node.op == Op::kGte) op = BinaryOp::kGe;
    if (node.op == Op::kLt) op = BinaryOp::kLt;
    if (node.op == Op::kLte) op = BinaryOp::kLe;
    return sql::binary(op, item.expr, values.front());
  }

  Status order(const json::Object& object) {
    sql::Order order;
    const std::string direction = to_lower(json::get_string(object, "order", "asc"));
    if (direction != "asc" && direction != "desc") return bad("orders.order", "asc or desc");
    order.descending = direction == "desc";
    const std::string nulls = to_lower(json::get_string(object, "nulls", "default"));
    order.nulls = nulls == "first"  ? sql::Nulls::kFirst
                  : nulls == "last" ? sql::Nulls::kLast
                                    : sql::Nulls::kDefault;
    const std::string alias = json::get_string(object, "alias");
    const Item* item = alias.empty() ? nullptr : find_item(alias);
    if (item == nullptr) {
      TRY(const std::vector<std::string> path, field_path(object, "orders.field"));
      item = find_item(join(path, "."));
      if (item == nullptr) {
        if (!plan_.select.group_by.empty() || std::ranges::any_of(items_, &Item::aggregated))
          return bad("orders", "about a measure or dimension, not \"" + join(path, ".") + "\"");
        const schema::Field* field = nullptr;
        TRY(order.expr, resolve(path, field));
        if (!is_groupable(field->kind->family()))
          return bad("orders", "about a field whose values have an order");
      }
    }
    if (item != nullptr) order.expr = item->expr;
    plan_.select.order_by.push_back(std::move(order));
    return {};
  }

  static Result<int64_t> whole_number(const json::Object& body, std::string_view name,
                                      int64_t fallback, int64_t least) {
    const json::Value* value = body.if_contains(name);
    if (value == nullptr || value->is_null()) return fallback;
    std::optional<int64_t> number;
    if (value->is_int64()) number = value->get_int64();
    if (value->is_string()) number = to_int64(json::as_view(*value));
    if (!number || *number < least) return bad(name, "a whole number");
    return *number;
  }

  Status paging(const json::Object& body) {
    TRY(plan_.select.limit, whole_number(body, "limit", kDefaultLimit, 0));
    TRY(const int64_t offset, whole_number(body, "offset", 0, 0));
    if (offset > 0) plan_.select.offset = offset;
    return {};
  }

  const Call& call_;
  const Params& params_;
  const schema::Collection& collection_;
  Readable readable_;
  Aliases aliases_;
  JoinTree tree_;
  std::vector<Item> items_;
  QueryPlan plan_;
};

}  // namespace

Result<QueryPlan> plan_query(const Call& call, const Target& target, const Params& params) {
  if (target.association != nullptr)
    return invalid("INVALID_QUERY", "Associations cannot be queried for aggregates");
  return QueryPlanner(call, target, params).plan();
}

}  // namespace halcyon::data
