// Dates and times as people write them in JSON: reading ISO-like text, and the text forms the
// database uses (sql/value.h). Proleptic Gregorian calendar, years 1 to 9999, no leap seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace halcyon::schema::types {

struct Civil {
  int year = 1970, month = 1, day = 1;
  int hour = 0, minute = 0, second = 0, millisecond = 0;
  bool has_time = false;
  std::optional<int> offset_minutes;  // "Z" or "+08:00"; nullopt: naive
};

// "2026-01-31", "2026-01-31T10:20", "2026-01-31 10:20:30.123456", with "Z", "+08:00", "+0800".
std::optional<Civil> read_civil(std::string_view text);
// "10:20", "10:20:30", "10:20:30.5" -> "10:20:30[.500]".
std::optional<std::string> read_clock(std::string_view text);

// Milliseconds since 1970-01-01 of the wall clock as if it were UTC.
int64_t civil_to_ms(const Civil& civil);
std::optional<Civil> ms_to_civil(int64_t ms);  // nullopt outside the years 1 to 9999

std::string date_text(const Civil& civil);                     // 2026-01-31
std::string timestamp_text(const Civil& civil, bool with_ms);  // 2026-01-31 10:20:30[.123]
void append_iso_utc(std::string& out, const Civil& civil);     // 2026-01-31T10:20:30.123Z

int64_t now_ms();

}  // namespace halcyon::schema::types
