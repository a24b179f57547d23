// Any body either parses into parts inside it or is a clean 400.
#include <cstdlib>

#include "net/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto parts = halcyon::net::parse_multipart("multipart/form-data; boundary=x", body);
  if (!parts) return 0;
  for (const auto& part : *parts) {
    if (!part.data.empty() && (part.data.data() < body.data() ||
                               part.data.data() + part.data.size() > body.data() + body.size()))
      std::abort();
  }
  return 0;
}
