// WebSockets (RFC 6455) on the server side.
//
//   response.websocket = [](std::unique_ptr<WebSocket> socket) -> Task<void> {
//     while (true) {
//       auto text = co_await socket->read();
//       if (!text) co_return;                        // closed
//       socket->send("echo: " + *text);
//     }
//   };
//
// Thread rule: read() by one task, on the connection's io thread; send() and close() from any
// thread. Pings keep the connection alive; a peer that stays silent is dropped.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "net/http.h"
#include "runtime/task.h"

namespace halcyon::net {

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // The next text or binary message. Error WEBSOCKET_CLOSED: the end, from either side.
  virtual Task<Result<std::string>> read() = 0;
  // Queues a text message. A peer that does not read is closed when 4 MiB wait for it.
  virtual void send(std::string text) = 0;
  // Bytes handed to send() that the connection has not taken yet. From any thread.
  virtual size_t queued() const = 0;
  virtual void close(int code, std::string reason) = 0;
};

bool is_websocket_upgrade(const Request& request);

}  // namespace halcyon::net
