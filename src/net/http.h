// HTTP messages as plain values: what handlers see and answer. No Beast, no Asio.
//
//   Task<Response> hello(Request& request) {
//     Response r;
//     r.headers.set("Content-Type", "text/plain");
//     r.body = "hello";
//     co_return r;
//   }
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/task.h"

namespace halcyon::net {

// A short list with case-insensitive names, in order of arrival.
class Headers {
 public:
  std::string_view get(std::string_view name) const;  // first value, or ""
  bool has(std::string_view name) const;
  void set(std::string_view name, std::string value);  // replaces every header of that name
  void add(std::string_view name, std::string value);
  void clear() { items_.clear(); }
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

struct Request {
  std::string method;      // "GET"
  std::string target;      // as sent: path and query
  std::string_view path;   // part of target, undecoded
  std::string_view query;  // part of target after "?", undecoded
  int version = 11;        // 10 or 11
  Headers headers;
  std::string body;
  std::string remote_address;  // of the peer, without port
  std::string client_address;  // the peer's, or the one that trusted balancers name
  bool keep_alive = true;
  std::shared_ptr<std::atomic<bool>> peer_gone;  // set when the connection is lost
};

class WebSocket;

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  // Streaming: called until it answers false; each call appends to `chunk`. An error breaks the
  // connection, so that the client sees an incomplete answer and not a short complete one.
  std::function<Task<Result<bool>>(std::string& chunk)> stream;
  // Set on an upgrade request to accept it; the task owns the socket until it ends
  // (net/websocket.h).
  std::function<Task<void>(std::unique_ptr<WebSocket>)> websocket;
  bool compressible = true;  // false: already compressed, or not worth it
};

using Handler = std::function<Task<Response>(Request&)>;

std::string_view reason_phrase(int status);

}  // namespace halcyon::net
