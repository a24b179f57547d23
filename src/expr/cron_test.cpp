#include "expr/cron.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

namespace halcyon::expr {
namespace {

int64_t at(std::string_view text) { return parse_date_value(std::string(text) + "Z")->start; }

std::string next_text(std::string_view cron, std::string_view from, const char* zone = "UTC") {
  auto parsed = Cron::parse(cron);
  if (!parsed) return parsed.error().message;
  const auto next = parsed->next(at(from), *TimeZone::find(zone));
  return next ? format_sql(*next).substr(0, 19) : "never";
}

TEST(Cron, FieldForms) {
  const char* from = "2026-01-31 10:07:30";  // a Saturday
  for (auto [cron, want] : {
           std::pair{"* * * * *", "2026-01-31 10:08:00"},
           {"* * * * * *", "2026-01-31 10:07:31"},
           {"*/15 * * * *", "2026-01-31 10:15:00"},
           {"5/15 * * * *", "2026-01-31 10:20:00"},
           {"10-20/5 * * * *", "2026-01-31 10:10:00"},
           {"30 9 * * *", "2026-02-01 09:30:00"},
           {"0 30 9 * * MON-FRI", "2026-02-02 09:30:00"},
           {"0 0 * * 7", "2026-02-01 00:00:00"},
           {"0 0 * * sat-sun", "2026-02-01 00:00:00"},
           {"0 0 31 * *", "2026-03-31 00:00:00"},
           {"0 0 L * *", "2026-02-28 00:00:00"},
           {"0 0 29 feb ?", "2028-02-29 00:00:00"},
           {"0 0 * * 5L", "2026-02-27 00:00:00"},
           {"0 0 ? * mon#2", "2026-02-09 00:00:00"},
           {"0 0 * * 1#5", "2026-03-30 00:00:00"},
           {"0 0 13 * 5", "2026-02-06 00:00:00"},
           {"1,2 3,4 5 6,7 *", "2026-06-05 03:01:00"},
           {"@yearly", "2027-01-01 00:00:00"},
           {"@Hourly", "2026-01-31 11:00:00"},
           {"  0\t12 * *  * ", "2026-01-31 12:00:00"},
           {"0 0 30 2 *", "never"},
           {"0 0 29 2 1#5", "2028-02-29 00:00:00"},
       }) {
    EXPECT_EQ(next_text(cron, from), want) << cron;
  }
}

TEST(Cron, RefusesWhatIsNoCron) {
  for (const char* text : {"",
                           "*",
                           "* * * *",
                           "* * * * * * *",
                           "60 * * * *",
                           "* 24 * * *",
                           "* * 0 * *",
                           "* * 32 * *",
                           "* * * 13 *",
                           "* * * * 8",
                           "*/0 * * * *",
                           "*/61 * * * *",
                           "5-1 * * * *",
                           "a * * * *",
                           "1, * * * *",
                           "1- * * * *",
                           "-1 * * * *",
                           "* ? * * *",
                           "L * * * *",
                           "* * * * 1#6",
                           "* * * * 1#0",
                           "* * * * L",
                           "* * * foo *",
                           "1/2/3 * * * *",
                           "@never",
                           "* * * * *;"}) {
    auto cron = Cron::parse(text);
    ASSERT_FALSE(cron) << text;
    EXPECT_EQ(cron.error().id, "INVALID_CRON");
    EXPECT_EQ(cron.error().code, Code::kInvalidArgument);
  }
}

TEST(Cron, ClockChanges) {
  const char* zone = "Europe/Berlin";
  // Forward at 2026-03-29 01:00Z: 02:00 to 03:00 are skipped.
  EXPECT_EQ(next_text("30 2 * * *", "2026-03-28 12:00:00", zone), "2026-03-29 01:00:00");
  EXPECT_EQ(next_text("30 2 * * *", "2026-03-29 00:59:59.999", zone), "2026-03-29 01:00:00");
  EXPECT_EQ(next_text("30 2 * * *", "2026-03-29 01:00:00", zone), "2026-03-30 00:30:00");
  EXPECT_EQ(next_text("30 * * * *", "2026-03-29 00:45:00", zone), "2026-03-29 01:30:00");
  EXPECT_EQ(next_text("*/20 */2 * * *", "2026-03-29 00:00:00", zone), "2026-03-29 02:00:00");
  // Back at 2026-10-25 01:00Z: 02:00 to 03:00 come twice.
  EXPECT_EQ(next_text("30 2 * * *", "2026-10-25 00:00:00", zone), "2026-10-25 00:30:00");
  EXPECT_EQ(next_text("30 2 * * *", "2026-10-25 00:30:00", zone), "2026-10-26 01:30:00");
  EXPECT_EQ(next_text("30 2 * * *", "2026-10-25 01:10:00", zone), "2026-10-26 01:30:00");
  EXPECT_EQ(next_text("30 * * * *", "2026-10-25 00:30:00", zone), "2026-10-25 01:30:00");
  EXPECT_EQ(next_text("0 3 * * *", "2026-10-25 00:30:00", zone), "2026-10-25 02:00:00");
  // A whole day that was skipped.
  EXPECT_EQ(next_text("0 9 30 12 *", "2011-12-29 12:00:00", "Pacific/Apia"), "2011-12-30 10:00:00");
}

TEST(Cron, IsPureAtTheEndsOfTime) {
  const Cron cron = *Cron::parse("* * * * *");
  EXPECT_EQ(cron.next(INT64_MAX, {}), std::nullopt);
  EXPECT_EQ(cron.next(INT64_MIN, {}), std::nullopt);
  EXPECT_TRUE(cron.next(at("9990-01-01 00:00:00"), {}));
}

// A random schedule and what it says about one civil minute, from the sets it was made of.
struct Schedule {
  std::set<int> minutes, hours, days, months, weekdays;  // empty: *
  bool free_hours() const { return hours.empty(); }

