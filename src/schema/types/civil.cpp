#include "schema/types/civil.h"

#include <fmt/format.h>

#include <chrono>

namespace halcyon::schema::types {

namespace {

// Exactly `count` digits at the front of `text`.
std::optional<int> take_digits(std::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// HH:MM[:SS[.fraction]] at the front of `text`.
bool take_clock(std::string_view& text, Civil& out) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return false;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return false;
  out.hour = *hour;
  out.minute = *minute;
  if (!take(text, ':')) return true;
  const auto second = take_digits(text, 2);
  if (!second || *second > 59) return false;
  out.second = *second;
  if (!take(text, '.')) return true;
  size_t count = 0;
  int scale = 100;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++count) {
    out.millisecond += (text[0] - '0') * scale;
    scale /= 10;
  }
  return count >= 1 && count <= 9;
}

// "Z", "+08", "+08:00", "-0530"; the whole rest of the text.
bool take_offset(std::string_view text, Civil& out) {
  if (text == "Z" || text == "z") {
    out.offset_minutes = 0;
    return true;
  }
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
  const int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 14) return false;
  int minutes = 0;
  if (!text.empty()) {
    take(text, ':');
    const auto read = take_digits(text, 2);
    if (!read || *read > 59 || !text.empty()) return false;
    minutes = *read;
  }
  out.offset_minutes = sign * (*hours * 60 + minutes);
  return true;
}

std::chrono::sys_days days_of(const Civil& civil) {
  return std::chrono::year_month_day(std::chrono::year(civil.year),
                                     std::chrono::month(static_cast<unsigned>(civil.month)),
                                     std::chrono::day(static_cast<unsigned>(civil.day)));
}

}  // namespace

std::optional<Civil> read_civil(std::string_view text) {
  Civil out;
  const auto year = take_digits(text, 4);
  if (!year || *year < 1 || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  out.year = *year;
  out.month = *month;
  out.day = *day;
  const std::chrono::year_month_day check(std::chrono::year(*year),
                                          std::chrono::month(static_cast<unsigned>(*month)),
                                          std::chrono::day(static_cast<unsigned>(*day)));
  if (!check.ok()) return std::nullopt;
  if (text.empty()) return out;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  if (!take_clock(text, out)) return std::nullopt;
  out.has_time = true;
  if (take(text, ' ') && text.empty()) return std::nullopt;
  if (!text.empty() && !take_offset(text, out)) return std::nullopt;
  return out;
}

std::optional<std::string> read_clock(std::string_view text) {
  Civil clock;
  if (!take_clock(text, clock) || !text.empty()) return std::nullopt;
  std::string out = fmt::format("{:02}:{:02}:{:02}", clock.hour, clock.minute, clock.second);
  if (clock.millisecond != 0) out += fmt::format(".{:03}", clock.millisecond);
  return out;
}

int64_t civil_to_ms(const Civil& civil) {
  const int64_t days = days_of(civil).time_since_epoch().count();
  return ((days * 24 + civil.hour) * 60 + civil.minute) * 60'000 + civil.second * 1000 +
         civil.millisecond;
}

std::optional<Civil> ms_to_civil(int64_t ms) {
  constexpr int64_t kDay = 86'400'000;
  int64_t days = ms / kDay;
  int64_t rest = ms % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  if (days < -719'162 || days > 2'932'896) return std::nullopt;  // 0001-01-01 .. 9999-12-31
  const std::chrono::year_month_day date(
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days))));
  Civil out;
  out.year = static_cast<int>(date.year());
  out.month = static_cast<int>(static_cast<unsigned>(date.month()));
  out.day = static_cast<int>(static_cast<unsigned>(date.day()));
  out.hour = static_cast<int>(rest / 3'600'000);
  out.minute = static_cast<int>(rest / 60'000 % 60);
  out.second = static_cast<int>(rest / 1000 % 60);
  out.millisecond = static_cast<int>(rest % 1000);
  out.has_time = true;
  return out;
}

std::string date_text(const Civil& civil) {
  return fmt::format("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day);
}

std::string timestamp_text(const Civil& civil, bool with_ms) {
  std::string out = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", civil.year, civil.month,
                                civil.day, civil.hour, civil.minute, civil.second);
  if (with_ms) out += fmt::format(".{:03}", civil.millisecond);
  return out;
}

void append_iso_utc(std::string& out, const Civil& civil) {
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", civil.year,
                 civil.month, civil.day, civil.hour, civil.minute, civil.second, civil.millisecond);
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace halcyon::schema::types
