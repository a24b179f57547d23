// The hand-over of a connection from the HTTP server to a WebSocket. Private to net.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/websocket.h"
#include "runtime/io.h"

namespace halcyon::net {

using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;

// Answers the handshake; nullptr when it fails (the socket is closed then).
Task<std::unique_ptr<WebSocket>> upgrade(Socket socket, const Request& request,
                                         runtime::IoThread& io);

}  // namespace halcyon::net
