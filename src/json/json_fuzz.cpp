// What parses must dump, the dump must parse, and dumping that again must change nothing.
#include <cstdint>
#include <cstdlib>

#include "base/text.h"
#include "json/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace json = halcyon::json;
  const auto value = json::parse({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const std::string text = json::dump(*value);
  if (!halcyon::is_valid_utf8(text)) std::abort();
  const auto again = json::parse(text);
  if (!again || json::dump(*again) != text) std::abort();
  return 0;
}
