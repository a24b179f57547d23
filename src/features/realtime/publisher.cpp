#include "features/realtime/publisher.h"

#include <algorithm>

#include "base/log.h"
#include "data/read/selection.h"

namespace halcyon::features::realtime {

using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds kLateTime{30};

// What may be shown to somebody, so that no hash of a password lies about in messages.
json::Object showable(const schema::Collection& collection, const json::Object& row) {
  json::Object shown;
  for (const auto& [name, value] : row) {
    const schema::Field* field = collection.find(name);
    if (field != nullptr && data::is_showable(*field)) shown[name] = value;
  }
  return shown;
}

RecordChange record_change(const data::Change& change) {
  RecordChange told;
  told.key = change.key;
  switch (change.kind) {
    case data::Change::Kind::kCreate:
      told.action = RecordChange::Action::kCreate;
      break;
    case data::Change::Kind::kUpdate:
      told.action = RecordChange::Action::kUpdate;
      if (!change.before.empty()) told.before = showable(*change.collection, change.before);
      break;
    case data::Change::Kind::kDestroy:
      told.action = RecordChange::Action::kDestroy;
      told.before = showable(*change.collection, change.record);
      break;
  }
  return told;
}

ChangeSet& set_of(std::vector<ChangeSet>& sets, const std::string& collection) {
  for (ChangeSet& set : sets) {
    if (set.collection == collection) return set;
  }
  ChangeSet& set = sets.emplace_back();
  set.collection = collection;
  return set;
}

}  // namespace

bool Publisher::wants_before(const schema::Collection& collection) const {
  return interests_.wanted(collection.name);
}

Task<Status> Publisher::before_commit(const data::Call& call, sql::Transaction& tx,
                                      const std::vector<data::Change>& changes) {
  std::vector<ChangeSet> sets;
  std::vector<std::string> skipped;
  for (const data::Change& change : changes) {
    const std::string& name = change.collection->name;
    if (std::ranges::find(skipped, name) != skipped.end()) continue;
    const bool known =
        std::ranges::any_of(sets, [&](const ChangeSet& set) { return set.collection == name; });
    if (!known && !interests_.wanted(name)) {
      skipped.push_back(name);
      continue;
    }
    ChangeSet& set = set_of(sets, name);
    if (set.many) continue;
    if (set.changes.size() >= kMostChanges) {
      set.many = true;
      set.changes.clear();
    } else {
      set.changes.push_back(record_change(change));
    }
  }
  if (!skipped.empty()) {
    interests_.skipped(tx, std::move(skipped), [weak = weak_from_this()](std::string n) {
      if (auto self = weak.lock()) self->publish_late(std::move(n));
    });
  }
  if (sets.empty()) co_return Status{};
  json::Object payload = encode(sets);
  if (json::dump(payload).size() > kMostBytes) {
    for (ChangeSet& set : sets) set.many = true;
    payload = encode(sets);
  }
  co_return co_await bus_.publish(call.ctx, tx, kRecordsTopic, std::move(payload),
                                  cluster::Delivery::kPlain);
}

// Somebody began to listen while the write was under way; what it changed is not known any more.
void Publisher::publish_late(std::string collection) {
  under_way_.fetch_add(1);
  runtime::start(io_, publish_many(std::move(collection)),
                 [self = shared_from_this()] { self->under_way_.fetch_sub(1); });
}

Task<void> Publisher::publish_many(std::string collection) {
  ChangeSet set;
  set.collection = std::move(collection);
  set.many = true;
  const json::Object payload = encode({set});
  Context ctx;
  ctx.deadline = runtime::Clock::now() + kLateTime;
  while (!stopping_ && !ctx.expired()) {
    Status status = co_await bus_.publish(ctx, kRecordsTopic, payload, cluster::Delivery::kPlain);
    if (status) co_return;
    log_warn("a change could not be told", {{"code", status.error().id}});
    co_await runtime::sleep_for(milliseconds(200));
  }
}

Task<void> Publisher::stop() {
  stopping_ = true;
  while (under_way_ > 0) co_await runtime::sleep_for(milliseconds(10));
}

}  // namespace halcyon::features::realtime
