#include <atomic>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <optional>

#include "base/text.h"
#include "net/websocket_internal.h"

namespace halcyon::net {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;
using CloseCode = beast::websocket::close_code;

constexpr size_t kMaxReason = 123;  // a control frame's payload, less the code

// Shared by the handle (WebSocket) and the operations under way, so that either may end first.
// Everything here runs on the connection's io thread.
struct State : std::enable_shared_from_this<State> {
  State(Socket socket, WebSocketOptions opts) : stream(std::move(socket)), options(opts) {}

  beast::websocket::stream<Socket> stream;
  const WebSocketOptions options;
  std::deque<std::string> queue;                           // front: being written
  std::atomic<size_t> queued{0};                           // in `queue`, and on its way there
  bool closing = false;                                    // takes no more messages
  std::optional<beast::websocket::close_reason> farewell;  // to be sent when the queue is empty

  void push(std::string text) {
    if (closing) return;
    queue.push_back(std::move(text));
    if (queued > options.max_queued) {
      // It reads too slowly to be told so; what it has not taken goes with it.
      closing = true;
      return end();
    }
    if (queue.size() == 1) write_next();
  }
  void write_next() {
    stream.text(true);
    stream.async_write(boost::asio::buffer(queue.front()),
                       [self = shared_from_this()](ErrorCode error, size_t) {
                         self->queued -= self->queue.front().size();
                         self->queue.pop_front();
                         if (error) {
                           self->closing = true;
                           self->farewell.reset();
                         } else if (!self->queue.empty()) {
                           self->write_next();
                         } else if (self->farewell) {
                           self->say_farewell();
                         }
                       });
  }
  // Messages accepted before are sent first.
  void shut(std::uint16_t code, std::string_view reason) {
    if (closing) return;
    closing = true;
    // A reason may not break off within a character.
    size_t size = 0;
    while (size < reason.size()) {
      const size_t next = utf8_length(reason, size);
      if (next == 0 || size + next > kMaxReason) break;
      size += next;
    }
    farewell.emplace(static_cast<CloseCode>(code), beast::string_view(reason.data(), size));
    if (queue.empty()) say_farewell();
  }
  void say_farewell() {
    const auto reason = *std::exchange(farewell, std::nullopt);
    stream.async_close(reason, [self = shared_from_this()](ErrorCode) {});
  }
  void end() {
    ErrorCode ignored;
    stream.next_layer().close(ignored);
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
    state_->queued += text.size();
    io_.post([state = state_, text = std::move(text)]() mutable { state->push(std::move(text)); });
  }
  size_t queued() const override { return state_->queued; }
  void close(int code, std::string reason) override {
    io_.post([state = state_, code, reason = std::move(reason)] {
      state->shut(static_cast<std::uint16_t>(code), reason);
    });
  }

 private:
  std::shared_ptr<State> state_;
  runtime::IoThread& io_;
};

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

}  // namespace

bool is_websocket_upgrade(const Request& request) {
  return request.method == "GET" && request.version == 11 &&
         iequals(request.headers.get("Upgrade"), "websocket") &&
         !request.headers.get("Sec-WebSocket-Key").empty();
}

Task<Upgraded> upgrade(Socket socket, const Request& request, runtime::IoThread& io,
                       WebSocketOptions options) {
  auto state = std::make_shared<State>(std::move(socket), options);
  state->stream.read_message_max(options.max_message);
  beast::websocket::stream_base::timeout timeout{};
  timeout.handshake_timeout = std::chrono::seconds(10);
  timeout.idle_timeout = options.idle_timeout;
  timeout.keep_alive_pings = true;
  state->stream.set_option(timeout);
  state->stream.set_option(
      beast::websocket::stream_base::decorator([](beast::websocket::response_type& response) {
        response.set(beast::http::field::server, "halcyon");  // else Beast names itself
      }));

  beast::http::request<beast::http::empty_body> head(beast::http::verb::get, request.target,
                                                     request.version);
  for (const auto& [name, value] : request.headers.items()) head.insert(name, value);
  Upgraded upgraded;
  if (!co_await Accept{*state, head}) co_return upgraded;
  upgraded.end = [state](bool at_once) {
    if (at_once)
      state->end();
    else
      state->shut(1012, "The server restarts.");
  };
  upgraded.socket = std::make_unique<WebSocketImpl>(std::move(state), io);
  co_return upgraded;
}

}  // namespace halcyon::net
