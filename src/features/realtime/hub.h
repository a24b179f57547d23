// The hub: the sockets of this process, who they belong to, and their subscriptions.
//
// Everything here runs on one io thread; sockets live on theirs and are only sent to. Rights are
// looked at again after every change that rights rest on (topic "access" of the bus), and now and
// then; until that is done nothing is sent to the socket.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <set>
#include <unordered_map>

#include "features/realtime/feed.h"
#include "features/realtime/realtime.h"

namespace halcyon::features::realtime {

class Hub final : public Host, public std::enable_shared_from_this<Hub> {
 public:
  Hub(Parts parts, Limits limits);
  void listen();
  Task<void> serve(std::unique_ptr<net::WebSocket> socket);
  Task<void> stop();

  // Host
  runtime::IoThread& io() override { return parts_.io; }
  Moment moment() override;
  schema::Catalog& catalog() override { return parts_.catalog; }
  cluster::Bus& bus() override { return parts_.bus; }
  bool stopping() const override { return stopping_; }
  uint64_t rights_version() const override { return rights_version_; }
  bool rights_stand(const std::shared_ptr<Peer>& peer) override;
  size_t queue_limit() const override { return limits_.queued; }
  bool refresh_view(Subscription& subscription, const Moment& moment) override;
  void end(Subscription& subscription, const Error& error) override;
  void send(Subscription& subscription, std::string_view type, std::string_view tail) override;
  void delivered(runtime::Clock::duration took) override;

 private:
  // messages.cpp
  Task<void> handle(std::shared_ptr<Peer> peer, std::string text);
  Task<void> sign_in(std::shared_ptr<Peer> peer, json::Object payload);
  Task<void> subscribe(std::shared_ptr<Peer> peer, json::Object payload);
  Task<Status> open(const std::shared_ptr<Peer>& peer, Subscription& subscription,
                    std::optional<int64_t> after);
  void unsubscribe(Peer& peer, const json::Object& payload);
  Task<bool> reached(int64_t seq);
  void close(const std::shared_ptr<Peer>& peer);
  void remove(Subscription& subscription);
  void refuse(Peer& peer, const std::string& id_text, const Error& error);

  // hub.cpp
  Task<void> heard(int64_t seq, std::vector<ChangeSet> sets);
  std::shared_ptr<Feed> feed_of(const std::string& collection);
  Result<std::shared_ptr<View>> view_of(const Moment& moment,
                                        std::shared_ptr<const access::Identity> who,
                                        const Query& query);
  void list_anew(Subscription& subscription);
  void sign_out(Peer& peer, const Error& error);
  void rights_changed(std::optional<std::vector<int64_t>> users);
  bool concerns(const Peer& peer);
  void ask_to_look(const std::shared_ptr<Peer>& peer);
  void look_at_more();
  Task<void> look(std::shared_ptr<Peer> peer);
  void take_identity(Peer& peer, std::shared_ptr<const access::Identity> who, uint64_t version);
  Task<void> sweep();
  Task<void> renew_interests();
  void tell_positions(int64_t position);
  void plan_sweep();
  void forget_unused();
  void show_metrics();

  template <class F>
  void start_counted(F task);

  const Parts parts_;
  const Limits limits_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> rights_version_{1};
  // The latest changes of rights, each a version: whom it concerns, nullopt: everybody.
  std::mutex rights_mutex_;
  std::deque<std::optional<std::vector<int64_t>>> rights_changes_;
  std::atomic<int> under_way_{0};
  std::atomic<int64_t> peer_count_{0}, subscription_count_{0};

  // Only on the io thread.
  std::set<std::shared_ptr<Peer>> peers_;
  std::map<std::string, std::shared_ptr<Feed>, std::less<>> feeds_;
  std::map<std::string, int64_t, std::less<>> since_;  // of interests wanted here
  std::unordered_map<std::string, std::weak_ptr<View>> views_;
  std::deque<std::shared_ptr<Peer>> to_look_at_;
  int looks_ = 0;
  int64_t last_seen_;  // place of the last message handled here
  int64_t sweeps_ = 0;
  runtime::Counter messages_, resyncs_;
  runtime::Histogram seconds_;
};

// {"code":...,"message":...} and the closing brackets of a message, for behind an id.
std::string error_tail(const Error& error);

}  // namespace halcyon::features::realtime
