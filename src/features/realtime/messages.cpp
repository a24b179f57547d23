// What clients say: signing in, subscribing, unsubscribing.
#include "base/log.h"
#include "base/time.h"
#include "features/realtime/hub.h"

namespace halcyon::features::realtime {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kSubscribeTime{30'000};
constexpr milliseconds kIdentifyTime{15'000};
constexpr milliseconds kReachTime{5'000};
constexpr size_t kLongestId = 100;

// Runs a task on the hub's thread, on behalf of a task of another one.
Task<void> run_on(runtime::IoThread& io, Task<void> task) {
  co_await runtime::Suspend([&](std::move_only_function<void()> resume) {
    runtime::start(io, std::move(task), std::move(resume));
  });
}

std::unexpected<Error> wrong(std::string field, std::string expected) {
  return fail(Error(Code::kInvalidArgument, "INVALID_MESSAGE",
                    "\"" + field + "\" must be " + expected + ".")
                  .with_field(field)
                  .with_expected(expected));
}

// The id as JSON; empty when it is none.
std::string id_of(const json::Object& payload) {
  const json::Value* id = json::find(payload, "id");
  if (id == nullptr || !(id->is_string() || id->is_int64())) return {};
  std::string text = json::dump(*id);
  return text.size() > kLongestId ? std::string() : text;
}

Result<Query> read_query(const json::Object& payload) {
  Query query;
  query.collection = json::get_string(payload, "collection");
  if (query.collection.empty()) return wrong("collection", "the name of a collection");
  if (const json::Value* filter = json::find(payload, "filter"); filter && !filter->is_null()) {
    if (!filter->is_object()) return wrong("filter", "an object");
    query.filter = *filter;
  }
  if (const json::Value* fields = json::find(payload, "fields"); fields && !fields->is_null()) {
    if (!fields->is_array()) return wrong("fields", "a list of names");
    query.fields.emplace();
    for (const json::Value& name : fields->get_array()) {
      if (!name.is_string()) return wrong("fields", "a list of names");
      query.fields->emplace_back(json::as_view(name));
    }
  }
  if (const json::Value* zone = json::find(payload, "timezone"); zone && !zone->is_null()) {
    const auto minutes =
        zone->is_string() ? parse_utc_offset(json::as_view(*zone)) : std::optional<int>();
    if (!minutes) return wrong("timezone", "an offset such as +08:00, or a zone name");
    query.utc_offset_minutes = *minutes;
  }
  return query;
}

Result<std::optional<int64_t>> read_after(const json::Object& payload) {
  const json::Value* after = json::find(payload, "after");
  if (after == nullptr || after->is_null()) return std::nullopt;
  if (!after->is_int64() || after->get_int64() < 0) return wrong("after", "a seq told before");
  return after->get_int64();
}

}  // namespace

Task<void> Hub::serve(std::unique_ptr<net::WebSocket> socket) {
  auto peer = std::make_shared<Peer>();
  peer->socket = std::move(socket);
  peer_count_.fetch_add(1);
  parts_.io.post([self = shared_from_this(), peer] { self->peers_.insert(peer); });
  while (!stopping_) {
    auto text = co_await peer->socket->read();
    if (!text) break;
    if (*text == "ping") continue;  // A.10: no answer
    co_await run_on(parts_.io, handle(peer, *std::move(text)));
  }
  peer_count_.fetch_sub(1);
  parts_.io.post([self = shared_from_this(), peer] { self->close(peer); });
}

Task<void> Hub::handle(std::shared_ptr<Peer> peer, std::string text) {
  auto message = json::parse(text);
  if (!message || !message->is_object()) {
    const Error error(Code::kInvalidArgument, "INVALID_MESSAGE",
                      "A message is a JSON object with a type and a payload.");
    peer->socket->send("{\"type\":\"error\",\"payload\":{" + error_tail(error).substr(1));
    co_return;
  }
  const json::Object& object = message->get_object();
  const std::string type = json::get_string(object, "type");
  const json::Object* given = json::get_object(object, "payload");
  json::Object payload = given != nullptr ? *given : json::Object();
  if (type == "auth:token") {
    co_await sign_in(peer, std::move(payload));
  } else if (type == "records:subscribe") {
    co_await subscribe(peer, std::move(payload));
  } else if (type == "records:unsubscribe") {
    unsubscribe(*peer, payload);
  }
  // Others are for parts that are not here; A.10 lets anything be sent.
}

Task<void> Hub::sign_in(std::shared_ptr<Peer> peer, json::Object payload) {
  access::Credentials by;
  by.token = json::get_string(payload, "token");
  by.authenticator = json::get_string(payload, "authenticator");
  by.role = json::get_string(payload, "role");
  by.event_stream = true;  // a new token has no way to the client's other requests
  Context ctx;
  ctx.deadline = runtime::Clock::now() + kIdentifyTime;
  const uint64_t version = rights_version_.load();
  auto who = co_await parts_.access.identify(ctx, by, true);
  if (peer->closed) co_return;
  if (!who) {
    const Error& error = who.error();
    if (peer->who) {
      sign_out(*peer, error);
    } else {
      peer->socket->send("{\"type\":\"unauthorized\",\"payload\":{" + error_tail(error).substr(1));
    }
    co_return;
  }
  peer->credentials = std::move(by);
  take_identity(*peer, *std::move(who), version);
  peer->socket->send("{\"type\":\"authorized\"}");
  for (const auto& [id, one] : peer->subscriptions) one->feed->wake();
}

void Hub::refuse(Peer& peer, const std::string& id_text, const Error& error) {
  std::string text = "{\"type\":\"records:error\",\"payload\":{\"id\":";
  text += id_text.empty() ? "null" : id_text;
  text += error_tail(error);
  peer.socket->send(std::move(text));
}

Task<void> Hub::subscribe(std::shared_ptr<Peer> peer, json::Object payload) {
  const std::string id = id_of(payload);
  if (id.empty()) {
    refuse(*peer, id, wrong("id", "a short text or a number").error());
    co_return;
  }
  if (const auto old = peer->subscriptions.find(id); old != peer->subscriptions.end()) {
    remove(*std::shared_ptr(old->second));
  }
  auto query = read_query(payload);
  auto after = read_after(payload);
  Status status;
  if (!query) {
    status = fail(query.error());
  } else if (!after) {
    status = fail(after.error());
  } else if (peer->subscriptions.size() >= limits_.subscriptions) {
    status = fail(Code::kResourceExhausted, "TOO_MANY_SUBSCRIPTIONS",
                  "A socket may have " + std::to_string(limits_.subscriptions) + " of them.");
  } else if (!peer->who) {
    status = fail(Code::kUnauthenticated, "EMPTY_TOKEN", "Please sign in.");
  } else {
    auto subscription = std::make_shared<Subscription>();
    subscription->id_text = id;
    subscription->query = *std::move(query);
    subscription->peer = peer;
    status = co_await open(peer, *subscription, *after);
    if (status && !peer->closed && peer->who) {
      subscription->feed = feed_of(subscription->query.collection);
      peer->subscriptions[id] = subscription;
      subscription_count_.fetch_add(1);
      subscription->feed->add(subscription);
    }
  }
  if (!status && !peer->closed) refuse(*peer, id, status.error());
}

// The place on the bus as one that is told all behind it.
Task<Status> Hub::open(const std::shared_ptr<Peer>& peer, Subscription& subscription,
                       std::optional<int64_t> after) {
  const std::string collection = subscription.query.collection;
  CO_TRY(subscription.view, view_of(moment(), peer->who, subscription.query));
  Context ctx;
  ctx.deadline = runtime::Clock::now() + kSubscribeTime;
  CO_TRY(const int64_t since, co_await parts_.interests.want(ctx, collection));
  since_[collection] = std::max(since_[collection], since);
  if (peer->closed || !peer->who) co_return Status{};
  // The rights may have changed meanwhile; feeds look at that before they tell.
  CO_TRY(subscription.view, view_of(moment(), peer->who, subscription.query));
  bool too_old = after && *after < since;
  // Another replica may be ahead of this one, but not for long.
  if (after && !too_old) too_old = !co_await reached(*after);
  if (peer->closed || !peer->who) co_return Status{};
  subscription.sent = after && !too_old ? *after : parts_.bus.position();
  const std::string place = ",\"seq\":" + std::to_string(subscription.sent) + "}}";
  send(subscription, "records:subscribed", place);
  if (too_old) send(subscription, "records:resync", place);
  co_return Status{};
}

Task<bool> Hub::reached(int64_t seq) {
  const auto until = runtime::Clock::now() + kReachTime;
  while (parts_.bus.position() < seq) {
    if (runtime::Clock::now() > until || stopping_) co_return false;
    co_await runtime::sleep_for(milliseconds(10));
  }
  co_return true;
}

void Hub::unsubscribe(Peer& peer, const json::Object& payload) {
  const auto it = peer.subscriptions.find(id_of(payload));
  if (it != peer.subscriptions.end()) remove(*std::shared_ptr(it->second));
}

void Hub::remove(Subscription& subscription) {
  if (!std::exchange(subscription.open, false)) return;
  subscription_count_.fetch_sub(1);
  const auto peer = subscription.peer;
  const auto it = peer->subscriptions.find(subscription.id_text);
  const std::shared_ptr<Subscription> keep = it != peer->subscriptions.end() ? it->second : nullptr;
  if (keep.get() == &subscription) peer->subscriptions.erase(it);
  if (subscription.feed) subscription.feed->remove(subscription);
}

void Hub::close(const std::shared_ptr<Peer>& peer) {
  peer->closed = true;
  const auto all = std::move(peer->subscriptions);
  peer->subscriptions.clear();
  for (const auto& [id, one] : all) remove(*one);
  peers_.erase(peer);
}

}  // namespace halcyon::features::realtime
