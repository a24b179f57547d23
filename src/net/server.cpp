#include "net/server.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "base/log.h"
#include "base/text.h"
#include "net/gzip.h"
#include "net/head_parser_internal.h"
#include "net/websocket.h"
#include "net/websocket_internal.h"
#include "runtime/context.h"

namespace halcyon::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using ErrorCode = boost::system::error_code;
using runtime::Clock;

constexpr size_t kReadSize = 8 * 1024;
constexpr size_t kGzipFrom = 1024;

struct ReadSome {
  Socket& socket;
  char* data;
  size_t size;
  ErrorCode error{};
  size_t count = 0;
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    socket.async_read_some(asio::buffer(data, size), [this, handle](ErrorCode e, size_t n) {
      error = e;
      count = n;
      handle.resume();
    });
  }
  size_t await_resume() noexcept { return error ? 0 : count; }
};

struct WriteAll {
  Socket& socket;
  std::string_view head, body;
  ErrorCode error{};
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
    asio::async_write(socket, buffers, [this, handle](ErrorCode e, size_t) {
      error = e;
      handle.resume();
    });
  }
  bool await_resume() noexcept { return !error; }
};

// The Date header's text, made once a second and thread.
std::string_view http_date() {
  thread_local std::time_t made = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 64> buffer;
    text.assign(buffer.data(),
                std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
    made = now;
  }
  return text;
}

Response plain_error(int status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "application/json; charset=utf-8");
  response.body = fmt::format(R"({{"errors":[{{"code":"{}","message":"{}"}}]}})", code, message);
  return response;
}

Response parse_error(const ErrorCode& error) {
  if (error == http::error::body_limit)
    return plain_error(413, "BODY_TOO_LARGE", "The request body is too large.");
  if (error == http::error::header_limit)
    return plain_error(431, "HEADER_TOO_LARGE", "The request head is too large.");
  if (error == http::error::bad_version)
    return plain_error(505, "BAD_HTTP_VERSION", "Only HTTP/1.0 and 1.1 are spoken.");
  if (error == http::error::bad_transfer_encoding)
    return plain_error(501, "BAD_TRANSFER_ENCODING", "This transfer encoding is not known.");
  return plain_error(400, "BAD_REQUEST", "This is not a valid HTTP request.");
}

class Connection;

}  // namespace

// State of the whole server, and of one io thread in `Local`.
struct Server::Shared : std::enable_shared_from_this<Server::Shared> {
  Shared(runtime::IoPool& pool, ServerOptions opts, Handler h)
      : io(pool), options(std::move(opts)), handler(std::move(h)) {}

  struct Local {
    runtime::IoThread* thread = nullptr;
    std::optional<Acceptor> acceptor;
    std::unordered_set<std::shared_ptr<Connection>> connections;
  };

  runtime::IoPool& io;
  ServerOptions options;
  Handler handler;
  std::vector<std::unique_ptr<Local>> locals;
  int port = 0;
  std::atomic<bool> draining{false}, stopped{false};
  std::atomic<int64_t> connections{0}, in_flight{0}, requests{0}, shed{0};
  std::mutex idle_mutex;
  std::condition_variable idle;

  void accept(Local& local);
  void finished_request() {
    if (in_flight.fetch_sub(1) == 1) {
      std::lock_guard lock(idle_mutex);
      idle.notify_all();
    }
  }
};

namespace {

// One client connection. Lives on one io thread; the coroutine `serve` holds it alive.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Socket socket, std::shared_ptr<Server::Shared> server, Server::Shared::Local& local)
      : socket_(std::move(socket)),
        server_(std::move(server)),
        local_(local),
        gone_(std::make_shared<std::atomic<bool>>(false)) {}

  static runtime::Detached serve(std::shared_ptr<Connection> self) {
    self->arm_timer();
    co_await self->loop();
    self->close();
    self->cancel_timer();
    self->server_->connections.fetch_sub(1);
    self->local_.connections.erase(self);
  }

  void close() {
    ErrorCode ignored;
    if (socket_.is_open()) {
      socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
      socket_.close(ignored);
    }
  }
  bool waiting_for_request() const { return idle_; }

