#include "data/read/filter.h"

#include <algorithm>

#include "data/read/association.h"
#include "data/read/filter_plan.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

Result<FilterPlan> plan_in(const Call& call, const schema::Collection& collection,
                           const std::string& alias, Aliases& aliases, const json::Value& filter,
                           bool trusted) {
  Readable readable(call.permissions);
  JoinTree tree(*call.model, collection, alias, aliases);
  FilterPlanner planner(call, readable, tree, aliases, trusted);
  FilterPlan plan;
  TRY(plan.where, planner.plan(filter));
  plan.joins = tree.take_joins();
  return plan;
}

std::unexpected<Error> bad_key(const schema::Collection& collection, std::string_view expected) {
  return fail(Error(Code::kInvalidArgument, "INVALID_FILTER_BY_TK",
                    "The key given for \"" + collection.name + "\" is not " + std::string(expected))
                  .with_field("filterByTk")
                  .with_expected(std::string(expected)));
}

class KeyPlanner {
 public:
  KeyPlanner(const Call& call, const schema::Collection& collection, const std::string& alias)
      : call_(call), collection_(collection), alias_(alias), keys_(keys(collection)) {}

  Result<sql::Expr> plan(const json::Value& tk) {
    if (keys_.empty()) return bad_key(collection_, "possible: the collection has no key");
    if (!tk.is_array()) return one(tk);
    const json::Array& list = tk.get_array();
    const bool scalars = keys_.size() == 1 &&
                         std::ranges::none_of(list, [](const auto& v) { return v.is_object(); });
    std::vector<sql::Expr> parts;
    parts.reserve(list.size());
    for (const json::Value& item : list) {
      TRY(sql::Expr part, scalars ? value(keys_.front(), item) : one(item));
      parts.push_back(std::move(part));
    }
    if (!scalars) return sql::any_of(std::move(parts));
    TRY(sql::Expr key, key_column(collection_, alias_, keys_.front()));
    return sql::make(sql::In{std::move(key), std::move(parts), false});
  }

 private:
  static const std::vector<std::string>& keys(const schema::Collection& collection) {
    return collection.filter_target_key.empty() ? collection.primary_key
                                                : collection.filter_target_key;
  }

  Result<sql::Expr> value(const std::string& key, const json::Value& v) {
    const schema::Field* field = collection_.find(key);
    if (field == nullptr) return std::unexpected(schema::unknown_field(collection_, key));
    if (v.is_null() || v.is_object() || v.is_array()) return bad_key(collection_, "a key value");
    const schema::ValueContext vc(call_.ctx.utc_offset_minutes);
    Result<sql::Value> parsed = field->kind->parse_operand(*field, v, vc);
    if (!parsed) return bad_key(collection_, "a value of \"" + key + "\"");
    return sql::param(*std::move(parsed));
  }

  Result<sql::Expr> one(const json::Value& v) {
    std::vector<sql::Expr> parts;
    for (const std::string& key : keys_) {
      const json::Value* part = &v;
      if (v.is_object()) {
        part = v.get_object().if_contains(key);
        if (part == nullptr) return bad_key(collection_, "an object with \"" + key + "\"");
      } else if (keys_.size() > 1) {
        return bad_key(collection_, "an object with " + join(keys_, ", "));
      }
      TRY(sql::Expr operand, value(key, *part));
      TRY(sql::Expr column, key_column(collection_, alias_, key));
      parts.push_back(sql::eq(std::move(column), std::move(operand)));
    }
    if (parts.size() == 1) return parts.front();
    return sql::all_of(std::move(parts));
  }

  const Call& call_;
  const schema::Collection& collection_;
  const std::string& alias_;
  const std::vector<std::string>& keys_;
};

// "Valid" in the sense of A.4: `$and`/`$or` need a member that says something.
bool is_effective_object(const json::Object& object) {
  return std::ranges::any_of(object, [](const auto& entry) {
    const json::Value& v = entry.value();
    if (entry.key() != "$and" && entry.key() != "$or") return true;
    if (v.is_array())
      return std::ranges::any_of(v.get_array(),
                                 [](const auto& m) { return is_effective_filter(m); });
    return is_effective_filter(v);
  });
}

}  // namespace

Result<FilterPlan> plan_filter(const Call& call, const schema::Collection& collection,
                               const std::string& alias, Aliases& aliases,
                               const json::Value& filter) {
  return plan_in(call, collection, alias, aliases, filter, false);
}

Result<FilterPlan> plan_scope(const Call& call, const schema::Collection& collection,
                              const std::string& alias, Aliases& aliases,
                              const json::Value& scope) {
  return plan_in(call, collection, alias, aliases, scope, true);
}

Result<sql::Expr> plan_filter_by_tk(const Call& call, const schema::Collection& collection,
                                    const std::string& alias, const json::Value& filter_by_tk) {
  return KeyPlanner(call, collection, alias).plan(filter_by_tk);
}

bool is_effective_filter(const json::Value& filter) {
  return filter.is_object() && is_effective_object(filter.get_object());
}

Result<sql::Select> plan_matching_rows(const Call& call, const Target& target, const Params& params,
                                       std::string_view action,
                                       const std::vector<std::string>& columns) {
  const schema::Collection& collection = *target.collection;
  const Grant grant = call.permissions.grant(collection, action);
  if (!grant.allowed) {
    return fail(Error(Code::kPermissionDenied, "NO_PERMISSION", "No permissions")
                    .with_internal(std::string(action) + " on " + collection.name));
  }
  Aliases aliases;
  const std::string root = "r";
  Readable readable(call.permissions);
  JoinTree tree(*call.model, collection, root, aliases);
  FilterPlanner user(call, readable, tree, aliases, false);
  FilterPlanner server(call, readable, tree, aliases, true);
  sql::Select select;
  for (const std::string& name : columns) {
    TRY(sql::Expr column, key_column(collection, root, name));
    select.columns.push_back({std::move(column), name});
  }
  TRY(sql::Expr where, user.plan(params.filter));
  TRY(sql::Expr scope, server.plan(grant.scope));
  TRY(sql::Expr source, plan_source_condition(call, target, root, aliases));
  sql::Expr key;
  if (!params.filter_by_tk.is_null()) {
    TRY(key, plan_filter_by_tk(call, collection, root, params.filter_by_tk));
  }
  select.where = sql::and_also(sql::and_also(std::move(key), std::move(where)),
                               sql::and_also(std::move(scope), std::move(source)));
  select.where = sql::and_also(std::move(select.where), alive(collection, root));
  select.from = collection.table_ref(root);
  select.joins = tree.take_joins();
  for (const std::string& key_name : row_key(collection)) {
    TRY(sql::Expr column, key_column(collection, root, key_name));
    select.order_by.push_back({std::move(column), false, sql::Nulls::kDefault});
  }
  return select;
}

}  // namespace halcyon::data
