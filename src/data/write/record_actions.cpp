// create, update and destroy, on collections and behind associations.
#include <algorithm>

#include "data/read/filter.h"
#include "data/write/actions.h"
#include "data/write/answer.h"
#include "data/write/destroy.h"
#include "data/write/links.h"
#include "data/write/source.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;
using schema::RelationKind;

namespace {

const json::Object kNoValues;

std::unexpected<Error> bad_values(std::string_view expected) {
  return fail(Error(Code::kInvalidArgument, "INVALID_VALUES",
                    "The body must be " + std::string(expected) + ".")
                  .with_expected(std::string(expected)));
}

// The body's records; one object stands for a list of one.
Result<std::vector<const json::Object*>> record_objects(const json::Value& values) {
  std::vector<const json::Object*> objects;
  if (!values.is_array()) {
    TRY(const json::Object* object, values_object(values));
    objects.push_back(object);
    return objects;
  }
  for (const json::Value& item : values.get_array()) {
    if (!item.is_object()) return bad_values("an object or a list of objects");
    objects.push_back(&item.get_object());
  }
  return objects;
}

std::string through_name(const Target& target) {
  return is_association(target) && target.association->relation
             ? target.association->relation->through
             : std::string();
}

// Links the records just made behind an association to its source.
Task<Status> link_created(Session& session, const Target& target, Row source,
                          const std::vector<Row>& rows,
                          const std::vector<const json::Object*>& objects) {
  const Field& relation = *target.association;
  const schema::Relation& rel = *relation.relation;
  if (rel.kind == RelationKind::kBelongsTo) {
    const Field* column = target.source->find(rel.foreign_key);
    Row set;
    set.emplace(column->name, as_stored_in(*column, value_of(rows.back(), rel.target_key)));
    std::vector<Row> one;
    one.push_back(std::move(source));
    CO_TRY_STATUS(co_await save_changes(session, *target.source, std::move(one), set));
  } else if (rel.kind == RelationKind::kBelongsToMany) {
    CO_TRY(const sql::Value key, source_key_of(relation, source));
    std::vector<ThroughLink> links;
    for (size_t i = 0; i < rows.size(); ++i) {
      links.push_back(
          {value_of(rows[i], rel.target_key), json::get_object(*objects[i], rel.through)});
    }
    CO_TRY_STATUS(co_await attach_through(session, relation, key, std::move(links), false));
  }
  co_return Status{};
}

// The source of an association create, and the foreign key its new records get.
Task<Result<Row>> prepare_source(Session& session, const Target& target, size_t count,
                                 Row& preset) {
  const Field& relation = *target.association;
  if (!relation.relation || relation.relation->kind == RelationKind::kBelongsToArray) {
    co_return fail(not_supported(target, "create"));
  }
  const schema::Relation& rel = *relation.relation;
  if (is_to_one(target) && count != 1) co_return bad_values("one object");
  // belongsTo changes the source record itself; the others only records of the target.
  CO_TRY(Row source, co_await lock_source(session, target, rel.kind == RelationKind::kBelongsTo));
  if (rel.kind == RelationKind::kHasOne || rel.kind == RelationKind::kHasMany) {
    CO_TRY(const sql::Value key, source_key_of(relation, source));
    const Field* column = target.collection->find(rel.foreign_key);
    preset.emplace(column->name, as_stored_in(*column, key));
    if (rel.kind == RelationKind::kHasOne) {
      CO_TRY(auto others, co_await children_of(session, relation, key));
      CO_TRY_STATUS(co_await detach_children(session, relation, key, others));
    }
  }
  co_return source;
}

}  // namespace

Result<const json::Object*> values_object(const json::Value& values) {
  if (values.is_null()) return &kNoValues;
  if (!values.is_object()) return bad_values("an object");
  return &values.get_object();
}

Task<Result<Answer>> create_action(Session& session, const Target& target, const Params& params) {
  CO_TRY(const auto objects, record_objects(params.values));
  SaveOptions options;
  options.rules = KeyRules(params, true);
  options.ignored = through_name(target);
  options.answer = InsertAnswer::kRows;
  CO_TRY_STATUS(writable(session, *target.collection, "create"));
  Row source;
  if (is_association(target)) {
    CO_TRY(source, co_await prepare_source(session, target, objects.size(), options.preset));
  }
  std::vector<NewRecord> records;
  records.reserve(objects.size());
  for (const json::Object* object : objects) records.push_back({object, {}});
  CO_TRY(auto rows,
         co_await create_records(session, *target.collection, std::move(records), options));
  if (is_association(target)) {
    CO_TRY_STATUS(co_await link_created(session, target, std::move(source), rows, objects));
  }
  AnswerOptions answer;
  answer.as_array = params.values.is_array();
  answer.written = objects;
  co_return co_await records_answer(session, *target.collection, std::move(rows), answer);
}

// --- update ---

