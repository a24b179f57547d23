#include "net/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <thread>

#include "base/log.h"
#include "net/connection_internal.h"
#include "net/server_internal.h"

namespace halcyon::net {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using namespace std::chrono_literals;

constexpr int kBacklog = 4096;
constexpr auto kRetryAccept = 100ms;
constexpr auto kStopTime = 5s;
// Drain: WebSockets are told at this pace or slower, and then have a moment to answer.
constexpr auto kPerWebSocket = 2ms;
constexpr auto kFarewell = 1s;

// A descriptor on its way to its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int family_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family;
}

int port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// Text of a peer's address; IPv4 in IPv6 clothes is shown as IPv4.
std::string address_text(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)).to_string();
  }
  if (address.ss_family != AF_INET6) return "";
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr,
              bytes.size());
  const asio::ip::address_v6 v6(bytes);
  return v6.is_v4_mapped() ? asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string()
                           : v6.to_string();
}

// Best effort: a client that has not read it when the socket closes just sees it close.
void send_off(Descriptor socket) {
  constexpr std::string_view kBody =
      R"({"errors":[{"code":"OVERLOADED","message":"The server is busy. Try again."}]})";
  const std::string answer = fmt::format(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
      "Content-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{}",
      kBody.size(), kBody);
  (void)!send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(socket.get(), SHUT_WR);
  std::array<char, 4096> sink;  // unread bytes would turn the close into a reset
  (void)!recv(socket.get(), sink.data(), sink.size(), MSG_DONTWAIT);
}

Result<Descriptor> open_listener(const ServerOptions& options) {
  const auto failed = [&](std::string_view why) {
    return fail(Code::kUnavailable, "LISTEN_FAILED",
                fmt::format("Cannot listen on {}:{}: {}", options.host, options.port, why));
  };
  if (options.inherited_fd >= 0) {
    Descriptor socket(fcntl(options.inherited_fd, F_DUPFD_CLOEXEC, 0));
    if (socket.get() < 0) return failed(std::strerror(errno));
    // The flag is the open socket's, shared with whoever gave it; everyone waits before accepting.
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    return socket;
  }
  ErrorCode error;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(host, error);
  if (error) return failed("not an IP address");
  const asio::ip::tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
  Descriptor socket(
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1, off = 0;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (options.reuse_port) setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (address.is_v6()) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (socket.get() < 0 ||
      bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(socket.get(), kBacklog) != 0)
    return failed(std::strerror(errno));
  return socket;
}

}  // namespace

Server::Shared::Shared(runtime::IoPool& pool, ServerOptions opts, Handler h)
    : io(pool), options(std::move(opts)), handler(std::move(h)) {
  for (size_t i = 0; i < io.size(); ++i)
    threads.push_back(std::make_unique<ServerThread>(io.thread(i)));
}

int64_t Server::Shared::total(std::atomic<int64_t> ServerThread::* counter) const {
  int64_t sum = 0;
  for (const auto& thread : threads) sum += ((*thread).*counter).load(std::memory_order_relaxed);
  return sum;
}

void Server::Shared::wait_for_clients() {
  listener->async_wait(asio::posix::stream_descriptor::wait_read,
                       [this, self = shared_from_this()](ErrorCode error) {
                         if (error || !listener->is_open() || draining || stopped) return;
                         if (accept_all()) return wait_for_clients();
                         // No descriptors or no memory: the client stays in the queue until there
                         // are some.
                         threads[0]->thread->after(kRetryAccept, [this, me = shared_from_this()] {
                           if (listener->is_open() && !draining && !stopped) wait_for_clients();
                         });
                       });
}

bool Server::Shared::accept_all() {
  while (true) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = accept4(listener->native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      take(fd, address_text(address));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      log_warn("cannot accept connections", {{"why", std::strerror(errno)}});
      return false;
    } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
      log_error("cannot accept connections", {{"why", std::strerror(errno)}});
      return false;
    }  // else this one client is gone already
  }
}

