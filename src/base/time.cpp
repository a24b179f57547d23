#include "base/time.h"

#include <date/date.h>
#include <date/tz.h>
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "base/text.h"

namespace halcyon {
namespace {

using Days = std::chrono::days;

std::unexpected<Error> bad_date(std::string_view text) {
  return fail(
      Error(Code::kInvalidArgument, "INVALID_DATE", fmt::format("\"{}\" is not a date.", text))
          .with_expected(
              "YYYY, YYYY-MM, YYYY-MM-DD, YYYY-MM-DD HH:mm:ss, an ISO time, YYYYQn or YYYYWnn"));
}

int64_t day_start(int64_t ms) {
  return std::chrono::floor<Days>(std::chrono::milliseconds(ms)).count() * kDayMs;
}

// Monday 00:00 of the ISO week.
int64_t week_start(int64_t ms) {
  const int64_t day = day_start(ms) / kDayMs;
  const int64_t weekday = ((day + 3) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
  return (day - weekday) * kDayMs;
}

int64_t month_start(int64_t ms, int months_later = 0) {
  const Civil c = to_civil(ms);
  const auto month =
      date::year(c.year) / date::month(static_cast<unsigned>(c.month)) + date::months(months_later);
  return date::sys_days(month / 1).time_since_epoch().count() * kDayMs;
}

int64_t quarter_start(int64_t ms, int quarters_later = 0) {
  const Civil c = to_civil(ms);
  return month_start(to_ms({.year = c.year, .month = (c.month - 1) / 3 * 3 + 1}),
                     quarters_later * 3);
}

int64_t year_start(int64_t ms, int years_later = 0) {
  return to_ms({.year = to_civil(ms).year + years_later});
}

DateValue period(int64_t start, int64_t end) {
  DateValue value;
  value.start = start;
  value.end = end;
  return value;
}

// [start of the unit that is `from` units after now's, start of the one `to` units after).
std::optional<DateValue> units(std::string_view unit, int64_t now, int64_t from, int64_t to) {
  const int f = static_cast<int>(from), t = static_cast<int>(to);
  if (unit == "day") return period(day_start(now) + from * kDayMs, day_start(now) + to * kDayMs);
  if (unit == "week")
    return period(week_start(now) + from * 7 * kDayMs, week_start(now) + to * 7 * kDayMs);
  if (unit == "month") return period(month_start(now, f), month_start(now, t));
  if (unit == "quarter") return period(quarter_start(now, f), quarter_start(now, t));
  if (unit == "year") return period(year_start(now, f), year_start(now, t));
  return std::nullopt;
}

// Reads fixed-width digits from the front; fails without changing `text`.
bool digits(std::string_view& text, size_t count, int& value) {
  if (text.size() < count) return false;
  const auto number = to_int64(text.substr(0, count));
  if (!number || *number < 0 || text[0] == '+') return false;
  value = static_cast<int>(*number);
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+08:00" at the end of a date value with a time; leaves the rest.
struct Suffix {
  bool utc = false;
  std::optional<int> offset;
};
Suffix take_suffix(std::string_view& text) {
  Suffix suffix;
  if (text.ends_with('Z')) {
    text.remove_suffix(1);
    suffix.utc = true;
  } else if (text.size() > 6 && (text[text.size() - 6] == '+' || text[text.size() - 6] == '-') &&
             text[text.size() - 3] == ':') {
    // A date alone such as 2026-01-31 has no colon there.
    suffix.offset = parse_utc_offset(text.substr(text.size() - 6));
    if (suffix.offset) text.remove_suffix(6);
    while (text.ends_with(' ')) text.remove_suffix(1);
  }
  return suffix;
}

// ISO weeks begin on Monday and week 1 has January 4th; those of the locale (en-US) begin on Sunday
// and week 1 has January 1st.
int64_t first_week(int year, bool iso) {
  if (iso) return week_start(to_ms({.year = year, .month = 1, .day = 4}));
  return week_start(to_ms({.year = year}) + kDayMs) - kDayMs;
}

// The part after "YYYY": quarter, week, or nothing; nullopt: neither.
std::optional<DateValue> year_part(std::string_view rest, int year) {
  const int64_t start = to_ms({.year = year});
  if (rest.empty()) return period(start, year_start(start, 1));
  int number = 0;
  if (take(rest, 'Q') && digits(rest, 1, number) && rest.empty() && number >= 1 && number <= 4) {
    const int64_t quarter = quarter_start(start, number - 1);
    return period(quarter, quarter_start(quarter, 1));
  }
  const bool iso = rest.starts_with('W');
  if (!(take(rest, 'W') || take(rest, 'w')) || !digits(rest, 2, number) || !rest.empty())
    return std::nullopt;
  const int64_t week = first_week(year, iso) + (number - 1) * 7 * kDayMs;
  if (number < 1 || week >= first_week(year + 1, iso)) return std::nullopt;
  return period(week, week + 7 * kDayMs);
}

// "HH", "HH:mm", "HH:mm:ss", "HH:mm:ss.SSS" on a day.
std::optional<DateValue> time_part(std::string_view rest, int64_t day) {
  int hour = 0, minute = 0, second = 0, ms = 0;
  if (!digits(rest, 2, hour) || hour > 23) return std::nullopt;
  int64_t length = kHourMs;
  if (take(rest, ':')) {
    if (!digits(rest, 2, minute) || minute > 59) return std::nullopt;
    length = kMinuteMs;
    if (take(rest, ':')) {
      if (!digits(rest, 2, second) || second > 59) return std::nullopt;
      length = 1000;
      if (take(rest, '.')) {
        const size_t places = rest.size();
        if (places < 1 || places > 9) return std::nullopt;
        std::string fraction(rest);
        fraction.resize(3, '0');
        std::string_view three(fraction);
        if (!to_int64(rest) || !digits(three, 3, ms)) return std::nullopt;
        rest = {};
        length = 1;
      }
    }
  }
  if (!rest.empty()) return std::nullopt;
  const int64_t start = day + hour * kHourMs + minute * kMinuteMs + second * 1000 + ms;
  return period(start, start + length);
}

}  // namespace

bool is_valid_date(int year, int month, int day) {
  return year >= 1 && year <= 9999 && month >= 1 && day >= 1 &&
         (date::year(year) / date::month(static_cast<unsigned>(month)) /
          date::day(static_cast<unsigned>(day)))
             .ok();
}

int64_t to_ms(const Civil& c) {
  const date::sys_days day = date::year(c.year) / date::month(static_cast<unsigned>(c.month)) /
                             date::day(static_cast<unsigned>(c.day));
  return day.time_since_epoch().count() * kDayMs + c.hour * kHourMs + c.minute * kMinuteMs +
         c.second * 1000 + c.millisecond;
}

Civil to_civil(int64_t ms) {
  const int64_t day = day_start(ms);
  const date::year_month_day ymd(date::sys_days(date::days(day / kDayMs)));
  const int64_t rest = ms - day;
  return {.year = static_cast<int>(ymd.year()),
          .month = static_cast<int>(static_cast<unsigned>(ymd.month())),
          .day = static_cast<int>(static_cast<unsigned>(ymd.day())),
          .hour = static_cast<int>(rest / kHourMs),
          .minute = static_cast<int>(rest / kMinuteMs % 60),
          .second = static_cast<int>(rest / 1000 % 60),
          .millisecond = static_cast<int>(rest % 1000)};
}

std::string format_date(int64_t ms) {
  const Civil c = to_civil(ms);
  return fmt::format("{:04}-{:02}-{:02}", c.year, c.month, c.day);
}

std::string format_sql(int64_t ms) {
  const Civil c = to_civil(ms);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", c.year, c.month, c.day, c.hour,
                     c.minute, c.second, c.millisecond);
}

std::string format_iso(int64_t instant) {
  std::string text = format_sql(instant) + "Z";
  text[text.size() - 14] = 'T';
  return text;
}

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<int> parse_utc_offset(std::string_view text, int64_t at) {
  if (text == "Z" || text == "UTC" || text == "GMT") return 0;
  if (text.starts_with('+') || text.starts_with('-')) {
    const int sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
    int hours = 0, minutes = 0;
    if (!digits(text, 2, hours)) return std::nullopt;
    take(text, ':');
    if (!text.empty() && !digits(text, 2, minutes)) return std::nullopt;
    if (!text.empty() || hours > 14 || minutes > 59) return std::nullopt;
    return sign * (hours * 60 + minutes);
  }
  try {
    const auto* zone = date::locate_zone(std::string(text));
    const auto info = zone->get_info(date::sys_seconds(std::chrono::seconds(at / 1000)));
    return static_cast<int>(info.offset.count() / 60);
  } catch (const std::exception&) {  // the library's way to say that there is no such zone
    return std::nullopt;
  }
}

Result<DateValue> parse_date_value(std::string_view text) {
  const std::string_view whole = text;
  text = trim(text);
  const Suffix suffix = take_suffix(text);
  int year = 0, month = 0, day = 0;
  if (!digits(text, 4, year) || year < 1) return bad_date(whole);
  std::optional<DateValue> value;
  bool has_time = false;
  if (!take(text, '-')) {
    value = year_part(text, year);
  } else if (digits(text, 2, month) && month >= 1 && month <= 12) {
    if (text.empty()) {
      const int64_t start = to_ms({.year = year, .month = month});
      value = period(start, month_start(start, 1));
    } else if (take(text, '-') && digits(text, 2, day) && is_valid_date(year, month, day)) {
      const int64_t start = to_ms({.year = year, .month = month, .day = day});
      if (text.empty())
        value = period(start, start + kDayMs);
      else if (has_time = take(text, 'T') || take(text, ' '); has_time)
        value = time_part(text, start);
    }
  }
  if (!value) return bad_date(whole);
  value->offset = suffix.utc ? 0 : suffix.offset;
  if (suffix.utc && has_time) {
    value->is_instant = true;
    value->end = value->start;
  }
  return *value;
}

Result<DateValue> period_of(std::string_view type, int64_t number, std::string_view unit,
                            int64_t now) {
  if (type == "today") return *units("day", now, 0, 1);
  if (type == "yesterday") return *units("day", now, -1, 0);
  if (type == "tomorrow") return *units("day", now, 1, 2);
  struct Prefix {
    std::string_view text;
    int64_t from;
  };
  for (const Prefix& prefix : {Prefix{"this", 0}, Prefix{"last", -1}, Prefix{"next", 1}}) {
    if (!type.starts_with(prefix.text)) continue;
    for (std::string_view unit_name : {"Week", "Month", "Quarter", "Year"}) {
      if (type.substr(4) == unit_name)
        return *units(to_lower(unit_name), now, prefix.from, prefix.from + 1);
    }
  }
  const bool in_range = number >= 1 && number <= 10'000;
  if (type == "past" && in_range) {
    if (auto value = units(unit, now, -number, 0)) return *value;
  }
  if (type == "next" && in_range) {
    if (auto value = units(unit, now, 1, number + 1)) return *value;
  }
  return bad_date(type);
}

Result<DateValue> named_period(std::string_view name, int64_t now) {
  if (name == "now") {
    DateValue value = period(now, now);
    value.is_instant = true;
    return value;
  }
  for (const int64_t days : {7, 30, 90}) {
    if (name == fmt::format("last{}Days", days)) return *units("day", now, 1 - days, 1);
    if (name == fmt::format("next{}Days", days)) return *units("day", now, 1, 1 + days);
  }
  // thisIsoWeek and thisWeek are the same here: weeks begin on Monday.
  if (name.ends_with("IsoWeek"))
    return period_of(std::string(name.substr(0, 4)) + "Week", 0, "", now);
  return period_of(name, 0, "", now);
}

}  // namespace halcyon
