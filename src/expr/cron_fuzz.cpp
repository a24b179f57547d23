// Any text: it is refused, or its next times are later and later, and found in bounded time.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "expr/cron.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const halcyon::TimeZone zone = *halcyon::TimeZone::find("Europe/Berlin");
  const auto cron = halcyon::expr::Cron::parse({reinterpret_cast<const char*>(data), size});
  if (!cron) return 0;
  int64_t at = 1'774'000'000'000;
  for (int i = 0; i < 20; ++i) {
    const auto next = cron->next(at, zone);
    if (!next) break;
    if (*next <= at) std::abort();
    at = *next;
  }
  return 0;
}
