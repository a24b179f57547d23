#include "features/realtime/view.h"

#include <algorithm>

#include "access/rights.h"
#include "data/read/evaluate.h"
#include "data/read/filter.h"
#include "data/read/filter_parse.h"
#include "data/read/list_plan.h"
#include "data/read/selection.h"
#include "json/writer.h"

namespace halcyon::features::realtime {

namespace {

const std::vector<std::string>& key_names(const schema::Collection& collection) {
  return collection.filter_target_key.empty() ? collection.primary_key
                                              : collection.filter_target_key;
}

data::Target target_of(const schema::Collection& collection) {
  data::Target target;
  target.collection = &collection;
  return target;
}

data::Params params_of(const Query& query) {
  data::Params params;
  params.filter = query.filter;
  params.fields = query.fields;
  params.paginate = false;
  return params;
}

// Variables that are another value tomorrow; those of the user are the same for a session.
bool speaks_of_time(const json::Value& condition) {
  const std::string text = json::dump(condition);
  return text.find("$nDate") != std::string::npos || text.find("$date.") != std::string::npos ||
         text.find("$system") != std::string::npos;
}

// Does the evaluator in memory give what the databases give for it (data/read/property_test.cpp)?
bool is_comparable(const schema::Field& field) {
  return !field.relation && !field.column.empty() && data::is_showable(field) &&
         field.type != "json" && field.type != "jsonb" && field.type != "decimal" &&
         field.type != "belongsToArray";
}

bool all_own(const schema::Collection& collection, const data::FilterNode& node) {
  if (node.kind != data::FilterNode::Kind::kCondition) {
    return std::ranges::all_of(
        node.children, [&](const data::FilterNode& child) { return all_own(collection, child); });
  }
  if (node.path.size() != 1) return false;
  const schema::Field* field = collection.find(node.path.front());
  return field != nullptr && is_comparable(*field);
}

Result<Records> to_records(const schema::Collection& collection, const std::string& text) {
  TRY(json::Value list, json::parse(text));
  Records records;
  if (!list.is_array()) return records;
  for (json::Value& item : list.get_array()) {
    if (!item.is_object()) continue;
    std::string key = json::dump(key_of(collection, item.get_object()));
    records.insert_or_assign(std::move(key), std::move(item.get_object()));
  }
  return records;
}

}  // namespace

json::Value key_of(const schema::Collection& collection, const json::Object& row) {
  const auto& names = key_names(collection);
  if (names.size() == 1) {
    const json::Value* value = json::find(row, names.front());
    return value == nullptr ? json::Value() : *value;
  }
  json::Object key;
  for (const std::string& name : names) {
    const json::Value* value = row.if_contains(name);
    if (value == nullptr) return {};
    key[name] = *value;
  }
  return key;
}

Task<Result<Records>> read_records(const Moment& moment, const schema::Collection& collection,
                                   const json::Array& keys) {
  if (keys.empty()) co_return Records{};
  const data::Caller nobody;
  Context ctx;
  ctx.deadline = moment.deadline;
  const data::Call call{ctx, moment.model, moment.db, nobody, data::unrestricted()};
  data::Params params;
  params.filter_by_tk = keys;
  params.paginate = false;
  CO_TRY(data::Answer answer, co_await data::list(call, target_of(collection), std::move(params)));
  co_return to_records(collection, answer.data);
}

View::Asking::Asking(const View& view, const Moment& moment)
    : call{ctx, moment.model, moment.db, view.who_->caller, view.who_->permissions()} {
  ctx.deadline = moment.deadline;
  ctx.utc_offset_minutes = view.query_.utc_offset_minutes;
}

Result<std::shared_ptr<View>> View::make(const Moment& moment,
                                         std::shared_ptr<const access::Identity> who,
                                         const Query& query) {
  const schema::Collection* collection = moment.model->find(query.collection);
  if (collection == nullptr) {
    return fail(Code::kNotFound, "NOT_FOUND",
                "There is no collection \"" + query.collection + "\".");
  }
  if (key_names(*collection).empty()) {
    return invalid("NO_KEY", "Collection \"" + query.collection +
                                 "\" has no key, so its records cannot be told apart.");
  }
  auto view = std::make_shared<View>();
  view->model_ = moment.model;
  view->collection_ = collection;
  view->who_ = std::move(who);
  view->query_ = query;
  const Asking asking(*view, moment);
  const data::Call& call = asking.call;
  const data::Target target = target_of(*collection);
  // Refuses what `list` refuses: rights, unknown fields, filters by fields that may not be read.
  TRY(data::ListPlan plan, data::plan_list(call, target, params_of(query), data::ListKind::kList));
  data::Readable readable(call.permissions);
  TRY(data::Selection selection,
      data::select_fields(call, readable, *collection, params_of(query)));

  for (const schema::Field* field : selection.fields) view->shown_.push_back(field->name);
  const json::Value& scope = readable.grant(*collection).scope;
  json::Array both;
  for (const json::Value* part : {&scope, &query.filter}) {
    if (part->is_object() && !part->get_object().empty()) both.push_back(*part);
  }
  if (!both.empty()) view->conditions_ = json::Object{{"$and", std::move(both)}};
  view->changes_with_time_ = speaks_of_time(view->conditions_);
  TRY(view->resolved_, data::resolve_variables(call, view->conditions_));
  view->in_memory_ = view->is_own(view->resolved_);

  json::Object policy{{"collection", query.collection}, {"offset", query.utc_offset_minutes}};
  json::Array shown;
  for (const std::string& name : view->shown_) shown.emplace_back(name);
  policy["fields"] = std::move(shown);
  const bool is_personal = view->changes_with_time_ || !view->in_memory_;
  policy["conditions"] = is_personal ? view->conditions_ : view->resolved_;
  if (is_personal) {
    if (call.caller.user_id) policy["user"] = *call.caller.user_id;
    policy["role"] = call.caller.role;
  }
  view->policy_ = json::dump(policy);
  return view;
}

bool View::is_own(const json::Value& condition) const {
  if (condition.is_null()) return true;
  const auto parsed = data::parse_filter(condition);
  return parsed && (!parsed->root || all_own(*collection_, *parsed->root));
}

Result<json::Value> View::condition(const Moment& moment) const {
  if (!changes_with_time_) return resolved_;
  return data::resolve_variables(Asking(*this, moment).call, conditions_);
}

Task<Result<Records>> View::look(const Moment& moment, const json::Array& keys) const {
  if (keys.empty()) co_return Records{};
  const Asking asking(*this, moment);
  data::Params params = params_of(query_);
  params.fields.reset();  // the key must be among them; `tail` picks
  params.filter_by_tk = keys;
  CO_TRY(data::Answer answer,
         co_await data::list(asking.call, target_of(*collection_), std::move(params)));
  co_return to_records(*collection_, answer.data);
}

View::Seen View::matches(const json::Object& row, const json::Value& condition) const {
  if (condition.is_null()) return Seen::kYes;
  data::Evaluation evaluation;
  evaluation.model = model_.get();
  evaluation.utc_offset_minutes = query_.utc_offset_minutes;
  evaluation.user_id = who_->caller.user_id;
  const auto yes = data::evaluate(evaluation, collection_, row, condition);
  if (!yes) return Seen::kUnknown;
  return *yes ? Seen::kYes : Seen::kNo;
}

View::Seen View::saw_before(const RecordChange& change, const json::Value& condition) const {
  if (conditions_.is_null()) return Seen::kYes;
  if (!in_memory_ || !change.before) return Seen::kUnknown;
  return matches(*change.before, condition);
}

bool View::judge_one(const RecordChange& change, const Records& records,
                     const json::Value& condition, std::vector<Change>& told) const {
  using Action = RecordChange::Action;
  const auto found = records.find(json::dump(change.key));
  const json::Object* record = found == records.end() ? nullptr : &found->second;
  if (record != nullptr && in_memory_) {
    const Seen seen = matches(*record, condition);
    if (seen == Seen::kUnknown) return false;
    if (seen == Seen::kNo) record = nullptr;
  }
  if (change.action == Action::kUpdate && change.before) {
    json::Value before = key_of(*collection_, *change.before);
    if (!before.is_null() && before != change.key) {
      const Seen seen = saw_before(change, condition);
      if (seen == Seen::kUnknown) return false;
      if (seen == Seen::kYes) told.push_back({"leave", std::move(before)});
    }
  }
  if (change.action != Action::kDestroy && record != nullptr) {
    told.push_back({action_name(change.action), change.key, record});
    return true;
  }
  if (change.action == Action::kCreate) return true;  // gone again, or never in view
  const Seen seen = saw_before(change, condition);
  if (seen == Seen::kUnknown) return false;
  if (seen == Seen::kYes) {
    told.push_back({change.action == Action::kDestroy ? "destroy" : "leave", change.key});
  }
  return true;
}

std::string View::tail(int64_t seq, const std::vector<Change>& changes) const {
  std::string text = ",\"seq\":" + std::to_string(seq) + ",\"changes\":";
  json::Writer out(text);
  out.begin_array();
  for (const Change& change : changes) {
    out.begin_object();
    out.key("action");
    out.string(change.action);
    out.key("key");
    out.value(change.key);
    if (change.record != nullptr) {
      out.key("record");
      out.begin_object();
      for (const std::string& name : shown_) {
        const json::Value* value = change.record->if_contains(name);
        if (value == nullptr) continue;
        out.key(name);
        out.value(*value);
      }
      out.end_object();
    }
    out.end_object();
  }
  out.end_array();
  text += "}}";
  return text;
}

Told View::judge(int64_t seq, const ChangeSet& set, const Records& records,
                 const Moment& moment) const {
  Told told;
  if (set.many) {
    told.kind = Told::Kind::kMany;
    return told;
  }
  const auto condition = this->condition(moment);
  std::vector<Change> changes;
  bool known = condition.has_value();
  for (const RecordChange& change : set.changes) {
    if (!known) break;
    known = judge_one(change, records, *condition, changes);
  }
  if (!known) {
    told.kind = Told::Kind::kStale;
  } else if (!changes.empty()) {
    told.kind = Told::Kind::kChanges;
    told.tail = tail(seq, changes);
  }
  return told;
}

}  // namespace halcyon::features::realtime
