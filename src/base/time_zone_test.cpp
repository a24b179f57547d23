#include "base/time_zone.h"

#include <gtest/gtest.h>

#include <random>

#include "base/time.h"

namespace halcyon {
namespace {

int64_t at(const char* text) { return parse_date_value(text)->start; }

TEST(TimeZone, FindsNamesAndOffsets) {
  EXPECT_EQ(TimeZone::find("UTC")->offset_ms(0), 0);
  EXPECT_EQ(TimeZone::find("-03:30")->offset_ms(0), -210 * kMinuteMs);
  EXPECT_EQ(TimeZone::find("Asia/Shanghai")->offset_ms(at("2026-01-01Z")), 8 * kHourMs);
  const TimeZone berlin = *TimeZone::find("Europe/Berlin");
  EXPECT_EQ(berlin.offset_ms(at("2026-01-01T00:00:00Z")), kHourMs);
  EXPECT_EQ(berlin.offset_ms(at("2026-07-01T00:00:00Z")), 2 * kHourMs);
  for (const char* name : {"", "Nowhere/Land", "+25:00", "../etc/passwd", "+"}) {
    auto zone = TimeZone::find(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_EQ(zone.error().id, "INVALID_TIME_ZONE");
  }
}

TEST(TimeZone, WallClockTimesOverClockChanges) {
  const TimeZone berlin = *TimeZone::find("Europe/Berlin");
  auto instant = [&](const char* civil) { return format_iso(berlin.to_instant(at(civil))); };
  EXPECT_EQ(instant("2026-01-15 12:00:00"), "2026-01-15T11:00:00.000Z");
  // Forward on 29 March at 01:00Z: 02:00 to 03:00 do not exist.
  EXPECT_EQ(instant("2026-03-29 01:59:59"), "2026-03-29T00:59:59.000Z");
  EXPECT_EQ(instant("2026-03-29 02:00:00"), "2026-03-29T01:00:00.000Z");
  EXPECT_EQ(instant("2026-03-29 02:30:00"), "2026-03-29T01:00:00.000Z");
  EXPECT_EQ(instant("2026-03-29 03:00:00"), "2026-03-29T01:00:00.000Z");
  // Back on 25 October at 01:00Z: 02:00 to 03:00 come twice.
  EXPECT_EQ(instant("2026-10-25 02:30:00"), "2026-10-25T00:30:00.000Z");
  EXPECT_EQ(instant("2026-10-25 03:00:00"), "2026-10-25T02:00:00.000Z");
}

TEST(TimeZone, RoundTripsEveryInstantThatIsNotRepeated) {
  std::mt19937_64 random(3);
  for (const char* name : {"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe",
                           "Pacific/Apia", "Asia/Kolkata", "Africa/Casablanca", "UTC", "+05:45"}) {
    const TimeZone zone = *TimeZone::find(name);
    for (int i = 0; i < 2000; ++i) {
      const auto instant = static_cast<int64_t>(random() % 4'000'000'000'000) - 1'000'000'000'000;
      const TimeZone::Span span = zone.span_at(instant);
      ASSERT_LE(span.begin, instant);
      ASSERT_LT(instant, span.end);
      const int64_t back = zone.to_instant(instant + span.offset_ms);
      ASSERT_LE(back, instant);
      if (back != instant) {
        ASSERT_LT(instant - back, kDayMs) << name;
        ASSERT_EQ(back + zone.offset_ms(back), instant + span.offset_ms) << name << instant;
      }
    }
  }
}

TEST(TimeZone, StandsTheEndsOfTime) {
  const TimeZone berlin = *TimeZone::find("Europe/Berlin");
  for (int64_t instant : {INT64_MIN / 2, INT64_MAX / 2}) {
    const TimeZone::Span span = berlin.span_at(instant);
    EXPECT_LE(span.begin, instant);
    EXPECT_GT(span.end, instant);
  }
}

}  // namespace
}  // namespace halcyon
