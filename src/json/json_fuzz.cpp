// What parses is written by both writers in a form that parses to the same value.
#include <cstdlib>

#include "json/json.h"
#include "json/writer.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  const auto value = halcyon::json::parse({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const auto again = halcyon::json::parse(halcyon::json::dump(*value));
  std::string text;
  halcyon::json::Writer(text).value(*value);
  const auto written = halcyon::json::parse(text);
  if (!again || !written) std::abort();
  return 0;
}
