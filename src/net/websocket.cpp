#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>

#include "base/text.h"
#include "net/websocket_internal.h"

namespace halcyon::net {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;

constexpr size_t kMaxMessage = 1024 * 1024;
constexpr size_t kMaxQueued = 4 * 1024 * 1024;

// Shared by the handle (WebSocket) and the operations under way, so that either may end first.
struct State : std::enable_shared_from_this<State> {
  explicit State(Socket socket) : stream(std::move(socket)) {}

  beast::websocket::stream<Socket> stream;
  std::deque<std::string> queue;  // front: being written
  size_t queued = 0;
  bool closing = false;

  void push(std::string text) {
    if (closing) return;
    queued += text.size();
    queue.push_back(std::move(text));
    if (queued > kMaxQueued) return shut(beast::websocket::close_code::try_again_later, "too slow");
    if (queue.size() == 1) write_next();
  }
  void write_next() {
    stream.text(true);
    stream.async_write(boost::asio::buffer(queue.front()),
                       [self = shared_from_this()](ErrorCode error, size_t) {
                         self->queued -= self->queue.front().size();
                         self->queue.pop_front();
                         if (error)
                           self->closing = true;
                         else if (!self->queue.empty() && !self->closing)
                           self->write_next();
                       });
  }
  void shut(std::uint16_t code, const std::string& reason) {
    if (closing) return;
    closing = true;
    beast::websocket::close_reason why(static_cast<beast::websocket::close_code>(code), reason);
    stream.async_close(why, [self = shared_from_this()](ErrorCode) {});
  }
};

class WebSocketImpl final : public WebSocket {
 public:
  WebSocketImpl(std::shared_ptr<State> state, runtime::IoThread& io)
      : state_(std::move(state)), io_(io) {}
  ~WebSocketImpl() override { close(1000, ""); }

  Task<Result<std::string>> read() override {
    beast::flat_buffer buffer;
    struct Read {
      State& state;
      beast::flat_buffer& buffer;
      ErrorCode error{};
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) {
        state.stream.async_read(buffer, [this, handle](ErrorCode e, size_t) {
          error = e;
          handle.resume();
        });
      }
      bool await_resume() noexcept { return !error; }
    };
    auto state = state_;
    if (!co_await Read{*state, buffer}) {
      co_return fail(Code::kUnavailable, "WEBSOCKET_CLOSED", "The connection is closed.");
    }
    co_return beast::buffers_to_string(buffer.data());
  }
  void send(std::string text) override {
    io_.post([state = state_, text = std::move(text)]() mutable { state->push(std::move(text)); });
  }
  void close(int code, std::string reason) override {
    io_.post([state = state_, code, reason = std::move(reason)] {
      state->shut(static_cast<std::uint16_t>(code), reason);
    });
  }

 private:
  std::shared_ptr<State> state_;
  runtime::IoThread& io_;
};

}  // namespace

bool is_websocket_upgrade(const Request& request) {
  return request.method == "GET" && iequals(request.headers.get("Upgrade"), "websocket") &&
         !request.headers.get("Sec-WebSocket-Key").empty();
}

Task<std::unique_ptr<WebSocket>> upgrade(Socket socket, const Request& request,
                                         runtime::IoThread& io) {
  auto state = std::make_shared<State>(std::move(socket));
  state->stream.read_message_max(kMaxMessage);
  beast::websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = std::chrono::seconds(10);
  timeout.idle_timeout = std::chrono::seconds(60);
  timeout.keep_alive_pings = true;
  state->stream.set_option(timeout);

  beast::http::request<beast::http::empty_body> head(beast::http::verb::get, request.target,
                                                     request.version);
  for (const auto& [name, value] : request.headers.items()) head.insert(name, value);
  struct Accept {
    State& state;
    const beast::http::request<beast::http::empty_body>& head;
    ErrorCode error{};
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      state.stream.async_accept(head, [this, handle](ErrorCode e) {
        error = e;
        handle.resume();
      });
    }
    bool await_resume() noexcept { return !error; }
  };
  if (!co_await Accept{*state, head}) co_return nullptr;
  co_return std::make_unique<WebSocketImpl>(std::move(state), io);
}

}  // namespace halcyon::net
