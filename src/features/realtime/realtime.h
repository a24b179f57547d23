// Realtime: what /ws speaks (reference A.10), and subscriptions to the records of a collection.
//
// A client signs its socket in with a token, subscribes to a collection, and is told of every
// change of a record that it may see, whichever replica made it, in the order of the bus. After a
// broken connection it subscribes again, on any replica, with the last place (`seq`) it was told,
// and goes on from there. docs/realtime.md has the messages.
//
//   Realtime realtime(parts);                          // before Cluster::start
//   writer.listeners.push_back(&realtime.listener());
//   response.websocket = [&](auto socket) { return realtime.serve(std::move(socket)); };
//   runtime::run(io, realtime.stop());                 // when no socket is left
//
// How: a write publishes keys on the bus when somebody listens (publisher.h); each replica judges a
// change once for all sockets that see the same (view.h) and tells them (feed.h).
// Thread rule: safe from any thread; its own state lives on one io thread (hub.h).
#pragma once

#include <memory>

#include "access/access.h"
#include "cluster/bus.h"
#include "cluster/interests.h"
#include "data/request.h"
#include "net/websocket.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "schema/catalog.h"

namespace halcyon::features::realtime {

struct Parts {
  sql::Database& db;
  schema::Catalog& catalog;
  access::Access& access;
  cluster::Bus& bus;
  cluster::Interests& interests;
  runtime::IoThread& io;
  runtime::Metrics* metrics = nullptr;
};

struct Limits {
  size_t subscriptions = 100;   // of a socket
  size_t queued = 1024 * 1024;  // bytes that wait in a slow socket; it is told the rest later
  std::chrono::milliseconds look{60'000};      // how often a socket's session is looked at
  std::chrono::milliseconds position{20'000};  // how often quiet subscriptions are told the place
  Limits() = default;
};

class Hub;
class Publisher;

class Realtime {
 public:
  // Subscribes to the bus, so the other parts' handlers must be there already: what they keep is
  // dropped before sockets are looked at again.
  Realtime(Parts parts, Limits limits = {});
  ~Realtime();

  data::ChangeListener& listener();
  // Speaks with one client until its socket closes.
  Task<void> serve(std::unique_ptr<net::WebSocket> socket);
  Task<void> stop();

 private:
  std::shared_ptr<Publisher> publisher_;
  std::shared_ptr<Hub> hub_;
};

}  // namespace halcyon::features::realtime
