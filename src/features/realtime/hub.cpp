#include "features/realtime/hub.h"

#include <algorithm>

#include "base/log.h"
#include "json/writer.h"

namespace halcyon::features::realtime {

using std::chrono::milliseconds;

namespace {

constexpr int kLooksAtATime = 8;
constexpr milliseconds kLookTime{10'000}, kLookAgain{500};
constexpr milliseconds kSweep{1'000};
constexpr milliseconds kViewTime{10'000};
constexpr milliseconds kWantTime{5'000};
constexpr std::chrono::minutes kEmptyFeed{10};
constexpr size_t kRightsChanges = 1000;
constexpr int64_t kRenewEvery = 30;  // sweeps

}  // namespace

std::string error_tail(const Error& error) {
  std::string text = ",\"code\":";
  json::append_escaped(text, error.id);
  text += ",\"message\":";
  json::append_escaped(text, error.message);
  if (!error.field.empty()) {
    text += ",\"field\":";
    json::append_escaped(text, error.field);
  }
  text += "}}";
  return text;
}

Hub::Hub(Parts parts, Limits limits)
    : parts_(parts), limits_(limits), last_seen_(parts.bus.position()) {
  if (parts_.metrics != nullptr) show_metrics();
}

template <class F>
void Hub::start_counted(F task) {
  under_way_.fetch_add(1);
  runtime::start(parts_.io, std::move(task),
                 [self = shared_from_this()] { self->under_way_.fetch_sub(1); });
}

void Hub::listen() {
  parts_.bus.subscribe(kRecordsTopic,
                       [weak = weak_from_this()](const cluster::Message& message) -> Task<Status> {
                         auto self = weak.lock();
                         if (!self || self->stopping_) co_return Status{};
                         std::vector<ChangeSet> sets;
                         if (!message.missed) sets = decode(message.payload);
                         const int64_t seq = message.missed ? -message.seq : message.seq;
                         self->start_counted(self->heard(seq, std::move(sets)));
                         co_return Status{};
                       });
  parts_.bus.subscribe("access",
                       [weak = weak_from_this()](const cluster::Message& message) -> Task<Status> {
                         auto self = weak.lock();
                         if (self) self->rights_changed(access::Access::concerned_users(message));
                         co_return Status{};
                       });
  plan_sweep();
}

// `seq` below 0: messages up to -seq were missed.
Task<void> Hub::heard(int64_t seq, std::vector<ChangeSet> sets) {
  if (seq < 0) {
    last_seen_ = -seq;
    for (const auto& [name, feed] : feeds_) feed->missed(-seq);
    co_return;
  }
  last_seen_ = std::max(last_seen_, seq);
  for (ChangeSet& set : sets) {
    const auto it = feeds_.find(set.collection);
    if (it == feeds_.end()) continue;
    it->second->append(seq, std::make_shared<const ChangeSet>(std::move(set)));
  }
}

std::shared_ptr<Feed> Hub::feed_of(const std::string& collection) {
  auto& feed = feeds_[collection];
  if (!feed) feed = std::make_shared<Feed>(*this, collection, last_seen_);
  return feed;
}

Moment Hub::moment() {
  return Moment{parts_.catalog.snapshot(), parts_.db, runtime::Clock::now() + kViewTime};
}

Result<std::shared_ptr<View>> Hub::view_of(const Moment& moment,
                                           std::shared_ptr<const access::Identity> who,
                                           const Query& query) {
  TRY(std::shared_ptr<View> view, View::make(moment, std::move(who), query));
  auto& shared = views_[std::to_string(view->generation()) + view->policy()];
  if (auto known = shared.lock()) return known;
  shared = view;
  return view;
}

bool Hub::refresh_view(Subscription& subscription, const Moment& moment) {
  if (!subscription.open || !subscription.peer->who) return false;
  if (subscription.view && subscription.view->generation() == moment.model->generation) return true;
  auto view = view_of(moment, subscription.peer->who, subscription.query);
  if (!view) {
    end(subscription, view.error());
    return false;
  }
  const bool differs = subscription.view && subscription.view->policy() != (*view)->policy();
  subscription.view = *std::move(view);
  // What it listed before may not be what it sees now.
  if (differs) list_anew(subscription);
  return true;
}

void Hub::list_anew(Subscription& subscription) {
  const int64_t place = subscription.feed->place(subscription);
  send(subscription, "records:resync", ",\"seq\":" + std::to_string(place) + "}}");
}

void Hub::send(Subscription& subscription, std::string_view type, std::string_view tail) {
  if (!subscription.open || subscription.peer->closed) return;
  std::string text;
  text.reserve(type.size() + subscription.id_text.size() + tail.size() + 32);
  text += "{\"type\":\"";
  text += type;
  text += "\",\"payload\":{\"id\":";
  text += subscription.id_text;
  text += tail;
  subscription.peer->socket->send(std::move(text));
  if (messages_.handle != nullptr) messages_.add();
  if (type == "records:resync" && resyncs_.handle != nullptr) resyncs_.add();
}

void Hub::delivered(runtime::Clock::duration took) {
  if (seconds_.handle != nullptr) seconds_.observe(std::chrono::duration<double>(took).count());
}

void Hub::end(Subscription& subscription, const Error& error) {
  send(subscription, "records:error", error_tail(error));
  remove(subscription);
}

// ---- rights

// On the bus's thread: in force when the message is confirmed.
void Hub::rights_changed(std::optional<std::vector<int64_t>> users) {
  std::lock_guard lock(rights_mutex_);
  rights_changes_.push_back(std::move(users));
  if (rights_changes_.size() > kRightsChanges) rights_changes_.pop_front();
  rights_version_.fetch_add(1);
}

// Does a change of rights since the peer was looked at concern its user?
bool Hub::concerns(const Peer& peer) {
  std::lock_guard lock(rights_mutex_);
  const uint64_t behind = rights_version_ - peer.rights_seen;
  if (behind > rights_changes_.size()) return true;
  return std::any_of(rights_changes_.end() - static_cast<std::ptrdiff_t>(behind),
                     rights_changes_.end(), [&](const auto& users) {
                       if (!users) return true;
                       return std::ranges::find(*users, *peer.who->caller.user_id) != users->end();
                     });
}

bool Hub::rights_stand(const std::shared_ptr<Peer>& peer) {
  if (peer->closed || !peer->who) return false;
  const uint64_t version = rights_version_.load();
  if (peer->rights_seen == version) return true;
  if (peer->who->caller.user_id && !concerns(*peer)) {
    peer->rights_seen = version;
    return true;
  }
  ask_to_look(peer);
  return false;
}

void Hub::ask_to_look(const std::shared_ptr<Peer>& peer) {
  if (std::exchange(peer->looking, true)) return;
  to_look_at_.push_back(peer);
  look_at_more();
}

void Hub::look_at_more() {
  while (looks_ < kLooksAtATime && !to_look_at_.empty() && !stopping_) {
    ++looks_;
    auto peer = std::move(to_look_at_.front());
    to_look_at_.pop_front();
    start_counted(look(std::move(peer)));
  }
}

Task<void> Hub::look(std::shared_ptr<Peer> peer) {
  Context ctx;
  ctx.deadline = runtime::Clock::now() + kLookTime;
  const uint64_t version = rights_version_.load();
  const access::Credentials credentials = peer->credentials;
  auto who = co_await parts_.access.identify(ctx, credentials, true);
  --looks_;
  peer->looking = false;
  const bool same = !peer->closed && peer->who && peer->credentials == credentials;
  if (same && who) {
    take_identity(*peer, *std::move(who), version);
    for (const auto& [id, one] : peer->subscriptions) one->feed->wake();
  } else if (same && who.error().code == Code::kUnauthenticated) {
    sign_out(*peer, who.error());
  } else if (same) {
    // The database is away: nothing is sent until it is known who this is.
    parts_.io.after(kLookAgain, [weak = weak_from_this(), peer] {
      auto self = weak.lock();
      if (self && !peer->closed && peer->who) self->ask_to_look(peer);
    });
  }
  look_at_more();
}

void Hub::take_identity(Peer& peer, std::shared_ptr<const access::Identity> who, uint64_t version) {
  peer.who = std::move(who);
  peer.rights_seen = version;
  peer.looked_at = runtime::Clock::now();
  const Moment now = moment();
  std::vector<std::shared_ptr<Subscription>> all;
  for (const auto& [id, one] : peer.subscriptions) all.push_back(one);
  for (const auto& one : all) {
    auto view = view_of(now, peer.who, one->query);
    if (!view) {
      end(*one, view.error());
      continue;
    }
    const bool differs = one->view && one->view->policy() != (*view)->policy();
    one->view = *std::move(view);
    if (differs) list_anew(*one);
  }
}

// What it was subscribed to ends with it.
void Hub::sign_out(Peer& peer, const Error& error) {
  if (!peer.who) return;
  peer.who = nullptr;
  peer.credentials = {};
  std::vector<std::shared_ptr<Subscription>> all;
  for (const auto& [id, one] : peer.subscriptions) all.push_back(one);
  for (const auto& one : all) end(*one, error);
  peer.socket->send("{\"type\":\"unauthorized\",\"payload\":{" + error_tail(error).substr(1));
}

// ---- now and then

void Hub::plan_sweep() {
  parts_.io.after(kSweep, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (self && !self->stopping_) self->start_counted(self->sweep());
  });
}

Task<void> Hub::sweep() {
  const auto now = runtime::Clock::now();
  for (const auto& peer : peers_) {
    if (peer->closed || !peer->who) continue;
    if (!rights_stand(peer) || now - peer->looked_at > limits_.look) ask_to_look(peer);
  }
  if (++sweeps_ % kRenewEvery == 0) {
    co_await renew_interests();
    forget_unused();
  }
  const int64_t every = std::max<int64_t>(1, limits_.position / kSweep);
  if (sweeps_ % every == 0) {
    const int64_t position = parts_.bus.position();
    // Messages up to there are on their way to this thread, if not here.
    co_await runtime::Suspend(
        [this](std::move_only_function<void()> resume) { parts_.io.post(std::move(resume)); });
    tell_positions(position);
  }
  plan_sweep();
}

// So that a client that hears nothing for long can still resume.
void Hub::tell_positions(int64_t position) {
  for (const auto& peer : peers_) {
    if (peer->closed || peer->subscriptions.empty() || peer->told_position >= position) continue;
    const bool all = std::ranges::all_of(peer->subscriptions, [](const auto& entry) {
      return !entry.second->behind && entry.second->feed->is_told_up_to_now();
    });
    if (!all) continue;
    peer->told_position = position;
    peer->socket->send(
        "{\"type\":\"records:position\",\"payload\":{\"seq\":" + std::to_string(position) + "}}");
  }
}

Task<void> Hub::renew_interests() {
  std::vector<std::string> names;
  for (const auto& [name, feed] : feeds_) {
    if (!feed->subscriptions().empty()) names.push_back(name);
  }
  for (const std::string& name : names) {
    Context ctx;
    ctx.deadline = runtime::Clock::now() + kWantTime;
    auto since = co_await parts_.interests.want(ctx, name);
    if (!since) continue;
    const auto it = since_.find(name);
    const bool gap = it != since_.end() && it->second < *since;
    since_[name] = *since;
    if (gap && feeds_.contains(name)) feeds_[name]->resync_all();
  }
}

void Hub::forget_unused() {
  std::erase_if(views_, [](const auto& entry) { return entry.second.expired(); });
  const auto now = runtime::Clock::now();
  std::erase_if(feeds_, [&](const auto& entry) {
    const Feed& feed = *entry.second;
    return feed.subscriptions().empty() && !feed.is_pumping() &&
           now - feed.empty_since() > kEmptyFeed;
  });
}

void Hub::show_metrics() {
  runtime::Metrics& metrics = *parts_.metrics;
  messages_ = metrics.counter("halcyon_realtime_messages_total", "Messages sent to subscriptions");
  resyncs_ = metrics.counter("halcyon_realtime_resyncs_total",
                             "Times a subscription was told to list anew");
  seconds_ = metrics.seconds("halcyon_realtime_delivery_seconds",
                             "From a change on the bus to all sockets of this process");
}

Task<void> Hub::stop() {
  stopping_ = true;
  while (under_way_ > 0) co_await runtime::sleep_for(milliseconds(5));
  bool pumping = true;
  while (pumping) {
    co_await runtime::sleep_for(milliseconds(5));
    pumping = std::ranges::any_of(feeds_, [](const auto& f) { return f.second->is_pumping(); });
  }
  for (const auto& peer : peers_) {
    peer->closed = true;
    for (const auto& [id, one] : peer->subscriptions) one->open = false;
    peer->subscriptions.clear();  // they and their feeds hold each other
  }
  feeds_.clear();
}

}  // namespace halcyon::features::realtime
