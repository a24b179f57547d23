#include "net/gzip.h"

#include <zlib.h>

#include "base/text.h"

namespace halcyon::net {
namespace {

// Level 1: most of the size at a third of the time of the default.
struct Compressor {
  z_stream stream{};
  bool ready = false;
  Compressor() {
    ready = deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Compressor() {
    if (ready) deflateEnd(&stream);
  }
};

}  // namespace

bool gzip(std::string_view input, std::string& out) {
  thread_local Compressor compressor;  // no suspension while it is in use
  if (!compressor.ready || deflateReset(&compressor.stream) != Z_OK) return false;
  z_stream& stream = compressor.stream;
  std::string result(deflateBound(&stream, input.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return false;
  result.resize(stream.total_out);
  if (result.size() >= input.size()) return false;
  out = std::move(result);
  return true;
}

bool is_compressible_type(std::string_view type) {
  return starts_with_ci(type, "text/") || starts_with_ci(type, "application/json") ||
         starts_with_ci(type, "application/javascript") || starts_with_ci(type, "image/svg");
}

}  // namespace halcyon::net
