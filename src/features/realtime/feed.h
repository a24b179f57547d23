// A feed: what changed in one collection lately, and who is told of it. One a collection and
// process.
//
// Subscriptions are live (told all that was told to anyone) or behind: new ones, those that resume
// from an older place, those whose socket reads slowly or whose rights are being looked at again.
// Both are served from the same list of entries; what it lacks at its beginning is read from the
// bus. So a slow socket costs no memory: it is behind, and told when it can take more.
// Each entry is judged once for all subscriptions with one view (view.h).
//
// Thread rule: the hub's thread only.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "access/access.h"
#include "cluster/bus.h"
#include "features/realtime/view.h"
#include "net/websocket.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "schema/catalog.h"

namespace halcyon::features::realtime {

class Feed;
struct Subscription;

// One socket.
struct Peer {
  std::shared_ptr<net::WebSocket> socket;
  access::Credentials credentials;
  std::shared_ptr<const access::Identity> who;  // nullptr: not signed in
  uint64_t rights_seen = 0;                     // Host::rights_version of `who`
  runtime::Clock::time_point looked_at;
  bool looking = false, closed = false;
  int64_t told_position = 0;
  std::map<std::string, std::shared_ptr<Subscription>, std::less<>> subscriptions;  // by id_text
};

struct Subscription {
  std::string id_text;  // the id as JSON
  Query query;
  std::shared_ptr<Peer> peer;
  std::shared_ptr<Feed> feed;
  std::shared_ptr<View> view;
  int64_t sent = 0;  // all up to this place is told; a live one may be further
  bool behind = true;
  bool open = true;
};

// What feeds need of the hub.
class Host {
 public:
  virtual ~Host() = default;
  virtual runtime::IoThread& io() = 0;
  virtual Moment moment() = 0;
  virtual schema::Catalog& catalog() = 0;
  virtual cluster::Bus& bus() = 0;
  virtual bool stopping() const = 0;
  virtual uint64_t rights_version() const = 0;
  // Are the peer's rights known to be in force? If not they are looked at, and the feeds woken.
  virtual bool rights_stand(const std::shared_ptr<Peer>& peer) = 0;
  virtual size_t queue_limit() const = 0;  // bytes that may wait in a socket
  // Makes the view anew where the model changed; false: the subscription was ended.
  virtual bool refresh_view(Subscription& subscription, const Moment& moment) = 0;
  virtual void end(Subscription& subscription, const Error& error) = 0;
  virtual void send(Subscription& subscription, std::string_view type, std::string_view tail) = 0;
  virtual void delivered(runtime::Clock::duration took) = 0;
};

class Feed : public std::enable_shared_from_this<Feed> {
 public:
  // Everything after `complete_from` will come by `append`.
  Feed(Host& host, std::string collection, int64_t complete_from)
      : host_(host),
        collection_(std::move(collection)),
        complete_from_(complete_from),
        delivered_(complete_from) {}

  const std::string& collection() const { return collection_; }
  void append(int64_t seq, std::shared_ptr<const ChangeSet> set);
  // Entries up to `seq` cannot be had.
  void missed(int64_t seq);
  void add(std::shared_ptr<Subscription> subscription);
  void remove(const Subscription& subscription);
  void wake();  // somebody may be served who could not before
  // A place up to which every live subscription has been told all, when `seen` was appended.
  bool is_told_up_to_now() const { return !pumping_ && delivered_ >= end(); }
  const std::vector<std::shared_ptr<Subscription>>& subscriptions() const { return list_; }
  // Up to where it was told all.
  int64_t place(const Subscription& subscription) const;
  // Everybody lists anew.
  void resync_all();
  bool is_pumping() const { return pumping_; }
  runtime::Clock::time_point empty_since() const { return empty_since_; }

 private:
  struct Entry {
    int64_t seq = 0;
    std::shared_ptr<const ChangeSet> set;
    runtime::Clock::time_point came;
  };
  struct Batch;

  int64_t end() const { return entries_.empty() ? complete_from_ : entries_.back().seq; }
  Task<void> pump();
  Task<bool> serve_live();
  Task<bool> serve_behind();
  bool can_be_served(const Subscription& subscription);
  Batch batch_after(int64_t seq, int64_t last) const;
  Task<Status> read(Batch& batch);
  Task<Status> look(Batch& batch, const std::shared_ptr<Subscription>& one);
  Task<Status> prepare(Batch& batch, bool behind);
  void tell(Subscription& subscription, Batch& batch);
  void fall_behind(Subscription& subscription, int64_t seq);
  Task<Status> reach_back(int64_t seq);
  Task<void> failed();
  void trim();
  void resync(Subscription& subscription, int64_t seq);

  Host& host_;
  const std::string collection_;
  std::deque<Entry> entries_;
  size_t changes_ = 0;     // in all entries
  int64_t complete_from_;  // all entries after it are there
  int64_t delivered_;      // the live ones are told up to here
  uint64_t era_ = 0;       // counts `missed`
  std::vector<std::shared_ptr<Subscription>> list_;
  bool pumping_ = false, again_ = false;
  int failures_ = 0;
  runtime::Clock::time_point empty_since_ = runtime::Clock::now();
};

}  // namespace halcyon::features::realtime
