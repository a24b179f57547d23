// Cron expressions: when a schedule fires next, in a time zone.
//
//   TRY(Cron cron, Cron::parse("0 30 9 * * MON-FRI"));
//   std::optional<int64_t> at = cron.next(now, zone);   // strictly after `now`, milliseconds
//
// Five fields (minute hour day month weekday) or six (second first). A field is *, ?, a number, a
// name (JAN, MON), a range a-b, a step */n, a/n or a-b/n, or a list of these. Weekdays are 0 to 7,
// both ends Sunday. Days also know L (the last of the month); weekdays n#k (the k-th of the month)
// and nL (the last). When both day fields are restricted, either may match, as in every cron.
// Also @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly.
//
// When clocks change: a schedule at fixed hours whose time is skipped fires at the change, one
// whose time comes twice fires the first time only; schedules with * or a step in the hour go by
// elapsed time and fire in both. A value; next() is a pure function and its search is bounded (40
// years).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace halcyon::expr {

class Cron {
 public:
  // Error 400 INVALID_CRON, naming the field.
  static Result<Cron> parse(std::string_view text);
  // First time after `instant`; nullopt when there is none (30 February).
  std::optional<int64_t> next(int64_t instant, const TimeZone& zone) const;

 private:
  Status read_field(std::string_view text, int field);
  Status read_item(std::string_view text, int field);
  bool read_special(std::string_view text, int field);
  bool day_matches(const Civil& date) const;
  std::optional<Civil> next_day(Civil from, int last_year) const;
  // First matching civil time at or after `civil` and before `end`.
  std::optional<int64_t> next_civil(int64_t civil, int64_t end) const;

  // Second, minute, hour, day, month, weekday.
  std::array<std::bitset<60>, 6> fields_;
  std::array<bool, 6> any_{};  // the field is * or ?
  bool last_day_ = false;
  std::bitset<7> last_weekday_;                // nL
  std::array<std::bitset<7>, 5> nth_weekday_;  // n#k: [k - 1][n]
  bool free_hours_ = false;                    // * or a step in the hour
};

}  // namespace halcyon::expr
