// The inside of the server: what its connections share. Private to net.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "net/server.h"
#include "net/websocket_internal.h"
#include "runtime/context.h"

namespace halcyon::net {

class Connection;

// Of one io thread. The set is touched on that thread only; the counters are read from anywhere.
struct ServerThread {
  explicit ServerThread(runtime::IoThread& t) : thread(&t) {}
  runtime::IoThread* thread;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::atomic<int64_t> count{0};       // connections, also those on their way to the thread
  std::atomic<int64_t> websockets{0};  // of them, upgraded
  std::atomic<int64_t> lingering{0};   // of them, answered and waiting for the peer to close
  std::atomic<int64_t> requests{0}, shed{0};
};

struct Server::Shared : std::enable_shared_from_this<Server::Shared> {
  Shared(runtime::IoPool& pool, ServerOptions opts, Handler h);

  runtime::IoPool& io;
  const ServerOptions options;
  const Handler handler;
  std::vector<std::unique_ptr<ServerThread>> threads;  // as many as the pool has
  std::optional<boost::asio::posix::basic_stream_descriptor<Executor>> listener;  // first thread's
  int port = 0;
  runtime::Clock::time_point websockets_told{};  // set by drain, read by the same thread
  std::atomic<bool> announced{false}, draining{false}, stopped{false};
  std::atomic<int64_t> in_flight{0}, turned_away{0};

  // On the first thread.
  void wait_for_clients();
  bool accept_all();  // false: out of descriptors or the like; to be tried again later
  void take(int fd, std::string address);

  int64_t total(std::atomic<int64_t> ServerThread::* counter) const;
  bool closes_connections() const {
    return announced.load(std::memory_order_relaxed) || draining.load(std::memory_order_relaxed);
  }
};

}  // namespace halcyon::net
