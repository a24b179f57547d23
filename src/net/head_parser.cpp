#include "net/head_parser_internal.h"

namespace halcyon::net {

void RequestParser::on_request_impl(boost::beast::http::verb, string_view method,
                                    string_view target, int version, error_code&) {
  request_.method.assign(method.data(), method.size());
  request_.target.assign(target.data(), target.size());
  request_.version = version;
}

void RequestParser::on_field_impl(boost::beast::http::field name, string_view name_text,
                                  string_view value, error_code&) {
  if (name == boost::beast::http::field::expect) expects_continue_ = true;
  request_.headers.add(std::string_view(name_text.data(), name_text.size()),
                       std::string(value.data(), value.size()));
}

void RequestParser::on_header_impl(error_code&) {
  const std::string_view target = request_.target;
  const size_t mark = target.find('?');
  request_.path = target.substr(0, mark);
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

}  // namespace halcyon::net
