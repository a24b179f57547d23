// Dates, in the calendar of the caller. Days are "YYYY-MM-DD"; NOW() is an ISO instant.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "base/time.h"
#include "expr/functions_internal.h"

namespace halcyon::expr {
namespace {

using Value = Result<json::Value>;

Result<DateArg> date_of(const Env& env, const json::Value& value) {
  if (const auto date = as_date(env, value)) return *date;
  std::string shown = json::dump(value);
  if (shown.size() > 50) shown = "This value";
  return failed(shown + " is not a date.");
}

int64_t day_of(int64_t civil) {  // days since 1970-01-01
  return (civil - (((civil % kDayMs) + kDayMs) % kDayMs)) / kDayMs;
}
int weekday(int64_t day) { return static_cast<int>(((day + 4) % 7 + 7) % 7); }  // Sunday is 0

Value day_result(int64_t civil) { return json::Value(format_date(civil)); }

// The day `months` after the one of a date; the month's last day when it has no such day.
Result<int64_t> months_later(const Civil& from, int64_t months, bool to_last_day) {
  const int64_t month = from.year * int64_t{12} + from.month - 1 + months;
  if (month < 12 || month >= 10'000 * 12) return failed("The date is out of range.");
  const int year = static_cast<int>(month / 12), number = static_cast<int>(month % 12) + 1;
  int day = to_last_day ? 31 : from.day;
  while (!is_valid_date(year, number, day)) --day;
  return to_ms({.year = year, .month = number, .day = day});
}

template <int Civil::* Field>
Value field(Env& env, Args args) {
  TRY(const DateArg date, date_of(env, args[0]));
  return json::Value(to_civil(date.civil).*Field);
}

// Months and days beyond their ends run on into the next, as in spreadsheets.
Value make_date(Env&, Args args) {
  TRY(const int64_t year, integer_of(args[0]));
  TRY(const int64_t month, integer_of(args[1]));
  TRY(const int64_t day, integer_of(args[2]));
  if (year < 1 || year > 9999 || std::abs(month) > 100'000 || std::abs(day) > 3'000'000)
    return failed("The date is out of range.");
  TRY(const int64_t first, months_later({.year = static_cast<int>(year)}, month - 1, false));
  const int64_t civil = first + (day - 1) * kDayMs;
  const int result = to_civil(civil).year;
  if (result < 1 || result > 9999) return failed("The date is out of range.");
  return day_result(civil);
}

Value weekday_number(Env& env, Args args) {
  TRY(const DateArg date, date_of(env, args[0]));
  int64_t type = 1;
  if (args.size() > 1) {
    TRY(type, integer_of(args[1]));
  }
  const int sunday_first = weekday(day_of(date.civil));
  const int monday_first = (sunday_first + 6) % 7;
  switch (type) {
    case 1:
      return json::Value(sunday_first + 1);
    case 2:
      return json::Value(monday_first + 1);
    case 3:
      return json::Value(monday_first);
    default:
      return failed("The second argument of WEEKDAY is 1, 2 or 3.");
  }
}

Value iso_week(Env& env, Args args) {
  TRY(const DateArg date, date_of(env, args[0]));
  const int64_t day = day_of(date.civil);
  const int64_t thursday = day - (weekday(day) + 6) % 7 + 3;
  const int64_t first = to_ms({.year = to_civil(thursday * kDayMs).year}) / kDayMs;
  return json::Value((thursday - first) / 7 + 1);
}

Value days_between(Env& env, Args args) {
  TRY(const DateArg end, date_of(env, args[0]));
  TRY(const DateArg start, date_of(env, args[1]));
  return json::Value(day_of(end.civil) - day_of(start.civil));
}

Value date_difference(Env& env, Args args) {
  TRY(const DateArg start, date_of(env, args[0]));
  TRY(const DateArg end, date_of(env, args[1]));
  const int64_t days = day_of(end.civil) - day_of(start.civil);
  if (days < 0) return failed("DATEDIF needs the earlier date first.");
  const Civil from = to_civil(start.civil), to = to_civil(end.civil);
  const int64_t months =
      (to.year - from.year) * 12 + to.month - from.month - (to.day < from.day ? 1 : 0);
  const std::string unit = to_lower(display_text(args[2]));
  if (unit == "d") return json::Value(days);
  if (unit == "m") return json::Value(months);
  if (unit == "y") return json::Value(months / 12);
  if (unit == "ym") return json::Value(months % 12);
  return failed("The unit of DATEDIF is Y, M, D or YM.");
}

template <bool ToLastDay>
Value months_after(Env& env, Args args) {
  TRY(const DateArg date, date_of(env, args[0]));
  TRY(const int64_t months, integer_of(args[1]));
  if (std::abs(months) > 200'000) return failed("The date is out of range.");
  TRY(const int64_t civil, months_later(to_civil(date.civil), months, ToLastDay));
  return day_result(civil);
}

// Mondays to Fridays from the first to the last day, both included, without the given holidays.
Value working_days(Env& env, Args args) {
  TRY(const DateArg first, date_of(env, args[0]));
  TRY(const DateArg last, date_of(env, args[1]));
  const int64_t a = day_of(first.civil), b = day_of(last.civil);
  const int64_t low = std::min(a, b), high = std::max(a, b);
  auto is_working = [](int64_t day) { return weekday(day) != 0 && weekday(day) != 6; };
  const int64_t weeks = (high - low + 1) / 7;
  int64_t count = weeks * 5;
  for (int64_t day = low + weeks * 7; day <= high; ++day) count += is_working(day) ? 1 : 0;
  std::vector<int64_t> holidays;
  if (args.size() > 2 && args[2].is_array()) {
    TRY_STATUS(env.charge(args[2].get_array().size()));
    for (const json::Value& item : args[2].get_array()) {
      TRY(const DateArg holiday, date_of(env, item));
      holidays.push_back(day_of(holiday.civil));
    }
  } else if (args.size() > 2 && !args[2].is_null()) {
    TRY(const DateArg holiday, date_of(env, args[2]));
    holidays.push_back(day_of(holiday.civil));
  }
  std::ranges::sort(holidays);
  holidays.erase(std::ranges::unique(holidays).begin(), holidays.end());
  count -= std::ranges::count_if(
      holidays, [&](int64_t day) { return day >= low && day <= high && is_working(day); });
  return json::Value(a <= b ? count : -count);
}

Value today(Env& env, Args) { return day_result(env.civil_now()); }
Value now(Env& env, Args) { return json::Value(format_iso(env.now)); }

constexpr std::array<Function, 16> kDate = {{
    {"date", 3, 3, false, make_date},
    {"datedif", 3, 3, false, date_difference},
    {"day", 1, 1, false, field<&Civil::day>},
    {"days", 2, 2, false, days_between},
    {"edate", 2, 2, false, months_after<false>},
    {"eomonth", 2, 2, false, months_after<true>},
    {"hour", 1, 1, false, field<&Civil::hour>},
    {"isoweeknum", 1, 1, false, iso_week},
    {"minute", 1, 1, false, field<&Civil::minute>},
    {"month", 1, 1, false, field<&Civil::month>},
    {"networkdays", 2, 3, false, working_days},
    {"now", 0, 0, false, now},
    {"second", 1, 1, false, field<&Civil::second>},
    {"today", 0, 0, false, today},
    {"weekday", 1, 2, false, weekday_number},
    {"year", 1, 1, false, field<&Civil::year>},
}};

}  // namespace

std::span<const Function> date_functions() { return kDate; }

}  // namespace halcyon::expr