void Server::Shared::take(int fd, std::string address) {
  Descriptor socket(fd);
  if (total(&ServerThread::count) >= static_cast<int64_t>(options.max_connections)) {
    turned_away.fetch_add(1, std::memory_order_relaxed);
    return send_off(std::move(socket));
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ServerThread* least = threads[0].get();
  for (const auto& thread : threads) {
    if (thread->count.load() < least->count.load()) least = thread.get();
  }
  least->count.fetch_add(1);
  auto begin = [self = shared_from_this(), local = least, socket = std::move(socket),
                address = std::move(address)]() mutable {
    if (self->stopped) {
      local->count.fetch_sub(1);
      return;
    }
    auto& context = *static_cast<asio::io_context*>(local->thread->native());
    const auto protocol =
        family_of(socket.get()) == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
    Socket client(context.get_executor(), protocol, socket.release());
    ErrorCode ignored;
    client.non_blocking(true, ignored);
    Connection::serve(std::make_shared<Connection>(std::move(client), std::move(address),
                                                   std::move(self), *local));
  };
  if (least == threads[0].get())
    begin();
  else
    least->thread->post(std::move(begin));
}

Result<int> open_listening_socket(const ServerOptions& options) {
  TRY(Descriptor socket, open_listener(options));
  return socket.release();
}

int listening_port(int fd) { return port_of(fd); }

Server::Server(runtime::IoPool& io, ServerOptions options, Handler handler)
    : shared_(std::make_shared<Shared>(io, std::move(options), std::move(handler))) {}

Server::~Server() { stop(); }

Status Server::listen() {
  Shared& shared = *shared_;
  TRY(Descriptor socket, open_listener(shared.options));
  shared.port = port_of(socket.get());
  auto& context = *static_cast<asio::io_context*>(shared.io.thread(0).native());
  shared.listener.emplace(context.get_executor(), socket.release());
  shared.io.thread(0).post([s = shared_] { s->wait_for_clients(); });
  return {};
}

int Server::port() const { return shared_->port; }

void Server::announce_drain() { shared_->announced = true; }

void Server::drain() {
  Shared& shared = *shared_;
  if (shared.draining.exchange(true)) return;
  // Closing the socket resets the clients in its queue, so they are taken in first; those of a
  // shared socket too, since the other processes may be about to close theirs.
  shared.io.thread(0).post([s = shared_] {
    if (!s->listener || !s->listener->is_open()) return;
    s->accept_all();
    ErrorCode ignored;
    s->listener->close(ignored);
  });
  const auto window = std::min(shared.options.websocket_spread,
                               shared.total(&ServerThread::websockets) * kPerWebSocket);
  shared.websockets_told = runtime::Clock::now() + window + kFarewell;
  for (auto& local : shared.threads) {
    local->thread->post([s = shared_, l = local.get(), window] {
      for (auto& connection : l->connections) connection->drain(window);
    });
  }
}

bool Server::wait_idle(std::chrono::milliseconds limit, const std::function<bool()>& hurry) {
  const auto until = runtime::Clock::now() + limit;
  const auto busy = [this] {
    const int64_t all =
        shared_->total(&ServerThread::count) - shared_->total(&ServerThread::lingering);
    // A peer that does not answer our farewell is not waited for.
    const bool told = runtime::Clock::now() >= shared_->websockets_told;
    return told ? all - shared_->total(&ServerThread::websockets) : all;
  };
  while (busy() > 0) {
    if (runtime::Clock::now() >= until || (hurry && hurry())) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

void Server::stop() {
  Shared& shared = *shared_;
  if (shared.stopped.exchange(true)) return;
  for (auto& local : shared.threads) {
    auto done = std::make_shared<std::promise<void>>();
    local->thread->post([done, s = shared_, l = local.get()] {
      ErrorCode ignored;
      if (l == s->threads[0].get() && s->listener) s->listener->close(ignored);
      for (auto& connection : l->connections) connection->close();
      done->set_value();
    });
    done->get_future().wait_for(kStopTime);
  }
  // Handlers at work refer to what the caller will take down next.
  const auto until = runtime::Clock::now() + kStopTime;
  while (shared.total(&ServerThread::count) > 0 && runtime::Clock::now() < until)
    std::this_thread::sleep_for(2ms);
  if (const int64_t left = shared.total(&ServerThread::count); left > 0)
    log_warn("connections were still at work at the end", {{"connections", left}});
}

ServerStats Server::stats() const {
  ServerStats s;
  s.connections = shared_->total(&ServerThread::count);
  s.websockets = shared_->total(&ServerThread::websockets);
  s.requests_in_flight = shared_->in_flight;
  s.requests = shared_->total(&ServerThread::requests);
  s.shed = shared_->total(&ServerThread::shed);
  s.turned_away = shared_->turned_away;
  return s;
}

}  // namespace halcyon::net
