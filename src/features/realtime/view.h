// A view: what one subscription may see of a collection. The policy of delivery.
//
// Made from the subscription and the rights of its user; subscriptions with the same rights, filter
// and fields share one, so that a change is judged once for all of them. A view whose conditions
// speak of the record's own fields alone judges in memory, before and after the change; any other
// asks the database what its user may see now, and where it cannot know what the user saw before
// the change it says so ("stale").
//
//   CO: TRY(std::shared_ptr<View> view, View::make(call, query));      // errors as of `list`
//   Told told = view->judge(entry.seq, *entry.set, rows, moment);
//
// Thread rule: used by the hub's thread only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/access.h"
#include "data/records.h"
#include "features/realtime/change_set.h"

namespace halcyon::features::realtime {

// What a subscription asks for.
struct Query {
  std::string collection;
  json::Value filter;  // object or null
  std::optional<std::vector<std::string>> fields;
  int utc_offset_minutes = 0;
};

// Records by the text of their key.
using Records = std::map<std::string, json::Object, std::less<>>;

// What is to be told of one write; `tail` goes behind the subscription's id.
struct Told {
  enum class Kind { kNothing, kChanges, kStale, kMany } kind = Kind::kNothing;
  std::string tail;
};

// The model and the database, for a while.
struct Moment {
  std::shared_ptr<const schema::Snapshot> model;
  sql::Database& db;
  runtime::Clock::time_point deadline;
};

class View {
 public:
  static Result<std::shared_ptr<View>> make(const Moment& moment,
                                            std::shared_ptr<const access::Identity> who,
                                            const Query& query);

  // Equal for views that see the same, whatever the data model's generation.
  const std::string& policy() const { return policy_; }
  uint64_t generation() const { return model_->generation; }
  // False: `judge` needs what `look` found.
  bool in_memory() const { return in_memory_; }

  // The records with these keys that the user may see and that match, as the database has them now.
  Task<Result<Records>> look(const Moment& moment, const json::Array& keys) const;
  // `records`: as they are now, of everybody (read_records), or what `look` found.
  Told judge(int64_t seq, const ChangeSet& set, const Records& records, const Moment& moment) const;

 private:
  enum class Seen { kNo, kYes, kUnknown };
  struct Change {
    std::string_view action;
    json::Value key;
    const json::Object* record = nullptr;
  };

  // A context with the user's time zone, and a call in the user's name.
  struct Asking {
    Asking(const View& view, const Moment& moment);
    Context ctx;
    data::Call call;
  };

  bool is_own(const json::Value& condition) const;
  Result<json::Value> condition(const Moment& moment) const;
  Seen matches(const json::Object& row, const json::Value& condition) const;
  Seen saw_before(const RecordChange& change, const json::Value& condition) const;
  // False: it cannot be told what the user saw.
  bool judge_one(const RecordChange& change, const Records& records, const json::Value& condition,
                 std::vector<Change>& told) const;
  std::string tail(int64_t seq, const std::vector<Change>& changes) const;

  std::shared_ptr<const schema::Snapshot> model_;
  const schema::Collection* collection_ = nullptr;
  std::shared_ptr<const access::Identity> who_;
  Query query_;
  json::Value conditions_;  // scope and filter, with variables
  json::Value resolved_;    // the same without, when it stays the same
  bool changes_with_time_ = false, in_memory_ = false;
  std::vector<std::string> shown_;
  std::string policy_;
};

// The records with these keys, whoever may see them; every field that may be shown to anybody.
Task<Result<Records>> read_records(const Moment& moment, const schema::Collection& collection,
                                   const json::Array& keys);
// The value of filterTargetKey, as Change::key has it; null when the row does not hold it.
json::Value key_of(const schema::Collection& collection, const json::Object& row);

}  // namespace halcyon::features::realtime
