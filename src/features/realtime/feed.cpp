#include "features/realtime/feed.h"

#include <algorithm>
#include <unordered_map>

#include "base/log.h"

namespace halcyon::features::realtime {

using std::chrono::milliseconds;

namespace {

constexpr size_t kChangesAtATime = 500;
constexpr size_t kMostKept = 20'000;  // changes kept in memory for those who are behind
constexpr size_t kPage = 200;
constexpr int kMostFailures = 10;
constexpr milliseconds kLookAgain{50};
constexpr milliseconds kReadTime{15'000};

bool passes(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded;
}

}  // namespace

// Entries in order, what their records are now, and what each view makes of it.
struct Feed::Batch {
  std::vector<Entry> entries;
  int64_t begin = 0, end = 0;  // all entries of (begin, end]
  uint64_t era = 0;
  uint64_t rights = 0;  // Host::rights_version when it was read
  Moment moment;
  json::Array keys;
  Records records;
  // Keeps the views: another must not come to lie where one was.
  std::unordered_map<std::shared_ptr<const View>, std::vector<Told>> told;

  explicit Batch(Moment m) : moment(std::move(m)) {}
  const std::vector<Told>& judged_by(const std::shared_ptr<View>& view) {
    const auto [it, fresh] = told.try_emplace(view);
    if (fresh) judge(*view, records, it->second);
    return it->second;
  }
  void judge(const View& view, const Records& found, std::vector<Told>& out) {
    out.reserve(entries.size());
    for (const Entry& entry : entries) {
      out.push_back(view.judge(entry.seq, *entry.set, found, moment));
    }
  }
};

void Feed::append(int64_t seq, std::shared_ptr<const ChangeSet> set) {
  if (seq <= end()) return;
  changes_ += set->changes.size();
  entries_.push_back({seq, std::move(set), runtime::Clock::now()});
  trim();
  wake();
}

// Who is behind what is kept reads it from the bus.
void Feed::trim() {
  while (changes_ > kMostKept && entries_.size() > 1 && entries_.front().seq <= delivered_) {
    changes_ -= entries_.front().set->changes.size();
    complete_from_ = entries_.front().seq;
    entries_.pop_front();
  }
}

void Feed::missed(int64_t seq) {
  ++era_;
  entries_.clear();
  changes_ = 0;
  complete_from_ = delivered_ = seq;
  resync_all();
}

void Feed::resync_all() {
  const auto all = list_;
  for (const auto& one : all) resync(*one, std::max(delivered_, one->sent));
}

int64_t Feed::place(const Subscription& subscription) const {
  return subscription.behind ? subscription.sent : std::max(subscription.sent, delivered_);
}

void Feed::resync(Subscription& subscription, int64_t seq) {
  subscription.sent = seq;
  host_.send(subscription, "records:resync", ",\"seq\":" + std::to_string(seq) + "}}");
}

void Feed::add(std::shared_ptr<Subscription> subscription) {
  list_.push_back(std::move(subscription));
  wake();
}

void Feed::remove(const Subscription& subscription) {
  std::erase_if(list_, [&](const auto& one) { return one.get() == &subscription; });
  if (list_.empty()) empty_since_ = runtime::Clock::now();
}

void Feed::wake() {
  again_ = true;
  if (std::exchange(pumping_, true)) return;
  runtime::start(host_.io(), pump(), [self = shared_from_this()] {});
}

Task<void> Feed::pump() {
  while (!host_.stopping()) {
    again_ = false;
    bool worked = false;
    if (delivered_ < end()) {
      worked = true;
      if (!co_await serve_live()) co_await failed();
    }
    if (co_await serve_behind()) worked = true;
    if (!worked && !again_) break;
  }
  pumping_ = false;
  const bool waiting =
      std::ranges::any_of(list_, [](const auto& one) { return one->open && one->behind; });
  if (!waiting || host_.stopping()) co_return;
  host_.io().after(kLookAgain, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->wake();
  });
}

// The database may be away; whoever listens is told when it is back.
Task<void> Feed::failed() {
  ++failures_;
  co_await runtime::sleep_for(milliseconds(std::min(20 << std::min(failures_, 6), 1000)));
}

Feed::Batch Feed::batch_after(int64_t seq, int64_t last) const {
  Batch batch(host_.moment());
  batch.begin = seq;
  batch.end = last;
  batch.era = era_;
  batch.rights = host_.rights_version();
  auto it = std::ranges::upper_bound(entries_, seq, {}, &Entry::seq);
  size_t changes = 0;
  for (; it != entries_.end() && it->seq <= last; ++it) {
    if (changes >= kChangesAtATime) break;
    changes += it->set->changes.size();
    batch.entries.push_back(*it);
  }
  if (it != entries_.end() && it->seq <= last) batch.end = batch.entries.back().seq;
  return batch;
}

Task<Status> Feed::read(Batch& batch) {
  const schema::Collection* collection = batch.moment.model->find(collection_);
  if (collection == nullptr) co_return Status{};  // its subscriptions end
  std::map<std::string, bool, std::less<>> known;
  for (const Entry& entry : batch.entries) {
    for (const RecordChange& change : entry.set->changes) {
      if (change.action == RecordChange::Action::kDestroy) continue;
      if (known.emplace(json::dump(change.key), true).second) batch.keys.push_back(change.key);
    }
  }
  batch.moment.deadline = runtime::Clock::now() + kReadTime;
  auto records = co_await read_records(batch.moment, *collection, batch.keys);
  if (records) {
    batch.records = *std::move(records);
    co_return Status{};
  }
  // What cannot be read, and will not be, is for everybody to list.
  if (passes(records.error()) || failures_ < kMostFailures) {
    co_return fail(std::move(records).error());
  }
  for (Entry& entry : batch.entries) {
    auto many = std::make_shared<ChangeSet>();
    many->many = true;
    entry.set = std::move(many);
  }
  co_return Status{};
}

// For views that ask the database.
Task<Status> Feed::look(Batch& batch, const std::shared_ptr<Subscription>& one) {
  const std::shared_ptr<View> view = one->view;
  if (batch.told.contains(view)) co_return Status{};
  auto seen = co_await view->look(batch.moment, batch.keys);
  if (!seen && passes(seen.error())) co_return fail(std::move(seen).error());
  std::vector<Told> told;
  if (seen) {
    batch.judge(*view, *seen, told);
  } else {
    told.resize(batch.entries.size());
    for (Told& one_told : told) one_told.kind = Told::Kind::kStale;
  }
  batch.told[view] = std::move(told);
  co_return Status{};
}

// Reads what is needed to judge for those who are (not) behind.
Task<Status> Feed::prepare(Batch& batch, bool behind) {
  CO_TRY_STATUS(co_await read(batch));
  const auto all = list_;
  for (const auto& one : all) {
    if (!one->open || one->behind != behind) continue;
    if (!host_.refresh_view(*one, batch.moment) || one->view->in_memory()) continue;
    if (!host_.rights_stand(one->peer)) continue;
    CO_TRY_STATUS(co_await look(batch, one));
  }
  co_return Status{};
}

Task<bool> Feed::serve_live() {
  Batch batch = batch_after(delivered_, end());
  const auto came = batch.entries.empty() ? runtime::Clock::now() : batch.entries.front().came;
  Status status = co_await prepare(batch, false);
  if (!status) {
    if (failures_ == 0) {
      log_warn("changed records could not be read", {{"collection", collection_},
                                                     {"code", status.error().id},
                                                     {"reason", status.error().internal}});
    }
    const Context ctx;
    (void)co_await host_.catalog().refresh(ctx);
    co_return false;
  }
  failures_ = 0;
  if (batch.era != era_) co_return true;
  const auto all = list_;
  for (const auto& one : all) {
    if (one->open && !one->behind) tell(*one, batch);
  }
  delivered_ = batch.end;
  host_.delivered(runtime::Clock::now() - came);
  co_return true;
}

bool Feed::can_be_served(const Subscription& one) {
  return one.open && one.behind && host_.rights_stand(one.peer) &&
         one.peer->socket->queued() < host_.queue_limit() / 2;
}

// False: nobody who is behind can be served now.
Task<bool> Feed::serve_behind() {
  std::optional<int64_t> from;
  for (const auto& one : list_) {
    if (can_be_served(*one) && (!from || one->sent < *from)) from = one->sent;
  }
  if (!from) co_return false;
  if (*from < complete_from_) {
    Status status = co_await reach_back(*from);
    if (!status && status.error().id != "SEQUENCE_TOO_OLD") {
      co_await failed();
      co_return true;
    }
    if (!status) {
      const auto all = list_;
      for (const auto& one : all) {
        if (one->open && one->behind && one->sent < complete_from_) resync(*one, delivered_);
      }
      co_return true;
    }
  }
  Batch batch = batch_after(*from, std::max(*from, delivered_));
  if (!batch.entries.empty()) {
    Status status = co_await prepare(batch, true);
    if (!status) {
      co_await failed();
      co_return true;
    }
    failures_ = 0;
  }
  if (batch.era != era_) co_return true;
  const auto all = list_;
  for (const auto& one : all) {
    if (!can_be_served(*one) || one->sent < batch.begin) continue;
    if (one->sent < batch.end && !batch.entries.empty()) {
      if (!one->view->in_memory() && !batch.told.contains(one->view)) continue;  // came meanwhile
      one->behind = false;
      tell(*one, batch);
      if (one->behind) continue;  // it could not be told after all
    }
    one->sent = std::max(one->sent, batch.end);
    one->behind = one->sent < delivered_;
  }
  co_return true;
}

void Feed::fall_behind(Subscription& one, int64_t seq) {
  one.behind = true;
  one.sent = std::max(one.sent, seq);
}

void Feed::tell(Subscription& one, Batch& batch) {
  const bool queue_full = one.peer->socket->queued() > host_.queue_limit();
  if (queue_full || !host_.rights_stand(one.peer)) return fall_behind(one, batch.begin);
  if (one.view == nullptr || one.view->generation() != batch.moment.model->generation) {
    return fall_behind(one, batch.begin);
  }
  // Rights that changed while the database was asked may have changed what it would say.
  if (!one.view->in_memory() &&
      (batch.rights != host_.rights_version() || !batch.told.contains(one.view))) {
    return fall_behind(one, batch.begin);
  }
  const std::vector<Told>& told = batch.judged_by(one.view);
  bool stale = false;
  for (size_t i = 0; i < batch.entries.size(); ++i) {
    if (batch.entries[i].seq <= one.sent) continue;
    switch (told[i].kind) {
      case Told::Kind::kNothing:
        break;
      case Told::Kind::kChanges:
        host_.send(one, "records:changed", told[i].tail);
        break;
      case Told::Kind::kStale:
        stale = true;
        break;
      case Told::Kind::kMany:
        host_.send(one, "records:resync",
                   ",\"seq\":" + std::to_string(batch.entries[i].seq) + "}}");
        break;
    }
  }
  if (stale) {
    host_.send(one, "records:stale", ",\"seq\":" + std::to_string(batch.end) + "}}");
  }
}

// Makes entries_ complete from `seq` on, from the bus.
Task<Status> Feed::reach_back(int64_t seq) {
  std::deque<Entry> older;
  size_t changes = 0;
  int64_t at = seq;
  const uint64_t era = era_;
  for (bool more = true; more;) {
    Context ctx;
    ctx.deadline = runtime::Clock::now() + kReadTime;
    CO_TRY(auto page, co_await host_.bus().read_after(ctx, kRecordsTopic, at, kPage));
    if (era != era_) co_return Status{};
    more = page.size() == kPage;
    for (const cluster::Message& message : page) {
      at = message.seq;
      if (at > complete_from_) {
        more = false;
        break;
      }
      for (ChangeSet& set : decode(message.payload)) {
        if (set.collection != collection_) continue;
        changes += set.changes.size();
        older.push_back(
            {at, std::make_shared<const ChangeSet>(std::move(set)), runtime::Clock::now()});
      }
    }
  }
  entries_.insert(entries_.begin(), older.begin(), older.end());
  changes_ += changes;
  complete_from_ = std::min(complete_from_, seq);
  co_return Status{};
}

}  // namespace halcyon::features::realtime