 private:
  const ServerOptions& options() const { return server_->options; }

  // One coarse timer a connection. Moving the limit later costs nothing (the timer looks again when
  // it fires); only an earlier limit sets the timer anew.
  void expire_in(std::chrono::milliseconds limit) {
    expires_ = Clock::now() + limit;
    if (expires_ < armed_for_) {
      cancel_timer();
      arm_timer();
    }
  }
  void no_limit() { expires_ = Clock::time_point::max(); }
  void arm_timer() {
    const auto now = Clock::now();
    armed_for_ = std::min(expires_, now + options().idle_timeout);
    const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(armed_for_ - now);
    timer_ = local_.thread->after(delay, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self || !self->socket_.is_open()) return;
      if (Clock::now() >= self->expires_) {
        self->timed_out_ = true;
        self->no_limit();
        ErrorCode ignored;
        self->socket_.cancel(ignored);
      }
      self->arm_timer();
    });
  }
  void cancel_timer() { local_.thread->cancel(timer_); }

  Task<void> loop();
  Task<bool> read_request(Request& request);
  Task<bool> answer(const Request& request, Response response);
  Task<bool> send_stream(const Request& request, Response& response, std::string head);
  Task<Response> handle(Request& request);
  std::string make_head(const Request& request, const Response& response, bool chunked, bool keep);
  Task<bool> refuse(Response response) {
    Request none;
    none.keep_alive = false;
    must_close_ = true;
    co_return co_await answer(none, std::move(response));
  }
  Task<void> linger();

  Socket socket_;
  std::shared_ptr<Server::Shared> server_;
  Server::Shared::Local& local_;
  std::shared_ptr<std::atomic<bool>> gone_;
  std::string buffer_;  // bytes read and not yet parsed
  Clock::time_point expires_ = Clock::time_point::max();
  Clock::time_point armed_for_ = Clock::time_point::max();
  uint64_t timer_ = 0;
  bool timed_out_ = false;
  bool must_close_ = false;
  bool idle_ = false;
};

// False: nothing (more) to answer on this connection.
Task<bool> Connection::read_request(Request& request) {
  RequestParser parser(request);
  parser.eager(true);
  parser.header_limit(static_cast<std::uint32_t>(options().header_limit));
  parser.body_limit(options().body_limit);
  bool told_continue = false;
  idle_ = buffer_.empty();
  expire_in(idle_ ? options().idle_timeout : options().header_timeout);
  while (true) {
    if (!buffer_.empty()) {
      idle_ = false;
      ErrorCode error;
      const size_t used = parser.put(asio::buffer(buffer_), error);
      buffer_.erase(0, used);
      if (error && error != http::error::need_more) {
        co_await refuse(parse_error(error));
        co_return false;
      }
      if (parser.is_done()) co_return true;
      if (!parser.is_header_done() && buffer_.size() > options().header_limit) {
        co_await refuse(parse_error(http::error::header_limit));
        co_return false;
      }
      if (used > 0 && !buffer_.empty()) continue;
      if (parser.is_header_done() && parser.expects_continue() && !told_continue) {
        told_continue = true;
        if (!co_await WriteAll{socket_, "HTTP/1.1 100 Continue\r\n\r\n", {}}) co_return false;
      }
      // A head has one limit for all of it, so that a byte now and then does not keep it alive.
      if (parser.is_header_done()) expire_in(options().body_timeout);
    }
    const size_t held = buffer_.size();
    buffer_.resize(held + kReadSize);
    const bool was_idle = idle_;
    const size_t count = co_await ReadSome{socket_, buffer_.data() + held, kReadSize};
    buffer_.resize(held + count);
    if (count == 0) {
      if (timed_out_ && !was_idle)
        co_await refuse(plain_error(408, "REQUEST_TIMEOUT", "The request came too slowly."));
      co_return false;
    }
    if (was_idle) expire_in(options().header_timeout);
  }
}

Task<Response> Connection::handle(Request& request) {
  try {
    co_return co_await server_->handler(request);
  } catch (const std::exception& error) {
    log_error("handler threw", {{"path", std::string(request.path)}, {"what", error.what()}});
  }
  co_return plain_error(500, "INTERNAL",
                        "Something went wrong here. The error is in the server's log.");
}

