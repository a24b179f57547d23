#include "net/client.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <coroutine>
#include <optional>

#include "base/text.h"
#include "net/websocket_internal.h"
#include "runtime/io.h"

namespace halcyon::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using ErrorCode = boost::system::error_code;
using TlsStream = asio::ssl::stream<Socket&>;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;
using Parser = http::response_parser<http::string_body>;

constexpr std::uint32_t kHeaderLimit = 64 * 1024;

struct Target {
  bool tls = false;
  std::string host, port, authority, path;
};

Result<Target> parse_url(const std::string& text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url || (url->scheme() != "http" && url->scheme() != "https") || url->host().empty()) {
    return invalid("INVALID_URL", fmt::format("\"{}\" is not an http or https address.", text));
  }
  Target target;
  target.tls = url->scheme() == "https";
  target.host = url->host_address();  // an IPv6 address without its brackets
  target.port = url->has_port() && !url->port().empty() ? std::string(url->port())
                                                        : (target.tls ? "443" : "80");
  target.authority = std::string(url->encoded_host_and_port());
  target.path = std::string(url->encoded_target());
  if (!target.path.starts_with('/')) target.path.insert(0, "/");
  return target;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < 127 &&
           std::string_view("()<>@,;:\\\"/[]?={}").find(c) == std::string_view::npos;
  });
}

Result<std::string> make_head(const ClientRequest& request, const Target& target) {
  if (!is_token(request.method)) return invalid("INVALID_HEADER", "The method is not valid.");
  std::string head =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, target.path, target.authority);
  for (const auto& [name, value] : request.headers.items()) {
    if (!is_token(name) ||
        value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return invalid("INVALID_HEADER", fmt::format("The header \"{}\" is not valid.", name));
    }
    if (iequals(name, "Host") || iequals(name, "Content-Length") || iequals(name, "Connection") ||
        iequals(name, "Transfer-Encoding"))
      continue;
    fmt::format_to(std::back_inserter(head), "{}: {}\r\n", name, value);
  }
  if (!request.headers.has("User-Agent")) head += "User-Agent: halcyon\r\n";
  const bool may_lack_body = request.method == "GET" || request.method == "HEAD";
  if (!request.body.empty() || !may_lack_body)
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", request.body.size());
  head += "Connection: close\r\n\r\n";
  return head;
}

// co_await Wait{[&](auto done) { socket.async_connect(endpoint, std::move(done)); }}
// gives the operation's error code.
template <class Start>
struct Wait {
  Start start;
  ErrorCode error{};
  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    start([this, handle](ErrorCode e, const auto&...) {
      error = e;
      handle.resume();
    });
  }
  ErrorCode await_resume() noexcept { return error; }
};
template <class Start>
Wait(Start) -> Wait<Start>;

// One request under way; the timer may outlive it.
struct Exchange {
  explicit Exchange(Executor executor) : resolver(executor), socket(executor) {}
  Resolver resolver;
  Socket socket;
  bool timed_out = false;

  void stop() {
    timed_out = true;
    resolver.cancel();
    ErrorCode ignored;
    socket.close(ignored);
  }
  std::unexpected<Error> failed(std::string id, const std::string& host, const ErrorCode& error) {
    if (timed_out) {
      return fail(Code::kDeadlineExceeded, "HTTP_TIMEOUT",
                  fmt::format("{} did not answer in time.", host));
    }
    return fail(Error(Code::kUnavailable, std::move(id),
                      fmt::format("The request to {} failed: {}.", host, error.message()))
                    .with_internal(error.message()));
  }
};

template <class Stream>
Task<ErrorCode> talk(Stream& stream, const std::string& head, const std::string& body,
                     Parser& parser) {
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  ErrorCode written =
      co_await Wait{[&](auto done) { asio::async_write(stream, buffers, std::move(done)); }};
  // A server may answer before it has read everything; its answer tells more than our error.
  beast::flat_buffer buffer;
  const ErrorCode read =
      co_await Wait{[&](auto done) { http::async_read(stream, buffer, parser, std::move(done)); }};
  co_return read&& written && !parser.is_header_done() ? written : read;
}

}  // namespace

