#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <random>
#include <utility>

#include "base/log.h"
#include "net/connection_internal.h"
#include "net/head_parser_internal.h"
#include "net/reply_internal.h"

namespace halcyon::net {
namespace {

namespace asio = boost::asio;

constexpr size_t kSmallBuffer = 4 * 1024;  // of a connection that waits
constexpr size_t kBodyBuffer = 64 * 1024;
// A client that only said it has no more to send looks like one that is gone. Short work is
// finished for it; long work is told to stop.
constexpr std::chrono::milliseconds kHalfClosed{1000};
constexpr std::chrono::milliseconds kLinger{2000};
// What a new connection gets to send its first request when the server drains.
constexpr std::chrono::milliseconds kDrainFirst{1000};

}  // namespace

// Awaits the read under way (begins one if there is none); true when bytes came.
struct Connection::More {
  Connection& connection;
  size_t before = 0;
  bool await_ready() {
    before = connection.end_;
    return connection.peer_ended_ && !connection.reading_;
  }
  void await_suspend(std::coroutine_handle<> handle) {
    connection.start_read();
    before = connection.end_;
    connection.reader_ = handle;
  }
  bool await_resume() const { return connection.end_ > before; }
};

// Writes everything: at once what the kernel takes, the rest when it can.
struct Connection::Write {
  Connection& connection;
  std::string_view head, body;
  ErrorCode error{};
  bool await_ready() { return connection.write(head, body, error); }
  void await_suspend(std::coroutine_handle<> handle) {
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
    asio::async_write(connection.socket_, buffers, [this, handle](ErrorCode e, size_t) {
      error = e;
      handle.resume();
    });
  }
  bool await_resume() const { return !error; }
};

Connection::Connection(Socket socket, std::string address, std::shared_ptr<Server::Shared> server,
                       ServerThread& local)
    : socket_(std::move(socket)),
      address_(std::move(address)),
      server_(std::move(server)),
      local_(local),
      gone_(std::make_shared<std::atomic<bool>>(false)) {}

runtime::Detached Connection::serve(std::shared_ptr<Connection> self) {
  self->local_.connections.insert(self);
  self->arm_timer();
  try {
    co_await self->loop();
  } catch (const std::exception& error) {
    log_error("connection broke", {{"what", error.what()}});
  } catch (...) {
    log_error("connection broke", {{"what", "an exception of unknown type"}});
  }
  self->close();
  // The read under way points to us; it ends at once on a closed socket.
  if (self->reading_) co_await More{*self};
  self->local_.thread->cancel(self->timer_);
  self->local_.connections.erase(self);
  self->local_.count.fetch_sub(1);
}

void Connection::close() {
  gone_->store(true);
  if (end_websocket_) end_websocket_(true);
  if (!socket_.is_open()) return;
  ErrorCode ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

void Connection::drain(std::chrono::milliseconds window) {
  if (phase_ == Phase::kUpgraded) {
    thread_local std::minstd_rand random(std::random_device{}());
    std::uniform_int_distribution<int64_t> within(0, window.count());
    const std::chrono::milliseconds delay(window.count() > 0 ? within(random) : 0);
    local_.thread->after(delay, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->end_websocket_) self->end_websocket_(false);
    });
  } else if (phase_ == Phase::kIdle) {
    expire_for_drain();
  }
}

// A client that was told nothing may be sending at this moment.
void Connection::expire_for_drain() { expire_in(served_ > 0 ? options().drain_idle : kDrainFirst); }

void Connection::expire_in(std::chrono::milliseconds limit) {
  expires_ = Clock::now() + limit;
  if (expires_ < armed_for_) {
    local_.thread->cancel(timer_);
    arm_timer();
  }
}

void Connection::arm_timer() {
  const auto now = Clock::now();
  armed_for_ = std::min(expires_, now + options().idle_timeout);
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(armed_for_ - now);
  timer_ = local_.thread->after(delay, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->on_timer();
  });
}

void Connection::on_timer() {
  if (Clock::now() >= expires_) {
    no_limit();
    if (phase_ == Phase::kHandling) {
      gone_->store(true);
    } else {
      timed_out_ = true;
      ErrorCode ignored;
      socket_.cancel(ignored);
    }
  }
  arm_timer();
}

// False: the buffer is full of bytes that make no sense yet, and may not grow.
bool Connection::make_room(size_t wanted) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ > 0 && end_ == capacity_) {
    std::copy(input_.get() + begin_, input_.get() + end_, input_.get());
    end_ -= begin_;
    begin_ = 0;
  }
  const size_t most = std::max(kBodyBuffer, options().header_limit + kSmallBuffer);
  size_t capacity = std::max(capacity_, std::min(wanted, most));
  if (end_ == capacity) capacity = std::min(capacity * 2, most);
  if (end_ == capacity) return false;
  if (capacity != capacity_) {
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    std::copy(input_.get() + begin_, input_.get() + end_, larger.get());
    end_ -= begin_;
    begin_ = 0;
    input_ = std::move(larger);
    capacity_ = capacity;
  }
  return true;
}