Task<void> Connection::loop() {
  while (!must_close_ && socket_.is_open()) {
    Request request;
    if (!co_await read_request(request)) break;
    request.peer_gone = gone_;
    ErrorCode error;
    if (const auto peer = socket_.remote_endpoint(error); !error)
      request.remote_address = peer.address().to_string();
    no_limit();
    server_->requests.fetch_add(1, std::memory_order_relaxed);
    const bool overloaded =
        server_->in_flight.fetch_add(1) >= static_cast<int64_t>(options().max_requests);
    Response response;
    if (overloaded) {
      server_->shed.fetch_add(1, std::memory_order_relaxed);
      response = plain_error(503, "OVERLOADED", "The server is busy. Try again.");
      response.headers.set("Retry-After", "1");
    } else {
      response = co_await handle(request);
    }
    if (response.websocket && is_websocket_upgrade(request)) {
      server_->finished_request();
      auto accept = std::move(response.websocket);
      auto socket = co_await upgrade(std::move(socket_), request, *local_.thread);
      if (socket) co_await accept(std::move(socket));
      break;
    }
    const bool sent = co_await answer(request, std::move(response));
    server_->finished_request();
    if (!sent) break;
  }
  gone_->store(true);
  if (must_close_) co_await linger();
}

// Reads what the client still sends for a moment: closing with unread bytes would reset the
// connection and lose our last answer.
Task<void> Connection::linger() {
  ErrorCode ignored;
  if (!socket_.is_open()) co_return;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  timed_out_ = false;
  expire_in(std::chrono::milliseconds(500));
  std::array<char, kReadSize> sink;
  while (!timed_out_ && co_await ReadSome{socket_, sink.data(), sink.size()} > 0) {
  }
}

std::string Connection::make_head(const Request& request, const Response& response, bool chunked,
                                  bool keep) {
  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                 reason_phrase(response.status), http_date());
  for (const auto& [name, value] : response.headers.items()) {
    head += name;
    head += ": ";
    // A value must never end the head.
    for (char c : value) {
      if (c != '\r' && c != '\n') head += c;
    }
    head += "\r\n";
  }
  const bool bodyless = response.status == 204 || response.status == 304;
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!bodyless && !response.headers.has("Content-Length")) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", response.body.size());
  }
  if (!keep)
    head += "Connection: close\r\n";
  else if (request.version == 10)
    head += "Connection: keep-alive\r\n";
  head += "\r\n";
  return head;
}

Task<bool> Connection::answer(const Request& request, Response response) {
  const bool keep =
      request.keep_alive && !must_close_ && !server_->draining.load(std::memory_order_relaxed);
  must_close_ = !keep;
  if (options().gzip && response.compressible && response.body.size() >= kGzipFrom &&
      !response.headers.has("Content-Encoding") &&
      request.headers.get("Accept-Encoding").find("gzip") != std::string_view::npos &&
      is_compressible_type(response.headers.get("Content-Type"))) {
    std::string small;
    if (gzip(response.body, small)) {
      response.body = std::move(small);
      response.headers.set("Content-Encoding", "gzip");
    }
    response.headers.add("Vary", "Accept-Encoding");
  }
  expire_in(options().body_timeout);
  if (response.stream) {
    const bool chunked = request.version == 11;
    if (!chunked) must_close_ = true;  // the end of an HTTP/1.0 stream is the end of the connection
    std::string head = make_head(request, response, chunked, chunked && keep);
    co_return co_await send_stream(request, response, std::move(head));
  }
  const std::string head = make_head(request, response, false, keep);
  const bool has_body = request.method != "HEAD";
  co_return co_await WriteAll{socket_, head,
                              has_body ? std::string_view(response.body) : std::string_view{}};
}

