// Any bytes, in any pieces, given to the request reader as the server gives them: it always either
// comes to an end or asks for more, and stays within its limits. The pieces make no difference.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "net/head_parser_internal.h"

namespace {

using halcyon::net::Request;
using halcyon::net::RequestReader;

struct Outcome {
  RequestReader::State state = RequestReader::State::kMore;
  Request request;
};

void read(std::string_view bytes, size_t step, Outcome& out) {
  RequestReader reader(out.request, 4096, 1024);
  std::string buffer;
  for (size_t at = 0; at < bytes.size(); at += step) {
    buffer.append(bytes.substr(at, step));
    const auto [used, state] = reader.feed(buffer);
    if (used > buffer.size()) std::abort();
    buffer.erase(0, used);
    out.state = state;
    if (state == RequestReader::State::kRefused && reader.refusal().status < 400) std::abort();
    if (state != RequestReader::State::kMore) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Outcome pieces, whole;
  read(bytes, data[0] % 64 + 1, pieces);
  read(bytes, bytes.size() + 1, whole);
  if (pieces.request.body.size() > 1024) std::abort();
  if (whole.state == RequestReader::State::kDone &&
      (pieces.state != whole.state || pieces.request.target != whole.request.target ||
       pieces.request.body != whole.request.body ||
       pieces.request.headers.items() != whole.request.headers.items()))
    std::abort();
  return 0;
}
