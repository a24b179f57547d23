// What one write changed in one collection, as it travels on the bus (topic kRecordsTopic).
//
// Keys, and rows as they were before: what a record is now is read when it is delivered, with the
// rights of whoever it is for; what it was tells who had it in view. A write of very many records
// says only that there were many.
//
//   json::Object payload = encode({set});          // {"sets": [...]}
//   for (ChangeSet& set : decode(payload)) ...
//
// Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json/json.h"

namespace halcyon::features::realtime {

inline const std::string kRecordsTopic = "records";

struct RecordChange {
  enum class Action { kCreate, kUpdate, kDestroy } action = Action::kUpdate;
  json::Value key;
  std::optional<json::Object> before;  // nullopt of a create, or when nobody asked for it in time
};

struct ChangeSet {
  std::string collection;
  bool many = false;  // too many to be told one by one
  std::vector<RecordChange> changes;
};

inline constexpr size_t kMostChanges = 500;       // of one write in one collection
inline constexpr size_t kMostBytes = 512 * 1024;  // of one write

json::Object encode(const std::vector<ChangeSet>& sets);
// What does not have the form is left out: a newer version may say more.
std::vector<ChangeSet> decode(const json::Value& payload);

std::string_view action_name(RecordChange::Action action);

}  // namespace halcyon::features::realtime
