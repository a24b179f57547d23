// Time zones: the offset of an instant, and wall clock times to instants over the days on which
// clocks change. Zones are the system's (IANA names) or fixed offsets ("+08:00").
//
//   TRY(TimeZone zone, TimeZone::find("Europe/Berlin"));
//   int64_t civil = instant + zone.offset_ms(instant);
//   int64_t back = zone.to_instant(civil);
//
// A small value, cheap to copy, safe from any thread. All times in milliseconds, see base/time.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace date {
class time_zone;
}

namespace halcyon {

class TimeZone {
 public:
  TimeZone() = default;  // UTC
  static TimeZone fixed(int offset_minutes);
  // "UTC", "Z", "+08:00", "Asia/Shanghai". Error 400 INVALID_TIME_ZONE.
  static Result<TimeZone> find(std::string_view name);

  // The stretch of time around an instant in which the offset does not change: [begin, end).
  struct Span {
    int64_t begin = 0, end = 0;
    int64_t offset_ms = 0;
  };
  Span span_at(int64_t instant) const;
  int64_t offset_ms(int64_t instant) const { return span_at(instant).offset_ms; }

  // A wall clock time that comes twice (clocks set back) is its first instant; one that is skipped
  // (clocks set forward) is the instant at which the clocks change.
  int64_t to_instant(int64_t civil) const;

 private:
  const date::time_zone* zone_ = nullptr;  // nullptr: fixed
  int64_t fixed_ms_ = 0;
};

}  // namespace halcyon
