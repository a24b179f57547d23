// Bytes of a connection to Requests, by Beast's HTTP/1 parser. Private to net (Beast stays out of
// public headers); no sockets, so that the fuzzer runs what the server runs.
//
//   RequestReader reader(request, header_limit, body_limit);
//   const auto [used, state] = reader.feed(bytes);    // again with the unused bytes and more
//
// Stricter than Beast where a proxy in front might read the bytes otherwise (request smuggling):
// one Host, one framing (Content-Length or exactly "chunked"), trailers are not headers.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <string_view>

#include "net/http.h"

namespace halcyon::net {

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  explicit RequestParser(Request& request) : request_(request) {}
  bool expects_continue() const { return expects_continue_; }
  // The next byte belongs to the head of a chunk (or to the line break before it).
  bool at_chunk_head() const { return is_header_done() && chunked() && chunk_left_ == 0; }

 private:
  using error_code = boost::system::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb, string_view method, string_view target,
                       int version, error_code& error) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field name, string_view name_text, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code& error) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const& length, error_code& error) override;
  std::size_t on_body_impl(string_view body, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t size, string_view, error_code&) override {
    chunk_left_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t left, string_view body, error_code& error) override {
    chunk_left_ = left - body.size();
    return on_body_impl(body, error);
  }
  void on_finish_impl(error_code&) override {}

  Request& request_;
  bool head_done_ = false;
  bool expects_continue_ = false;
  bool has_length_ = false;
  std::uint64_t chunk_left_ = 0;
  int hosts_ = 0;
  int encodings_ = 0;
  bool plain_chunked_ = false;  // "chunked" and nothing else
};

class RequestReader {
 public:
  enum class State { kMore, kDone, kRefused };
  struct Progress {
    size_t used;
    State state;
  };
  // `request` is filled, and must outlive the reader.
  RequestReader(Request& request, size_t header_limit, size_t body_limit);

  // Takes what it can of `bytes`; what it did not use must come again, with more behind it.
  Progress feed(std::string_view bytes);
  bool head_done() const { return parser_.is_header_done(); }
  bool expects_continue() const { return parser_.expects_continue(); }
  // Bytes of the body still to come, if the client said so; else 0.
  size_t body_left() const;
  // What to answer when the state is kRefused.
  Response refusal() const;

 private:
  Progress refuse(size_t used, boost::system::error_code error);

  RequestParser parser_;
  size_t header_limit_;
  size_t head_bytes_ = 0;  // used so far
  bool started_ = false;   // a byte of the request has come
  bool in_target_ = false;
  boost::system::error_code error_;
};

}  // namespace halcyon::net
