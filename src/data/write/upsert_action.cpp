// firstOrCreate and updateOrCreate: look a record up by some of its values, make it if absent.
#include "data/read/filter.h"
#include "data/write/actions.h"
#include "data/write/answer.h"
#include "data/write/save.h"
#include "data/write/source.h"

namespace halcyon::data::write {

namespace {

// {"a": 1, "b.c": 2} for filterKeys a and b.c; a value not given is looked up as null.
Result<json::Value> lookup_filter(const json::Object& values,
                                  const std::vector<std::string>& keys) {
  if (keys.empty()) {
    return fail(Error(Code::kInvalidArgument, "FILTER_KEYS_REQUIRED",
                      "filterKeys must name the values to look the record up by.")
                    .with_field("filterKeys")
                    .with_expected("names of values"));
  }
  const json::Value root(values);
  json::Object filter;
  for (const std::string& key : keys) {
    const json::Value* value = json::find(root, key);
    filter[key] = value == nullptr ? json::Value(nullptr) : *value;
  }
  return json::Value(std::move(filter));
}

}  // namespace

Task<Result<Answer>> upsert_action(Session& session, const Target& target, const Params& params,
                                   bool update) {
  CO_TRY(const json::Object* values, values_object(params.values));
  CO_TRY_STATUS(writable(session, *target.collection, "create"));
  Params lookup;
  CO_TRY(lookup.filter, lookup_filter(*values, params.filter_keys));
  // Looked up without row scope: a record out of the caller's sight must not be made twice.
  const Call call{session.call.ctx,    session.call.model, session.call.db,
                  session.call.caller, unrestricted(),     session.call.tx};
  CO_TRY(const auto keys, identity(*target.collection));
  std::vector<std::string> names;
  for (const auto* key : keys) names.push_back(key->name);
  CO_TRY(sql::Select select, plan_matching_rows(call, target, lookup, "view", names));
  select.limit = 1;
  CO_TRY(const sql::Rows found,
         co_await session.tx().run(session.call.ctx, sql::render(select, session.tx().dialect())));
  if (found.empty()) co_return co_await create_action(session, target, params);

  std::vector<Row> key(1);
  for (size_t i = 0; i < keys.size(); ++i) {
    key[0].emplace(keys[i]->name, cell_value(*keys[i], found.cell(0, i)));
  }
  CO_TRY(sql::Expr where, match_rows(*target.collection, key));
  CO_TRY(auto rows, co_await select_rows(session, *target.collection, where, locked()));
  if (rows.empty()) co_return co_await create_action(session, target, params);
  const std::string_view action = update ? "update" : "view";
  CO_TRY(const bool visible, co_await in_scope(session, *target.collection, action, rows.front()));
  if (!visible) co_return fail(no_permission(*target.collection, action));
  if (update) {
    Params one = params;
    one.filter = nullptr;
    one.filter_by_tk = key_json(*target.collection, rows.front());
    CO_TRY(Answer answer, co_await update_action(session, target, one));
    // Behind a to-many association the answer is the one object (reference B).
    if (is_association(target) && answer.data.size() > 2 && answer.data.front() == '[') {
      answer.data = answer.data.substr(1, answer.data.size() - 2);
    }
    co_return answer;
  }
  co_return co_await records_answer(session, *target.collection, std::move(rows), {});
}

}  // namespace halcyon::data::write