namespace {

bool has_key(const Params& params) { return !params.filter_by_tk.is_null(); }

Status check_guard(const Target& target, const Params& params, bool forced, std::string_view flag) {
  if (has_key(params) || forced || is_to_one(target) || is_effective_filter(params.filter)) {
    return {};
  }
  return invalid("FILTER_REQUIRED", "filter or filterByTk is required (or " + std::string(flag) +
                                        "=true to mean every record).");
}

// Through values of the many-to-many link between the source and each of these rows.
Task<Status> update_through(Session& session, const Target& target, const std::vector<Row>& rows,
                            const json::Object& values) {
  const std::string through = through_name(target);
  const json::Object* link_values = through.empty() ? nullptr : json::get_object(values, through);
  if (link_values == nullptr || rows.empty()) co_return Status{};
  CO_TRY(const Row source, co_await lock_source(session, target, true));
  CO_TRY(const sql::Value key, source_key_of(*target.association, source));
  std::vector<ThroughLink> links;
  for (const Row& row : rows) {
    links.push_back({value_of(row, target.association->relation->target_key), link_values});
  }
  co_return co_await attach_through(session, *target.association, key, std::move(links), false);
}

Task<Result<std::vector<Row>>> update_matching(Session& session, const Target& target,
                                               const Params& params, const json::Object& values) {
  SaveOptions options;
  options.rules = KeyRules(params, false);
  options.ignored = through_name(target);
  CO_TRY(auto rows, co_await lock_matching(session, target, params, "update"));
  CO_TRY(auto after,
         co_await update_records(session, *target.collection, std::move(rows), values, options));
  CO_TRY_STATUS(co_await update_through(session, target, after, values));
  co_return after;
}

// The key of one item of an array body.
Result<json::Value> item_key(const Collection& collection, const json::Object& item) {
  const auto& names =
      collection.filter_target_key.empty() ? collection.primary_key : collection.filter_target_key;
  json::Object key;
  for (const std::string& name : names) {
    const json::Value* part = json::find(item, name);
    if (part == nullptr || part->is_null()) {
      return fail(Error(Code::kInvalidArgument, "KEY_REQUIRED",
                        "Each item of a list to update needs its \"" + name + "\".")
                      .with_field(name)
                      .with_expected("the key of the record"));
    }
    if (names.size() == 1) return *part;
    key[name] = *part;
  }
  return json::Value(std::move(key));
}

Task<Result<Answer>> update_list(Session& session, const Target& target, const Params& params) {
  CO_TRY(const auto objects, record_objects(params.values));
  std::vector<Row> all;
  for (const json::Object* object : objects) {
    Params one = params;
    one.values = nullptr;
    CO_TRY(one.filter_by_tk, item_key(*target.collection, *object));
    CO_TRY(auto rows, co_await update_matching(session, target, one, *object));
    std::ranges::move(rows, std::back_inserter(all));
  }
  AnswerOptions answer;
  answer.as_array = true;
  answer.written = objects;
  co_return co_await records_answer(session, *target.collection, std::move(all), answer);
}

}  // namespace

Task<Result<Answer>> update_action(Session& session, const Target& target, const Params& params) {
  if (is_association(target) && !target.association->relation) {
    co_return fail(not_supported(target, "update"));
  }
  CO_TRY_STATUS(writable(session, *target.collection, "update"));
  if (params.values.is_array()) co_return co_await update_list(session, target, params);
  CO_TRY_STATUS(check_guard(target, params, params.force_update, "forceUpdate"));
  CO_TRY(const json::Object* values, values_object(params.values));
  CO_TRY(auto rows, co_await update_matching(session, target, params, *values));
  if (is_to_one(target) && rows.empty()) {
    co_return fail(Error(Code::kNotFound, "RELATED_RECORD_NOT_FOUND",
                         "The record has no \"" + target.association->name + "\" to update.")
                       .with_field(target.association->name));
  }
  AnswerOptions answer;
  answer.as_array = !is_to_one(target);
  answer.written.push_back(values);
  co_return co_await records_answer(session, *target.collection, std::move(rows), answer);
}

// --- destroy ---

namespace {

class Unscoped final : public Permissions {
 public:
  Grant grant(const Collection&, std::string_view) const override {
    Grant grant;
    grant.allowed = true;
    return grant;
  }
};

// Keys that exist but are out of the caller's scope are refused, not passed over (F.6 (6)).
Task<Status> check_hidden(Session& session, const Target& target, const Params& params,
                          const Grant& grant, size_t found) {
  if (grant.scope.is_null() || !has_key(params)) co_return Status{};
  const Unscoped everything;
  const Call call{session.call.ctx,    session.call.model, session.call.db,
                  session.call.caller, everything,         session.call.tx};
  CO_TRY(const auto keys, identity(*target.collection));
  CO_TRY(const sql::Select select,
         plan_matching_rows(call, target, params, "destroy", {keys.front()->name}));
  CO_TRY(const sql::Rows all,
         co_await session.tx().run(session.call.ctx, sql::render(select, session.tx().dialect())));
  if (all.size() > found) co_return fail(no_permission(*target.collection, "destroy"));
  co_return Status{};
}

}  // namespace

Task<Result<Answer>> destroy_action(Session& session, const Target& target, const Params& params) {
  if (is_association(target) && !target.association->relation) {
    co_return fail(not_supported(target, "destroy"));
  }
  CO_TRY(const Grant grant, writable(session, *target.collection, "destroy"));
  // Behind an association no filter means all records of the source.
  if (!is_association(target)) {
    CO_TRY_STATUS(check_guard(target, params, params.truncate, "truncate"));
  }
  CO_TRY(auto rows, co_await lock_matching(session, target, params, "destroy"));
  CO_TRY_STATUS(co_await check_hidden(session, target, params, grant, rows.size()));
  if (is_to_one(target) && target.association->relation->kind == RelationKind::kBelongsTo &&
      !rows.empty()) {
    CO_TRY(Row source, co_await lock_source(session, target, true));
    const Field* column = target.source->find(target.association->relation->foreign_key);
    Row set;
    set.emplace(column->name, sql::Value(sql::Null{}, column->storage.type));
    std::vector<Row> one;
    one.push_back(std::move(source));
    CO_TRY_STATUS(co_await save_changes(session, *target.source, std::move(one), set));
  }
  CO_TRY(const int64_t count,
         co_await destroy_records(session, *target.collection, std::move(rows)));
  Answer answer;
  answer.data = is_association(target) ? "true" : std::to_string(count);
  co_return answer;
}

}  // namespace halcyon::data::write