Task<bool> Connection::send_stream(const Request& request, Response& response, std::string head) {
  if (!co_await WriteAll{socket_, head, {}}) co_return false;
  if (request.method == "HEAD") co_return true;
  const bool chunked = request.version == 11;
  while (true) {
    std::string chunk;
    no_limit();
    Result<bool> more = co_await response.stream(chunk);
    expire_in(options().body_timeout);
    if (!more) {
      log_error("answer broke off", {{"path", std::string(request.path)},
                                     {"code", more.error().id},
                                     {"detail", more.error().internal}});
      must_close_ = true;
      co_return false;
    }
    if (!chunk.empty()) {
      const std::string size = chunked ? fmt::format("{:x}\r\n", chunk.size()) : "";
      if (chunked) chunk += "\r\n";
      if (!co_await WriteAll{socket_, size, chunk}) co_return false;
    }
    if (!*more) break;
  }
  if (chunked) co_return co_await WriteAll{socket_, "0\r\n\r\n", {}};
  co_return true;
}

}  // namespace

void Server::Shared::accept(Local& local) {
  local.acceptor->async_accept(
      [this, self = shared_from_this(), &local](ErrorCode error, Socket socket) {
        if (!local.acceptor->is_open() || draining || stopped) return;
        if (!error && connections.load() < static_cast<int64_t>(options.max_connections)) {
          ErrorCode ignored;
          socket.set_option(asio::ip::tcp::no_delay(true), ignored);
          connections.fetch_add(1);
          auto connection = std::make_shared<Connection>(std::move(socket), self, local);
          local.connections.insert(connection);
          Connection::serve(std::move(connection));
        }
        // Too many connections: the socket closes here; a balancer tries another replica.
        accept(local);
      });
}

Server::Server(runtime::IoPool& io, ServerOptions options, Handler handler)
    : shared_(std::make_shared<Shared>(io, std::move(options), std::move(handler))) {}

Server::~Server() { stop(); }

Status Server::listen() {
  Shared& shared = *shared_;
  ErrorCode error;
  const auto address = asio::ip::make_address(shared.options.host, error);
  shared.port = shared.options.port;
  for (size_t i = 0; i < shared.io.size() && !error; ++i) {
    auto local = std::make_unique<Shared::Local>();
    local->thread = &shared.io.thread(i);
    auto& context = *static_cast<asio::io_context*>(local->thread->native());
    const asio::ip::tcp::endpoint endpoint(address, static_cast<unsigned short>(shared.port));
    Acceptor& acceptor = local->acceptor.emplace(context.get_executor());
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    if (!error && shared.io.size() > 1) acceptor.set_option(ReusePort(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(4096, error);
    if (!error) shared.port = acceptor.local_endpoint(error).port();
    shared.locals.push_back(std::move(local));
  }
  if (error) {
    return fail(Error(Code::kUnavailable, "LISTEN_FAILED",
                      fmt::format("Cannot listen on {}:{}: {}", shared.options.host,
                                  shared.options.port, error.message())));
  }
  for (auto& local : shared.locals) {
    local->thread->post([shared = shared_, l = local.get()] { shared->accept(*l); });
  }
  return {};
}

int Server::port() const { return shared_->port; }

void Server::drain() {
  if (shared_->draining.exchange(true)) return;
  for (auto& local : shared_->locals) {
    local->thread->post([shared = shared_, l = local.get()] {
      ErrorCode ignored;
      l->acceptor->close(ignored);
      for (auto& connection : l->connections) {
        if (connection->waiting_for_request()) connection->close();
      }
    });
  }
}

bool Server::wait_idle(std::chrono::milliseconds limit) {
  std::unique_lock lock(shared_->idle_mutex);
  return shared_->idle.wait_for(lock, limit, [this] { return shared_->in_flight.load() == 0; });
}

void Server::stop() {
  if (shared_->stopped.exchange(true)) return;
  for (auto& local : shared_->locals) {
    auto done = std::make_shared<std::promise<void>>();
    local->thread->post([done, shared = shared_, l = local.get()] {
      ErrorCode ignored;
      if (l->acceptor) l->acceptor->close(ignored);
      for (auto& connection : l->connections) connection->close();
      done->set_value();
    });
    done->get_future().wait_for(std::chrono::seconds(5));
  }
}

ServerStats Server::stats() const {
  ServerStats s;
  s.connections = shared_->connections;
  s.requests_in_flight = shared_->in_flight;
  s.requests = shared_->requests;
  s.shed = shared_->shed;
  return s;
}

}  // namespace halcyon::net