  std::string text() const {
    std::string result;
    for (const auto* set : {&minutes, &hours, &days, &months, &weekdays}) {
      if (!result.empty()) result += ' ';
      result += set->empty() ? "*" : fmt::format("{}", fmt::join(*set, ","));
    }
    return result;
  }
  bool matches(int64_t civil) const {
    const Civil c = to_civil(civil);
    const int weekday = static_cast<int>((civil / kDayMs + 4) % 7);
    const bool by_day = days.contains(c.day), by_weekday = weekdays.contains(weekday);
    const bool day = days.empty()       ? weekdays.empty() || by_weekday
                     : weekdays.empty() ? by_day
                                        : by_day || by_weekday;
    return (minutes.empty() || minutes.contains(c.minute)) &&
           (hours.empty() || hours.contains(c.hour)) && day &&
           (months.empty() || months.contains(c.month));
  }
};

Schedule random_schedule(std::mt19937& random) {
  Schedule s;
  auto some = [&](int low, int high, size_t count) {
    std::set<int> set;
    while (set.size() < count) set.insert(low + static_cast<int>(random() % (high - low + 1)));
    return set;
  };
  s.minutes = some(0, 59, random() % 3);
  s.hours = some(0, 3, random() % 3);
  if (random() % 3 == 0) s.days = some(1, 31, 12);
  if (random() % 3 == 0) s.weekdays = some(0, 6, 2);
  if (random() % 4 == 0) s.months = some(1, 12, 6);
  return s;
}

// Does it fire at this minute? Decided from the offsets of single minutes only.
bool fires(const Schedule& s, const TimeZone& zone, int64_t minute) {
  const int64_t offset = zone.offset_ms(minute), before = zone.offset_ms(minute - 1);
  if (s.free_hours()) return s.matches(minute + offset);
  for (int64_t civil = minute + before; civil < minute + offset; civil += kMinuteMs)
    if (s.matches(civil)) return true;
  const bool repeated = zone.to_instant(minute + offset) != minute;
  return !repeated && s.matches(minute + offset);
}

TEST(Cron, AgreesWithTryingEveryMinute) {
  std::mt19937 random(5);
  for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"}) {
    const TimeZone zone = *TimeZone::find(name);
    for (int round = 0; round < 60; ++round) {
      const Schedule s = random_schedule(random);
      const Cron cron = *Cron::parse(s.text());
      // Around a change of the clocks: the end of this span.
      const int64_t year =
          at("2026-01-01 00:00:00") + static_cast<int64_t>(random() % 365) * kDayMs;
      const int64_t change = std::min(zone.span_at(year).end, year + 400 * kDayMs);
      int64_t from = (change - kDayMs) / kMinuteMs * kMinuteMs;
      const int64_t end = from + 2 * kDayMs;
      while (from < end) {
        int64_t want = from + kMinuteMs;
        while (want < end && !fires(s, zone, want)) want += kMinuteMs;
        const auto got = cron.next(from, zone);
        if (want >= end) {
          ASSERT_TRUE(!got || *got >= end) << s.text() << ' ' << name << ' ' << format_iso(from);
          break;
        }
        ASSERT_EQ(got, want) << s.text() << ' ' << name << ' ' << format_iso(from) << " want "
                             << format_iso(want);
        from = want;
      }
    }
  }
}

}  // namespace
}  // namespace halcyon::expr
