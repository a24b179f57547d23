// Any bytes, in any pieces, given to the request parser as the server gives them.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "net/head_parser_internal.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  if (size < 1) return 0;
  const size_t step = data[0] % 64 + 1;
  halcyon::net::Request request;
  halcyon::net::RequestParser parser(request);
  parser.eager(true);
  parser.header_limit(4096);
  parser.body_limit(1024);
  std::string buffer;
  for (size_t at = 1; at < size; at += step) {
    buffer.append(reinterpret_cast<const char*>(data) + at, std::min(step, size - at));
    boost::system::error_code error;
    buffer.erase(0, parser.put(boost::asio::buffer(buffer), error));
    if (error && error != boost::beast::http::error::need_more) return 0;
    if (parser.is_done()) break;
  }
  if (request.body.size() > 1024) std::abort();
  return 0;
}