struct Client::Impl {
  explicit Impl(ClientOptions o) : options(std::move(o)), tls(asio::ssl::context::tls_client) {
    tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                    asio::ssl::context::no_tlsv1_1);
    if (options.ca_file.empty())
      tls.set_default_verify_paths();
    else
      tls.load_verify_file(options.ca_file);
    tls.set_verify_mode(options.verify_peer ? asio::ssl::verify_peer : asio::ssl::verify_none);
  }

  ClientOptions options;
  mutable asio::ssl::context tls;

  Task<Result<ClientResponse>> run(std::shared_ptr<Exchange> exchange, ClientRequest request) const;
  Task<Status> connect(Exchange& exchange, const Target& target) const;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

Task<Status> Client::Impl::connect(Exchange& exchange, const Target& target) const {
  Resolver::results_type found;
  const auto resolved = [&](auto done) {
    exchange.resolver.async_resolve(
        target.host, target.port,
        [&found, done](ErrorCode error, Resolver::results_type results) mutable {
          found = std::move(results);
          done(error);
        });
  };
  ErrorCode error = co_await Wait{resolved};
  if (error) co_return exchange.failed("HTTP_CONNECT_FAILED", target.host, error);
  bool allowed = false;
  error = asio::error::host_unreachable;
  for (const auto& entry : found) {
    if (exchange.timed_out) break;
    const asio::ip::tcp::endpoint endpoint = entry.endpoint();
    if (options.allow_address && !options.allow_address(endpoint.address().to_string())) continue;
    allowed = true;
    ErrorCode ignored;
    exchange.socket.close(ignored);
    error =
        co_await Wait{[&](auto done) { exchange.socket.async_connect(endpoint, std::move(done)); }};
    if (!error) break;
  }
  if (!allowed && !exchange.timed_out) {
    co_return fail(Code::kPermissionDenied, "ADDRESS_NOT_ALLOWED",
                   fmt::format("Requests to {} are not allowed.", target.host));
  }
  // Closed between the connection and now: the time is up.
  if (error || exchange.timed_out)
    co_return exchange.failed("HTTP_CONNECT_FAILED", target.host, error);
  exchange.socket.set_option(asio::ip::tcp::no_delay(true), error);
  co_return Status{};
}

Task<Result<ClientResponse>> Client::Impl::run(std::shared_ptr<Exchange> exchange,
                                               ClientRequest request) const {
  CO_TRY(const Target target, parse_url(request.url));
  CO_TRY(const std::string head, make_head(request, target));
  CO_TRY_STATUS(co_await connect(*exchange, target));

  std::optional<TlsStream> tls_stream;
  if (target.tls) {
    tls_stream.emplace(exchange->socket, tls);
    if (options.verify_peer)
      tls_stream->set_verify_callback(asio::ssl::host_name_verification(target.host));
    ErrorCode unused;
    if (asio::ip::make_address(target.host, unused); unused)  // addresses have no server name
      SSL_set_tlsext_host_name(tls_stream->native_handle(), target.host.c_str());
    const ErrorCode error = co_await Wait{[&](auto done) {
      tls_stream->async_handshake(asio::ssl::stream_base::client, std::move(done));
    }};
    if (error) co_return exchange->failed("HTTP_TLS_FAILED", target.host, error);
  }

  Parser parser;
  parser.header_limit(kHeaderLimit);
  parser.body_limit(request.max_body);
  parser.skip(request.method == "HEAD");
  const ErrorCode error = tls_stream ? co_await talk(*tls_stream, head, request.body, parser)
                                     : co_await talk(exchange->socket, head, request.body, parser);
  if (error == http::error::body_limit) {
    co_return fail(Code::kUnavailable, "HTTP_ANSWER_TOO_LARGE",
                   fmt::format("The answer of {} is too large.", target.host));
  }
  if (error) co_return exchange->failed("HTTP_BROKEN", target.host, error);

  ClientResponse response;
  response.status = parser.get().result_int();
  for (const auto& field : parser.get()) {
    response.headers.add(std::string_view(field.name_string().data(), field.name_string().size()),
                         std::string(field.value()));
  }
  response.body = std::move(parser.get().body());
  ErrorCode ignored;
  exchange->socket.close(ignored);
  co_return response;
}

Task<Result<ClientResponse>> Client::send(ClientRequest request) const {
  runtime::IoThread& io = *runtime::IoThread::current();
  auto& context = *static_cast<asio::io_context*>(io.native());
  auto exchange = std::make_shared<Exchange>(context.get_executor());
  const uint64_t timer = io.after(request.timeout, [weak = std::weak_ptr(exchange)] {
    if (auto late = weak.lock()) late->stop();
  });
  auto response = co_await impl_->run(exchange, std::move(request));
  io.cancel(timer);
  co_return response;
}

}  // namespace halcyon::net
