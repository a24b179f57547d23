// Any query string either parses or is a clean 400; the result is valid JSON.
#include <cstdlib>

#include "json/json.h"
#include "net/query.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const auto value = halcyon::net::parse_query({reinterpret_cast<const char*>(data), size});
  if (value) {
    halcyon::json::dump(*value);
  } else if (value.error().code != halcyon::Code::kInvalidArgument) {
    std::abort();
  }
  return 0;
}
