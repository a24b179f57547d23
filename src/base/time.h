// Dates and times: civil arithmetic, text forms, and the date values of filters (reference C.4,
// C.5).
//
// Times are milliseconds since 1970-01-01T00:00:00: `instant` ones in UTC, `civil` ones as a wall
// clock shows them, with no zone. An offset (minutes east of UTC) turns one into the other: instant
// = civil - offset * 60000.
//
//   TRY(DateValue v, parse_date_value("2026-Q1"));   // a period: [2026-01-01, 2026-04-01) civil
//   int64_t from = v.start - offset * kMinuteMs;
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon {

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;

struct Civil {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, millisecond = 0;
};
int64_t to_ms(const Civil& civil);  // the fields must be in range
Civil to_civil(int64_t ms);
bool is_valid_date(int year, int month, int day);  // years 1 to 9999

std::string format_iso(int64_t instant);  // 2026-01-31T10:00:00.000Z
std::string format_sql(int64_t ms);       // 2026-01-31 10:00:00.000
std::string format_date(int64_t ms);      // 2026-01-31
int64_t now_ms();                         // the wall clock of this machine

// "+08:00", "-0330", "Z", "UTC", or a zone name such as "Asia/Shanghai" (its offset at `at`).
std::optional<int> parse_utc_offset(std::string_view text, int64_t at = now_ms());

// A value of a date filter: an instant, or a half-open civil period [start, end).
struct DateValue {
  bool is_instant = false;
  int64_t start = 0;          // instant, or civil start
  int64_t end = 0;            // civil end; equals start for instants
  std::optional<int> offset;  // minutes, when the text named one
};
// YYYY, YYYYQn, YYYYWnn, YYYY-MM, YYYY-MM-DD, ... to milliseconds, with "T" or a space and an
// optional offset; with "Z" an instant. Error 400 INVALID_DATE.
Result<DateValue> parse_date_value(std::string_view text);

// {type: "today" | "lastWeek" | "past" | ..., number, unit}: `now` is civil. Error 400
// INVALID_DATE.
Result<DateValue> period_of(std::string_view type, int64_t number, std::string_view unit,
                            int64_t now);
// Names of {{$nDate.x}}; "now" gives an instant when read with offset 0. Error 400 INVALID_DATE.
Result<DateValue> named_period(std::string_view name, int64_t now);

}  // namespace halcyon
