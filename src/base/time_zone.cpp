#include "base/time_zone.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/time.h"

namespace halcyon {
namespace {

using std::chrono::floor;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Beyond these the library has no rules (and would overflow): year -32767 to 32767.
constexpr int64_t kFirst = -1'000'000'000'000'000, kLast = 900'000'000'000'000;

int64_t clamp_ms(int64_t second) {
  return second <= kFirst / 1000  ? std::numeric_limits<int64_t>::min()
         : second >= kLast / 1000 ? std::numeric_limits<int64_t>::max()
                                  : second * 1000;
}

}  // namespace

TimeZone TimeZone::fixed(int offset_minutes) {
  TimeZone zone;
  zone.fixed_ms_ = offset_minutes * kMinuteMs;
  return zone;
}

Result<TimeZone> TimeZone::find(std::string_view name) {
  const bool is_fixed =
      name == "Z" || name == "UTC" || name.starts_with('+') || name.starts_with('-');
  if (is_fixed) {
    if (const auto offset = parse_utc_offset(name)) return fixed(*offset);
  } else {
    try {
      TimeZone zone;
      zone.zone_ = date::locate_zone(std::string(name));
      return zone;
    } catch (const std::exception&) {  // the library's way to say that there is no such zone
    }
  }
  return fail(Error(Code::kInvalidArgument, "INVALID_TIME_ZONE",
                    fmt::format("There is no time zone \"{}\".", name))
                  .with_expected("an offset such as +08:00 or a name such as Asia/Shanghai"));
}

TimeZone::Span TimeZone::span_at(int64_t instant) const {
  if (zone_ == nullptr) {
    return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), fixed_ms_};
  }
  const int64_t inside = std::clamp(instant, kFirst, kLast);
  const auto info = zone_->get_info(date::sys_seconds(floor<seconds>(milliseconds(inside))));
  return {clamp_ms(info.begin.time_since_epoch().count()),
          clamp_ms(info.end.time_since_epoch().count()), info.offset.count() * 1000};
}

int64_t TimeZone::to_instant(int64_t civil) const {
  // The span in force a day before the time: clocks change at most once in between.
  Span span = span_at(civil - kDayMs);
  while (true) {
    const int64_t instant = civil - span.offset_ms;
    if (instant < span.end) return std::max(instant, span.begin);
    span = span_at(span.end);
  }
}

}  // namespace halcyon
