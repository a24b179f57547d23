#include "base/time.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/text.h"

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

// The periods of one form follow each other without gaps, over year ends and leap years.
TEST(DateValue, PeriodsOfOneFormTileTheYears) {
  auto expect_tiles = [](const std::vector<std::string>& texts) {
    int64_t end = 0;
    for (const std::string& text : texts) {
      const auto value = parse_date_value(text);
      if (!value) continue;  // week 53, 31 February
      if (end != 0) {
        ASSERT_EQ(value->start, end) << text;
      }
      ASSERT_GT(value->end, value->start);
      end = value->end;
    }
    EXPECT_GE(end, to_ms({.year = 2040, .month = 12, .day = 25}));
  };
  auto padded = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  std::vector<std::string> years, quarters, weeks, locale_weeks, months, days;
  for (int year = 1990; year <= 2040; ++year) {
    const std::string y = std::to_string(year);
    years.push_back(y);
    for (int q = 1; q <= 4; ++q) quarters.push_back(y + "Q" + std::to_string(q));
    for (int w = 1; w <= 53; ++w) weeks.push_back(y + "W" + padded(w));
    for (int w = 1; w <= 53; ++w) locale_weeks.push_back(y + "w" + padded(w));
    for (int m = 1; m <= 12; ++m) {
      months.push_back(y + "-" + padded(m));
      for (int d = 1; d <= 31; ++d) days.push_back(months.back() + "-" + padded(d));
    }
  }
  for (const auto& texts : {years, quarters, weeks, locale_weeks, months, days})
    expect_tiles(texts);
}

TEST(DateValue, WhatIsFormattedIsReadBack) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 5000; ++i) {
    const auto ms = static_cast<int64_t>(random() % 315'537'897'600'000) - 62'135'596'800'000;
    const auto instant = parse_date_value(format_iso(ms));
    ASSERT_TRUE(instant && instant->is_instant);
    ASSERT_EQ(instant->start, ms);
    const auto civil = parse_date_value(format_sql(ms));
    ASSERT_TRUE(civil && !civil->is_instant);
    ASSERT_EQ(civil->start, ms);
    ASSERT_EQ(civil->end, ms + 1);
    const auto day = parse_date_value(format_date(ms));
    ASSERT_TRUE(day && day->start <= ms && ms < day->end);
  }
}

TEST(DateValue, RelativePeriodsHoldOrTouchTheirDay) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 2000; ++i) {
    const auto now = static_cast<int64_t>(random() % 4'000'000'000'000);
    for (const std::string unit : {"Week", "Month", "Quarter", "Year"}) {
      const auto current = *period_of("this" + unit, 0, "", now);
      ASSERT_TRUE(current.start <= now && now < current.end) << unit;
      ASSERT_EQ(period_of("last" + unit, 0, "", now)->end, current.start);
      ASSERT_EQ(period_of("next" + unit, 0, "", now)->start, current.end);
      // past and next leave the current unit out.
      const auto number = static_cast<int64_t>(random() % 30 + 1);
      const std::string lower = to_lower(unit);
      ASSERT_EQ(period_of("past", number, lower, now)->end, current.start);
      ASSERT_EQ(period_of("next", number, lower, now)->start, current.end);
      ASSERT_EQ(named_period("this" + unit, now)->start, current.start);
    }
    ASSERT_EQ(period_of("yesterday", 0, "", now)->end, period_of("today", 0, "", now)->start);
    ASSERT_EQ(period_of("tomorrow", 0, "", now)->start, period_of("today", 0, "", now)->end);
  }
}

TEST(DateValue, KnowsEveryNameOfTheReference) {
  for (const char* name :
       {"now",         "today",      "yesterday",   "tomorrow",    "thisWeek",
        "lastWeek",    "nextWeek",   "thisIsoWeek", "lastIsoWeek", "nextIsoWeek",
        "thisMonth",   "lastMonth",  "nextMonth",   "thisQuarter", "lastQuarter",
        "nextQuarter", "thisYear",   "lastYear",    "nextYear",    "last7Days",
        "next7Days",   "last30Days", "next30Days",  "last90Days",  "next90Days"}) {
    EXPECT_TRUE(named_period(name, 1'780'000'000'000)) << name;
  }
  for (const char* name : {"", "this", "thisweek", "thisDay", "last8Days", "past", "next"}) {
    EXPECT_FALSE(named_period(name, 1'780'000'000'000)) << name;
  }
}

TEST(DateValue, SuffixesGoWithEveryForm) {
  for (const char* text : {"2026", "2026Q1", "2026W05", "2026-01", "2026-01-31", "2026-01-31 10",
                           "2026-01-31T10:20", "2026-01-31 10:20:30", "2026-01-31 10:20:30.5"}) {
    const auto plain = parse_date_value(text),
               shifted = parse_date_value(std::string(text) + "-03:30");
    ASSERT_TRUE(plain && shifted) << text;
    EXPECT_EQ(shifted->offset, -210) << text;
    EXPECT_EQ(shifted->start, plain->start);
    EXPECT_EQ(shifted->end, plain->end);
  }
  const auto day = parse_date_value("2026-01-31Z");
  ASSERT_TRUE(day);
  EXPECT_FALSE(day->is_instant);
  EXPECT_EQ(day->offset, 0);
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
