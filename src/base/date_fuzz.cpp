// Any text is refused or is a date value whose period does not end before it starts and whose ends
// can be written and read again.
#include <cstdint>
#include <cstdlib>

#include "base/time.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace halcyon;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto offset = parse_utc_offset(text, 0); offset && std::abs(*offset) > 24 * 60)
    std::abort();
  const int64_t now = size < 8 ? 0 : static_cast<int64_t>(data[0]) * 100'000'000'000;
  for (const char* unit : {"day", "week", "month", "quarter", "year"}) {
    const auto period = period_of(text, size > 1 ? data[1] * 40 : 1, unit, now);
    if (period && period->start > period->end) std::abort();
  }
  (void)named_period(text, now);
  const auto value = parse_date_value(text);
  if (!value) return 0;
  if (value->is_instant ? value->start != value->end : value->start >= value->end) std::abort();
  const auto again = parse_date_value(format_sql(value->start));
  if (to_civil(value->start).year >= 1 && (!again || again->start != value->start)) std::abort();
  return 0;
}