void Connection::start_read() {
  if (reading_) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(input_.get() + end_, capacity_ - end_),
                          [this](ErrorCode error, size_t count) { on_read(error, count); });
}

void Connection::on_read(ErrorCode error, size_t count) {
  reading_ = false;
  end_ += count;
  if (error && error != asio::error::operation_aborted) peer_ended_ = true;
  if (reader_) {
    std::exchange(reader_, {}).resume();  // we may be gone after this
  } else if (peer_ended_ && phase_ == Phase::kHandling) {
    if (error == asio::error::eof)
      expire_in(kHalfClosed);
    else
      gone_->store(true);
  }
}

void Connection::watch_peer(const Request& request) {
  // An upgrade hands the socket over; nobody may be reading from it then. And with the next request
  // in the buffer the peer is there.
  if (peer_ended_ || begin_ < end_ || request.headers.has("Upgrade")) return;
  begin_ = end_ = 0;
  start_read();
}

// False: nothing (more) to answer on this connection.
Task<bool> Connection::read_request(Request& request) {
  RequestReader reader(request, options().header_limit, options().body_limit);
  bool told_continue = false;
  if (capacity_ > kSmallBuffer && begin_ == end_ && !reading_) {
    input_.reset();
    capacity_ = begin_ = end_ = 0;
  }
  const bool waits = begin_ == end_;
  phase_ = waits ? Phase::kIdle : Phase::kReading;
  expire_in(waits ? options().idle_timeout : options().header_timeout);
  if (waits && server_->draining.load(std::memory_order_relaxed)) expire_for_drain();
  while (true) {
    if (begin_ < end_) {
      if (phase_ == Phase::kIdle) {
        phase_ = Phase::kReading;
        expire_in(options().header_timeout);
      }
      const auto [used, state] = reader.feed(unread());
      begin_ += used;
      if (state == RequestReader::State::kDone) co_return true;
      if (state == RequestReader::State::kRefused) {
        co_await refuse(reader.refusal());
        co_return false;
      }
      if (reader.head_done() && reader.expects_continue() && !told_continue) {
        told_continue = true;
        if (!co_await Write{*this, "HTTP/1.1 100 Continue\r\n\r\n", {}}) co_return false;
      }
      // A head has one limit for all of it, so that a byte now and then does not keep it alive.
      if (reader.head_done()) expire_in(options().body_timeout);
    }
    if (!reading_ && !make_room(std::max(kSmallBuffer, reader.body_left()))) {
      co_await refuse(plain_error(400, "BAD_REQUEST", "This is not a valid HTTP request."));
      co_return false;
    }
    if (!co_await More{*this}) {
      if (timed_out_ && phase_ != Phase::kIdle)
        co_await refuse(plain_error(408, "REQUEST_TIMEOUT", "The request came too slowly."));
      co_return false;
    }
  }
}

Task<Response> Connection::handle(Request& request) {
  try {
    co_return co_await server_->handler(request);
  } catch (const std::exception& error) {
    log_error("handler threw", {{"path", std::string(request.path)}, {"what", error.what()}});
  } catch (...) {
    log_error("handler threw", {{"path", std::string(request.path)}});
  }
  co_return plain_error(500, "INTERNAL",
                        "Something went wrong here. The error is in the server's log.");
}

Task<void> Connection::loop() {
  while (!must_close_ && socket_.is_open()) {
    Request request;
    if (!co_await read_request(request)) break;
    request.peer_gone = gone_;
    request.remote_address = request.client_address = address_;
    phase_ = Phase::kHandling;
    no_limit();
    local_.requests.fetch_add(1, std::memory_order_relaxed);
    struct InFlight {
      std::atomic<int64_t>& count;
      int64_t before = count.fetch_add(1);
      ~InFlight() { count.fetch_sub(1); }
    };
    std::optional<InFlight> in_flight(server_->in_flight);
    Response response;
    const bool never_shed =
        !options().never_shed.empty() && request.path.starts_with(options().never_shed);
    if (!never_shed && in_flight->before >= static_cast<int64_t>(options().max_requests)) {
      local_.shed.fetch_add(1, std::memory_order_relaxed);
      response = plain_error(503, "OVERLOADED", "The server is busy. Try again.");
      response.headers.set("Retry-After", "1");
    } else {
      watch_peer(request);
      response = co_await handle(request);
    }
    ++served_;
    // The work is done, and a client that reads slowly must not keep others from theirs.
    if (!response.stream) in_flight.reset();
    if (response.websocket && is_websocket_upgrade(request)) {
      co_await serve_websocket(request, std::move(response));
      break;
    }
    phase_ = Phase::kWriting;
    if (!co_await answer(request, std::move(response))) break;
  }
  if (must_close_) co_await linger();
}

