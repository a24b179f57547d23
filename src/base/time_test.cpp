#include "base/time.h"

#include <gtest/gtest.h>

namespace halcyon {
namespace {

struct Case {
  const char* text;
  const char* start;
  const char* end;
};

TEST(DateValue, PeriodsAreHalfOpen) {
  for (const Case& c : {
           Case{"2026", "2026-01-01 00:00:00.000", "2027-01-01 00:00:00.000"},
           Case{"2026Q4", "2026-10-01 00:00:00.000", "2027-01-01 00:00:00.000"},
           Case{"2026W01", "2025-12-29 00:00:00.000", "2026-01-05 00:00:00.000"},
           Case{"2026W53", "2026-12-28 00:00:00.000", "2027-01-04 00:00:00.000"},
           Case{"2026w01", "2025-12-28 00:00:00.000", "2026-01-04 00:00:00.000"},
           Case{"2023w01", "2023-01-01 00:00:00.000", "2023-01-08 00:00:00.000"},
           Case{"2026w52", "2026-12-20 00:00:00.000", "2026-12-27 00:00:00.000"},
           Case{"2024-02", "2024-02-01 00:00:00.000", "2024-03-01 00:00:00.000"},
           Case{"2024-02-29", "2024-02-29 00:00:00.000", "2024-03-01 00:00:00.000"},
           Case{"2024-02-29 23", "2024-02-29 23:00:00.000", "2024-03-01 00:00:00.000"},
           Case{"2024-02-29T23:59", "2024-02-29 23:59:00.000", "2024-03-01 00:00:00.000"},
           Case{"2024-02-29 23:59:59", "2024-02-29 23:59:59.000", "2024-03-01 00:00:00.000"},
           Case{"2024-02-29 23:59:59.5", "2024-02-29 23:59:59.500", "2024-02-29 23:59:59.501"},
           Case{"1969-12-31", "1969-12-31 00:00:00.000", "1970-01-01 00:00:00.000"},
       }) {
    auto value = parse_date_value(c.text);
    ASSERT_TRUE(value) << c.text;
    EXPECT_EQ(format_sql(value->start), c.start) << c.text;
    EXPECT_EQ(format_sql(value->end), c.end) << c.text;
    EXPECT_FALSE(value->is_instant) << c.text;
  }
}

TEST(DateValue, ZonesAndInstants) {
  auto instant = parse_date_value("2026-01-31T10:00:00.123Z");
  ASSERT_TRUE(instant);
  EXPECT_TRUE(instant->is_instant);
  EXPECT_EQ(format_iso(instant->start), "2026-01-31T10:00:00.123Z");
  auto offset = parse_date_value("2026-01-31 10:00+08:00");
  ASSERT_TRUE(offset);
  EXPECT_EQ(offset->offset, 480);
  EXPECT_EQ(parse_utc_offset("-03:30"), -210);
  EXPECT_EQ(parse_utc_offset("Asia/Shanghai"), 480);
  EXPECT_EQ(parse_utc_offset("Nowhere/Land"), std::nullopt);
  EXPECT_EQ(parse_utc_offset("+25:00"), std::nullopt);
}

TEST(DateValue, RefusesWhatIsNoDate) {
  for (const char* text : {"", "x", "202", "2026-13", "2026-02-30", "2026-01-01 24",
                           "2026-01-01 10:60", "2026Q5", "2026W54", "2025W53", "2026w53", "2026W00",
                           "2026-01-01x", "2026-1-1", "0000", "2026-01-01 10:00:00.", "-026"}) {
    EXPECT_FALSE(parse_date_value(text)) << text;
  }
}

TEST(DateValue, RelativePeriods) {
  const int64_t now = to_ms({.year = 2026, .month = 1, .day = 31, .hour = 12});  // a Saturday
  auto check = [&](Result<DateValue> value, const char* start, const char* end) {
    ASSERT_TRUE(value);
    EXPECT_EQ(format_date(value->start), start);
    EXPECT_EQ(format_date(value->end), end);
  };
  check(period_of("thisWeek", 0, "", now), "2026-01-26", "2026-02-02");
  check(period_of("nextMonth", 0, "", now), "2026-02-01", "2026-03-01");
  check(period_of("lastQuarter", 0, "", now), "2025-10-01", "2026-01-01");
  check(period_of("past", 3, "day", now), "2026-01-28", "2026-01-31");
  check(period_of("next", 2, "year", now), "2027-01-01", "2029-01-01");
  check(named_period("last7Days", now), "2026-01-25", "2026-02-01");
  check(named_period("next30Days", now), "2026-02-01", "2026-03-03");
  EXPECT_FALSE(period_of("past", 0, "day", now));
  EXPECT_FALSE(period_of("past", 1, "eon", now));
  EXPECT_FALSE(named_period("someday", now));
}

TEST(Civil, RoundTripsEveryDay) {
  for (int64_t day = -800'000; day < 2'900'000; day += 13) {
    const int64_t ms = day * kDayMs + (day & 0xFFFF);
    if (to_civil(ms).year < 1 || to_civil(ms).year > 9999) continue;
    ASSERT_EQ(to_ms(to_civil(ms)), ms);
  }
}

}  // namespace
}  // namespace halcyon
