#include "features/realtime/change_set.h"

namespace halcyon::features::realtime {

namespace {

using Action = RecordChange::Action;

std::optional<Action> parse_action(std::string_view text) {
  for (Action action : {Action::kCreate, Action::kUpdate, Action::kDestroy}) {
    if (text == action_name(action)) return action;
  }
  return std::nullopt;
}

}  // namespace

std::string_view action_name(Action action) {
  switch (action) {
    case Action::kCreate:
      return "create";
    case Action::kUpdate:
      return "update";
    case Action::kDestroy:
      return "destroy";
  }
  return "";
}

json::Object encode(const std::vector<ChangeSet>& sets) {
  json::Array list;
  for (const ChangeSet& set : sets) {
    json::Object item{{"collection", set.collection}};
    if (set.many) {
      item["many"] = true;
    } else {
      json::Array changes;
      for (const RecordChange& change : set.changes) {
        json::Array one{json::Value(action_name(change.action)), change.key};
        if (change.before) one.emplace_back(*change.before);
        changes.emplace_back(std::move(one));
      }
      item["changes"] = std::move(changes);
    }
    list.emplace_back(std::move(item));
  }
  return json::Object{{"sets", std::move(list)}};
}

std::vector<ChangeSet> decode(const json::Value& payload) {
  std::vector<ChangeSet> sets;
  if (!payload.is_object()) return sets;
  const json::Array* list = json::get_array(payload.get_object(), "sets");
  if (list == nullptr) return sets;
  for (const json::Value& item : *list) {
    if (!item.is_object()) continue;
    ChangeSet& set = sets.emplace_back();
    set.collection = json::get_string(item.get_object(), "collection");
    set.many = json::get_bool(item.get_object(), "many");
    const json::Array* changes = json::get_array(item.get_object(), "changes");
    if (changes == nullptr) continue;
    for (const json::Value& value : *changes) {
      if (!value.is_array() || value.get_array().size() < 2) continue;
      const json::Array& one = value.get_array();
      const auto action = one[0].is_string() ? parse_action(json::as_view(one[0])) : std::nullopt;
      if (!action) continue;
      RecordChange& change = set.changes.emplace_back();
      change.action = *action;
      change.key = one[1];
      if (one.size() > 2 && one[2].is_object()) change.before = one[2].get_object();
    }
  }
  return sets;
}

}  // namespace halcyon::features::realtime