Task<void> Connection::serve_websocket(const Request& request, Response response) {
  phase_ = Phase::kUpgraded;
  local_.websockets.fetch_add(1);
  WebSocketOptions options;
  options.max_message = this->options().websocket_message_limit;
  auto [socket, end] = co_await upgrade(std::move(socket_), request, *local_.thread, options);
  if (socket) {
    end_websocket_ = std::move(end);
    if (server_->stopped.load())
      end_websocket_(true);
    else if (server_->draining.load())
      end_websocket_(false);
    try {
      co_await response.websocket(std::move(socket));
    } catch (const std::exception& error) {
      log_error("websocket handler threw",
                {{"path", std::string(request.path)}, {"what", error.what()}});
    }
  }
  end_websocket_ = nullptr;
  local_.websockets.fetch_sub(1);
}

Task<bool> Connection::refuse(Response response) {
  Request none;
  none.keep_alive = false;
  must_close_ = true;
  phase_ = Phase::kWriting;
  timed_out_ = false;
  co_return co_await answer(none, std::move(response));
}

// Reads what the client still sends for a moment: closing with unread bytes would reset the
// connection and lose our last answer.
Task<void> Connection::linger() {
  if (!socket_.is_open()) co_return;
  ErrorCode ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  phase_ = Phase::kClosing;
  local_.lingering.fetch_add(1);
  timed_out_ = false;
  expire_in(kLinger);
  do {
    if (reading_) continue;
    begin_ = end_ = 0;
    if (!make_room(kSmallBuffer)) break;
  } while (co_await More{*this} && !timed_out_);
  local_.lingering.fetch_sub(1);
}

// True when all is written or the connection broke; else what is left is in `head` and `body`.
bool Connection::write(std::string_view& head, std::string_view& body, ErrorCode& error) {
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  const size_t sent = socket_.write_some(buffers, error);
  if (error == asio::error::would_block || error == asio::error::try_again) {
    error = {};
    return false;
  }
  if (error) return true;
  const size_t of_head = std::min(sent, head.size());
  head.remove_prefix(of_head);
  body.remove_prefix(sent - of_head);
  return head.empty() && body.empty();
}

Task<bool> Connection::answer(const Request& request, Response response) {
  const bool keep = request.keep_alive && !must_close_ && !server_->closes_connections();
  must_close_ = !keep;
  if (options().gzip && !response.stream) compress(request, response);
  expire_in(options().body_timeout);
  HeadOptions head_options;
  head_options.keep_alive = keep;
  head_options.http_10 = request.version == 10;
  if (response.stream) {
    const bool sized = response.headers.has("Content-Length");
    head_options.chunked = !sized && request.version == 11;
    // Without chunks the end of an HTTP/1.0 stream is the end of the connection.
    if (!sized && !head_options.chunked) {
      must_close_ = true;
      head_options.keep_alive = false;
    }
    std::string head = make_head(response, head_options);
    co_return co_await send_stream(request, response, std::move(head));
  }
  const std::string head = make_head(response, head_options);
  const bool has_body =
      request.method != "HEAD" && response.status != 204 && response.status != 304;
  co_return co_await Write{*this, head,
                           has_body ? std::string_view(response.body) : std::string_view{}};
}

Task<bool> Connection::send_stream(const Request& request, Response& response, std::string head) {
  if (!co_await Write{*this, head, {}}) co_return false;
  if (request.method == "HEAD") co_return true;
  const bool chunked = request.version == 11 && !response.headers.has("Content-Length");
  while (true) {
    std::string chunk;
    no_limit();
    Result<bool> more = co_await response.stream(chunk);
    expire_in(options().body_timeout);
    if (!more) {
      log_error("answer broke off", {{"path", std::string(request.path)},
                                     {"code", more.error().id},
                                     {"detail", more.error().internal}});
      must_close_ = false;  // no orderly end: the client must see that something is missing
      co_return false;
    }
    if (!chunk.empty()) {
      const std::string size = chunked ? fmt::format("{:x}\r\n", chunk.size()) : "";
      if (chunked) chunk += "\r\n";
      if (!co_await Write{*this, size, chunk}) co_return false;
    }
    if (!*more) break;
  }
  if (chunked) co_return co_await Write{*this, "0\r\n\r\n", {}};
  co_return true;
}

}  // namespace halcyon::net
