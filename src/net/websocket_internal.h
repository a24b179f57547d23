// The hand-over of a connection from the HTTP server to a WebSocket. Private to net.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "net/websocket.h"
#include "runtime/io.h"

namespace halcyon::net {

using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;

struct WebSocketOptions {
  size_t max_message = 1024 * 1024;
  size_t max_queued = 4 * 1024 * 1024;
  std::chrono::milliseconds idle_timeout{60'000};  // a ping after half of it
  WebSocketOptions() = default;
};

struct Upgraded {
  std::unique_ptr<WebSocket> socket;  // nullptr: the handshake failed, the connection is closed
  // Ends it from the server's side, on its io thread: with a close frame (1012, come back
  // elsewhere), or at once.
  std::function<void(bool at_once)> end;
};
Task<Upgraded> upgrade(Socket socket, const Request& request, runtime::IoThread& io,
                       WebSocketOptions options);

}  // namespace halcyon::net
