// One client connection of the server. Private to net.
//
// Lives on one io thread, held by that thread's set and by its coroutine. At most one read is under
// way at a time. While the handler works it stays under way, so that the end of the peer is seen,
// and so that the next request is there when the answer is out.
#pragma once

#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/server_internal.h"
#include "runtime/context.h"

namespace halcyon::net {

class RequestReader;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using ErrorCode = boost::system::error_code;
  using Clock = runtime::Clock;

  Connection(Socket socket, std::string address, std::shared_ptr<Server::Shared> server,
             ServerThread& local);

  static runtime::Detached serve(std::shared_ptr<Connection> self);
  // Ends it when no request comes any more; a WebSocket at a random moment within `window`.
  void drain(std::chrono::milliseconds window);
  void close();

 private:
  const ServerOptions& options() const { return server_->options; }

  // -- time: one coarse timer a connection. A later limit costs nothing (the timer looks again when
  // it fires); only an earlier one sets the timer anew.
  void expire_in(std::chrono::milliseconds limit);
  void expire_for_drain();
  void no_limit() { expires_ = Clock::time_point::max(); }
  void arm_timer();
  void on_timer();

  // -- reading
  struct More;
  struct Write;
  std::string_view unread() const { return {input_.get() + begin_, end_ - begin_}; }
  void start_read();
  void on_read(ErrorCode error, size_t count);
  bool make_room(size_t wanted);
  void watch_peer(const Request& request);

  Task<void> loop();
  Task<bool> read_request(Request& request);
  Task<Response> handle(Request& request);
  Task<bool> answer(const Request& request, Response response);
  Task<bool> send_stream(const Request& request, Response& response, std::string head);
  Task<bool> refuse(Response response);
  Task<void> serve_websocket(const Request& request, Response response);
  Task<void> linger();
  bool write(std::string_view& head, std::string_view& body, ErrorCode& error);

  Socket socket_;
  const std::string address_;
  const std::shared_ptr<Server::Shared> server_;
  ServerThread& local_;

  std::unique_ptr<char[]> input_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  std::coroutine_handle<> reader_;
  bool reading_ = false;
  bool peer_ended_ = false;  // it sent its last byte, or is gone
  size_t served_ = 0;

  enum class Phase { kIdle, kReading, kHandling, kWriting, kClosing, kUpgraded };
  Phase phase_ = Phase::kIdle;
  std::shared_ptr<std::atomic<bool>> gone_;
  std::function<void(bool at_once)> end_websocket_;

  Clock::time_point expires_ = Clock::time_point::max();
  Clock::time_point armed_for_ = Clock::time_point::max();
  uint64_t timer_ = 0;
  bool timed_out_ = false;
  bool must_close_ = false;
};

}  // namespace halcyon::net
