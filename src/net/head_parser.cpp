#include "net/head_parser_internal.h"

#include <fmt/format.h>

#include "base/text.h"
#include "net/reply_internal.h"

namespace halcyon::net {

namespace http = boost::beast::http;

void RequestParser::on_request_impl(http::verb, string_view method, string_view target, int version,
                                    error_code&) {
  request_.method.assign(method.data(), method.size());
  request_.target.assign(target.data(), target.size());
  request_.version = version;
}

void RequestParser::on_field_impl(http::field name, string_view name_text, string_view value,
                                  error_code&) {
  if (head_done_) return;  // a trailer; what it says came too late to be believed
  const std::string_view text(value.data(), value.size());
  switch (name) {
    case http::field::host:
      ++hosts_;
      break;
    case http::field::expect:
      expects_continue_ = iequals(text, "100-continue");
      break;
    case http::field::content_length:
      has_length_ = true;
      break;
    case http::field::transfer_encoding:
      ++encodings_;
      plain_chunked_ = iequals(trim(text), "chunked");
      break;
    default:
      break;
  }
  request_.headers.add(std::string_view(name_text.data(), name_text.size()), std::string(text));
}

void RequestParser::on_header_impl(error_code& error) {
  head_done_ = true;
  if (encodings_ > 0) {
    if (has_length_ || request_.version == 10)
      error = http::error::bad_content_length;
    else if (encodings_ > 1 || !plain_chunked_)
      error = http::error::bad_transfer_encoding;
  }
  if (hosts_ > 1 || (hosts_ == 0 && request_.version >= 11)) error = http::error::bad_field;
  if (error) return;

  std::string_view target = request_.target;
  // The absolute form is for proxies; its host means nothing here.
  if (starts_with_ci(target, "http://") || starts_with_ci(target, "https://")) {
    target.remove_prefix(target.find("//") + 2);
    target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
  }
  const size_t mark = target.find('?');
  request_.path = target.substr(0, mark);
  if (request_.path.empty()) request_.path = "/";
  request_.query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
  request_.keep_alive = keep_alive();
}

void RequestParser::on_body_init_impl(boost::optional<std::uint64_t> const& length, error_code&) {
  // The parser has checked the length against the limit; the cap keeps a liar from costing memory.
  if (length) request_.body.reserve(std::min<std::uint64_t>(*length, 64 * 1024));
}

std::size_t RequestParser::on_body_impl(string_view body, error_code&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

namespace {

// `bytes` begin with the last chunk's head ("0"), and the end of the trailers is not there yet.
bool is_unfinished_end(std::string_view bytes) {
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  const size_t zeros = std::min(bytes.find_first_not_of('0'), bytes.size());
  if (zeros == 0) return false;
  const char next = zeros < bytes.size() ? bytes[zeros] : '\r';
  return (next == '\r' || next == ';') && bytes.find("\r\n\r\n") == std::string_view::npos;
}

}  // namespace

RequestReader::RequestReader(Request& request, size_t header_limit, size_t body_limit)
    : parser_(request), header_limit_(header_limit) {
  parser_.eager(true);
  parser_.header_limit(static_cast<std::uint32_t>(header_limit));
  parser_.body_limit(body_limit);
}

RequestReader::Progress RequestReader::feed(std::string_view bytes) {
  size_t used = 0;
  // RFC 9112, 2.2: an empty line before a request is no request.
  if (!started_) {
    while (used < bytes.size() && (bytes[used] == '\r' || bytes[used] == '\n')) ++used;
    if (used == bytes.size()) return {used, State::kMore};
    started_ = true;
  }
  while (used < bytes.size()) {
    const std::string_view rest = bytes.substr(used);
    // Beast 1.81 stops the process (an assertion) when it is shown the last chunk with a part of
    // the trailers, then one byte more. It sees them whole.
    if (parser_.at_chunk_head() && is_unfinished_end(rest)) {
      if (rest.size() > header_limit_) return refuse(used, http::error::header_limit);
      break;
    }
    boost::system::error_code error;
    const size_t taken = parser_.put(boost::asio::buffer(rest.data(), rest.size()), error);
    const bool was_head = !parser_.is_header_done();
    used += taken;
    if (was_head) head_bytes_ += taken;
    if (error && error != http::error::need_more) {
      in_target_ = error == http::error::header_limit && head_bytes_ == 0 &&
                   rest.find('\n') == std::string_view::npos;
      return refuse(used, error);
    }
    // The parser counts only what it was not able to use yet.
    if (was_head && head_bytes_ > header_limit_) return refuse(used, http::error::header_limit);
    if (parser_.is_done()) return {used, State::kDone};
    if (taken == 0) break;
  }
  return {used, State::kMore};
}

RequestReader::Progress RequestReader::refuse(size_t used, boost::system::error_code error) {
  error_ = error;
  return {used, State::kRefused};
}

size_t RequestReader::body_left() const {
  if (!parser_.is_header_done()) return 0;
  return static_cast<size_t>(parser_.content_length_remaining().value_or(0));
}

Response RequestReader::refusal() const {
  if (error_ == http::error::body_limit)
    return plain_error(413, "BODY_TOO_LARGE", "The request body is too large.");
  if (error_ == http::error::header_limit && in_target_)
    return plain_error(414, "URI_TOO_LONG", "The address is too long.");
  if (error_ == http::error::header_limit)
    return plain_error(431, "HEADER_TOO_LARGE", "The request head is too large.");
  if (error_ == http::error::bad_version)
    return plain_error(505, "BAD_HTTP_VERSION", "Only HTTP/1.0 and 1.1 are spoken.");
  if (error_ == http::error::bad_transfer_encoding)
    return plain_error(501, "BAD_TRANSFER_ENCODING", "Only the chunked encoding is known.");
  return plain_error(400, "BAD_REQUEST",
                     fmt::format("This is not a valid HTTP request: {}.", error_.message()));
}

}  // namespace halcyon::net
