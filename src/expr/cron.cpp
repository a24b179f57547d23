#include "expr/cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"

namespace halcyon::expr {
namespace {

constexpr int kSecond = 0, kMinute = 1, kHour = 2, kDay = 3, kMonth = 4, kWeekday = 5;
constexpr int kSearchYears = 40;  // 29 February on a given weekday comes within 40 years

struct Limits {
  std::string_view name;
  int low, high;
};
constexpr std::array<Limits, 6> kFields = {{{"second", 0, 59},
                                            {"minute", 0, 59},
                                            {"hour", 0, 23},
                                            {"day of month", 1, 31},
                                            {"month", 1, 12},
                                            {"day of week", 0, 7}}};
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

std::unexpected<Error> bad(std::string_view what, std::string_view got) {
  return fail(Error(Code::kInvalidArgument, "INVALID_CRON",
                    fmt::format("\"{}\" is not a {} of a cron expression.", got, what))
                  .with_expected("second? minute hour day month weekday, e.g. 0 9 * * MON-FRI"));
}

// A number or a name, within the field's limits.
std::optional<int> read_value(std::string_view text, int field) {
  if (field == kMonth || field == kWeekday) {
    const std::string name = to_lower(text);
    for (size_t i = 0; field == kMonth && i < kMonths.size(); ++i)
      if (name == kMonths[i]) return static_cast<int>(i) + 1;
    for (size_t i = 0; field == kWeekday && i < kWeekdays.size(); ++i)
      if (name == kWeekdays[i]) return static_cast<int>(i);
  }
  const Limits& limits = kFields[static_cast<size_t>(field)];
  const auto number = to_int64(text);
  if (!number || *number < limits.low || *number > limits.high) return std::nullopt;
  return static_cast<int>(*number);
}

std::string_view expand(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
      {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
      {"@hourly", "0 * * * *"}};
  for (const auto& [known, fields] : kNames) {
    if (iequals(name, known)) return fields;
  }
  return name;
}

int days_in_month(int year, int month) {
  int days = 31;
  while (!is_valid_date(year, month, days)) --days;
  return days;
}

int weekday_of(const Civil& date) {  // Sunday is 0
  const int64_t day = to_ms({.year = date.year, .month = date.month, .day = date.day}) / kDayMs;
  return static_cast<int>(((day + 4) % 7 + 7) % 7);
}

void next_date(Civil& date) {
  if (++date.day <= days_in_month(date.year, date.month)) return;
  date.day = 1;
  if (++date.month <= 12) return;
  date.month = 1;
  ++date.year;
}

// First set bit at or after `from`; -1: none.
int first_from(const std::bitset<60>& set, int from) {
  for (int i = from; i < 60; ++i) {
    if (set[static_cast<size_t>(i)]) return i;
  }
  return -1;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > 500) return bad("text", "(longer than 500 characters)");
  const std::string spaced(expand(trim(text)));
  std::vector<std::string_view> parts;
  for (std::string_view rest = spaced; !(rest = trim(rest)).empty();) {
    const size_t end = std::min(rest.find_first_of(" \t\r\n\f\v"), rest.size());
    parts.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  if (parts.size() == 5) parts.insert(parts.begin(), "0");
  if (parts.size() != 6) return bad("list of 5 or 6 fields", text);
  Cron cron;
  for (int field = 0; field < 6; ++field)
    TRY_STATUS(cron.read_field(parts[static_cast<size_t>(field)], field));
  if (cron.fields_[kWeekday][7]) cron.fields_[kWeekday][0] = true;
  return cron;
}

Status Cron::read_field(std::string_view text, int field) {
  for (std::string_view item : split(text, ',')) TRY_STATUS(read_item(item, field));
  return {};
}

// L, nL and n#k.
bool Cron::read_special(std::string_view text, int field) {
  if (field == kDay && iequals(text, "L")) {
    last_day_ = true;
    return true;
  }
  if (field != kWeekday) return false;
  if (text.size() > 1 && (text.ends_with('L') || text.ends_with('l'))) {
    const auto day = read_value(text.substr(0, text.size() - 1), field);
    if (day) last_weekday_[static_cast<size_t>(*day % 7)] = true;
    return day.has_value();
  }
  if (const size_t hash = text.find('#'); hash != std::string_view::npos) {
    const auto day = read_value(text.substr(0, hash), field);
    const auto nth = to_int64(text.substr(hash + 1));
    if (!day || !nth || *nth < 1 || *nth > 5) return false;
    nth_weekday_[static_cast<size_t>(*nth - 1)][static_cast<size_t>(*day % 7)] = true;
    return true;
  }
  return false;
}

Status Cron::read_item(std::string_view text, int field) {
  const Limits& limits = kFields[static_cast<size_t>(field)];
  if (read_special(text, field)) return {};
  std::string_view range = text;
  int64_t step = 1;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    range = text.substr(0, slash);
    step = to_int64(text.substr(slash + 1)).value_or(0);
    if (step < 1 || step > 60) return bad(limits.name, text);
  }
  int low = limits.low, high = field == kWeekday ? 6 : limits.high;
  if (range == "*" || (range == "?" && (field == kDay || field == kWeekday))) {
    if (step == 1) any_[static_cast<size_t>(field)] = true;
  } else {
    const size_t dash = range.find('-');
    const auto from = read_value(range.substr(0, dash), field);
    auto to = dash == std::string_view::npos ? from : read_value(range.substr(dash + 1), field);
    if (from && to && field == kWeekday && *to == 0 && *from > 0) to = 7;  // FRI-SUN
    if (!from || !to || *from > *to) return bad(limits.name, text);
    low = *from;
    // "5/15" runs to the end of the field.
    if (slash == std::string_view::npos || dash != std::string_view::npos) high = *to;
  }
  if (field == kHour && (range == "*" || slash != std::string_view::npos)) free_hours_ = true;
  for (int i = low; i <= high; i += static_cast<int>(step))
    fields_[static_cast<size_t>(field)][static_cast<size_t>(i)] = true;
  return {};
}

bool Cron::day_matches(const Civil& date) const {
  const auto weekday = static_cast<size_t>(weekday_of(date));
  const int length = days_in_month(date.year, date.month);
  const bool by_day =
      fields_[kDay][static_cast<size_t>(date.day)] || (last_day_ && date.day == length);
  const bool by_weekday = fields_[kWeekday][weekday] ||
                          (last_weekday_[weekday] && date.day + 7 > length) ||
                          nth_weekday_[static_cast<size_t>((date.day - 1) / 7)][weekday];
  if (any_[kDay]) return by_weekday || any_[kWeekday];
  if (any_[kWeekday]) return by_day;
  return by_day || by_weekday;
}

std::optional<Civil> Cron::next_day(Civil from, int last_year) const {
  for (Civil date = from; date.year <= last_year; next_date(date)) {
    while (!fields_[kMonth][static_cast<size_t>(date.month)]) {
      date.day = 1;
      if (++date.month > 12) {
        date.month = 1;
        if (++date.year > last_year) return std::nullopt;
      }
    }
    if (day_matches(date)) return date;
  }
  return std::nullopt;
}

std::optional<int64_t> Cron::next_civil(int64_t civil, int64_t end) const {
  const Civil start = to_civil(civil + 999);  // whole seconds
  const Civil limit = to_civil(end);
  Civil date = {.year = start.year, .month = start.month, .day = start.day};
  while (true) {
    const auto day = next_day(date, limit.year);
    if (!day) return std::nullopt;
    const bool same = day->year == start.year && day->month == start.month && day->day == start.day;
    for (int hour = first_from(fields_[kHour], same ? start.hour : 0); hour >= 0;
         hour = first_from(fields_[kHour], hour + 1)) {
      const bool first_hour = same && hour == start.hour;
      int minute = first_from(fields_[kMinute], first_hour ? start.minute : 0);
      int second = 0;
      for (; minute >= 0; minute = first_from(fields_[kMinute], minute + 1)) {
        second =
            first_from(fields_[kSecond], first_hour && minute == start.minute ? start.second : 0);
        if (second >= 0) break;
      }
      if (minute < 0) continue;
      const int64_t found = to_ms({.year = day->year,
                                   .month = day->month,
                                   .day = day->day,
                                   .hour = hour,
                                   .minute = minute,
                                   .second = second});
      if (found >= end) return std::nullopt;
      return found;
    }
    date = *day;
    next_date(date);
  }
}

std::optional<int64_t> Cron::next(int64_t instant, const TimeZone& zone) const {
  // Years that the calendar cannot tell are nobody's schedule.
  constexpr int64_t kEarliest = -62'000'000'000'000;  // year 5
  constexpr int64_t kLatest = 253'370'764'800'000;    // 9999-01-01
  if (instant < kEarliest || instant > kLatest) return std::nullopt;
  int64_t from = instant + 1;
  const int64_t horizon = std::min(instant + kSearchYears * 366 * kDayMs, kLatest);
  int64_t repeated_until = INT64_MIN;  // civil times before this were already there
  TimeZone::Span span = zone.span_at(instant);
  if (span.begin > kEarliest) {
    const TimeZone::Span before = zone.span_at(span.begin - 1);
    if (before.offset_ms > span.offset_ms) repeated_until = span.begin + before.offset_ms;
  }
  while (from < horizon) {
    const int64_t end = std::min(span.end, horizon);
    int64_t civil = from + span.offset_ms;
    if (!free_hours_) civil = std::max(civil, repeated_until);
    if (const auto found = next_civil(civil, end + span.offset_ms)) return *found - span.offset_ms;
    if (end == horizon) return std::nullopt;
    const TimeZone::Span after = zone.span_at(span.end);
    const int64_t change = span.end, shift = after.offset_ms - span.offset_ms;
    if (shift > 0 && !free_hours_ &&
        next_civil(change + span.offset_ms, change + after.offset_ms).has_value())
      return change;
    repeated_until = shift < 0 ? change + span.offset_ms : INT64_MIN;
    span = after;
    from = change;
  }
  return std::nullopt;
}

}  // namespace halcyon::expr
