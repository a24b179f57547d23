// Variables inside filters, reference C.5: strings that are exactly "{{ path }}".
//
// A variable of the user that has no value becomes the empty list, which no row equals and which
// `$in` never matches: a row scope on a missing value shows nothing rather than the rows without a
// value. Unknown variables are 400 UNKNOWN_VARIABLE.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "data/read/filter.h"

namespace halcyon::data {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

std::optional<std::string_view> variable_name(std::string_view text) {
  text = trim(text);
  if (!text.starts_with("{{") || !text.ends_with("}}") || text.size() < 5) return std::nullopt;
  text = trim(text.substr(2, text.size() - 4));
  if (text.empty() || text.find('{') != std::string_view::npos) return std::nullopt;
  return text;
}

// The calendar of the caller.
class Calendar {
 public:
  explicit Calendar(int offset_minutes) : offset_(offset_minutes) {
    const auto local = std::chrono::system_clock::now() + std::chrono::minutes(offset_);
    today_ = std::chrono::floor<days>(local);
  }

  std::optional<json::Value> value(std::string_view name) const {
    if (name == "now") return json::Value(iso_now());
    if (name == "today") return json::Value(day(0));
    if (name == "yesterday") return json::Value(day(-1));
    if (name == "tomorrow") return json::Value(day(1));
    for (int n : {7, 30, 90}) {
      if (name == fmt::format("last{}Days", n)) return range(1 - n, 0);
      if (name == fmt::format("next{}Days", n)) return range(1, n);
    }
    int step = 0;
    if (name.starts_with("last"))
      step = -1;
    else if (name.starts_with("next"))
      step = 1;
    else if (!name.starts_with("this"))
      return std::nullopt;
    return period(name.substr(4), step);
  }

  static std::string iso_now() {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto date = std::chrono::floor<days>(now);
    const year_month_day ymd(date);
    const std::chrono::hh_mm_ss time(now - date);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(ymd.year()),
                       unsigned(ymd.month()), unsigned(ymd.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count(), time.subseconds().count());
  }

 private:
  std::string zone() const {
    const int minutes = offset_ < 0 ? -offset_ : offset_;
    return fmt::format("{}{:02}:{:02}", offset_ < 0 ? '-' : '+', minutes / 60, minutes % 60);
  }
  std::string date_text(int shift) const {
    const year_month_day ymd(today_ + days(shift));
    return fmt::format("{:04}-{:02}-{:02}", int(ymd.year()), unsigned(ymd.month()),
                       unsigned(ymd.day()));
  }
  std::string day(int shift) const { return date_text(shift) + zone(); }
  json::Value range(int from, int to) const {
    return json::Array{json::Value(date_text(from)), json::Value(date_text(to)), "[]",
                       json::Value(zone())};
  }

  std::optional<json::Value> period(std::string_view unit, int step) const {
    const year_month_day ymd(today_);
    if (unit == "Week" || unit == "IsoWeek") return json::Value(iso_week(step * 7) + zone());
    if (unit == "Month") {
      const auto month = ymd.year() / ymd.month() + std::chrono::months(step);
      return json::Value(
          fmt::format("{:04}-{:02}{}", int(month.year()), unsigned(month.month()), zone()));
    }
    if (unit == "Quarter") {
      const auto month = ymd.year() / ymd.month() + std::chrono::months(3 * step);
      return json::Value(fmt::format("{:04}Q{}{}", int(month.year()),
                                     (unsigned(month.month()) - 1) / 3 + 1, zone()));
    }
    if (unit == "Year") return json::Value(fmt::format("{:04}{}", int(ymd.year()) + step, zone()));
    return std::nullopt;
  }
  std::string iso_week(int shift) const {
    const sys_days date = today_ + days(shift);
    const unsigned weekday = std::chrono::weekday(date).iso_encoding();  // Monday = 1
    const sys_days thursday = date + days(4 - static_cast<int>(weekday));
    const auto year = year_month_day(thursday).year();
    const sys_days first = sys_days(year / std::chrono::January / 1);
    return fmt::format("{:04}W{:02}", int(year), (thursday - first).count() / 7 + 1);
  }

  int offset_;
  sys_days today_;
};

class Resolver {
 public:
  explicit Resolver(const Call& call) : call_(call) {}

  static bool has_variables(const json::Value& v) {
    if (v.is_string()) return variable_name(json::as_view(v)).has_value();
    if (v.is_array())
      return std::ranges::any_of(v.get_array(),
                                 [](const auto& item) { return has_variables(item); });
    if (v.is_object())
      return std::ranges::any_of(v.get_object(),
                                 [](const auto& entry) { return has_variables(entry.value()); });
    return false;
  }

  Status replace(json::Value& v) {
    if (v.is_array()) {
      for (json::Value& item : v.get_array()) TRY_STATUS(replace(item));
    } else if (v.is_object()) {
      for (auto& entry : v.get_object()) TRY_STATUS(replace(entry.value()));
    } else if (v.is_string()) {
      if (const auto name = variable_name(json::as_view(v))) {
        TRY(json::Value value, look_up(std::string(*name)));
        v = std::move(value);
      }
    }
    return {};
  }

 private:
  Result<json::Value> look_up(const std::string& name) {
    for (std::string_view prefix : {"$user.", "ctx.state.currentUser.", "currentUser."})
      if (name.starts_with(prefix)) return user(std::string_view(name).substr(prefix.size()));
    if (name == "$nRole" || name == "ctx.state.currentRole" || name == "currentRole") return role();
    if (name == "ctx.state.currentRoles") return all_roles();
    if (name == "$system.now") return json::Value(Calendar::iso_now());
    for (std::string_view prefix : {"$nDate.", "$date."}) {
      if (!name.starts_with(prefix)) continue;
      const Calendar calendar(call_.ctx.utc_offset_minutes);
      if (auto value = calendar.value(std::string_view(name).substr(prefix.size())))
        return *std::move(value);
    }
    return fail(Error(Code::kInvalidArgument, "UNKNOWN_VARIABLE",
                      "There is no variable \"" + name + "\" here")
                    .with_expected("$user, $nRole, $nDate or $system.now"));
  }

  json::Value user(std::string_view path) const {
    if (path == "id") {
      if (!call_.caller.user_id) return json::Array{};
      return json::Value(*call_.caller.user_id);
    }
    const json::Value user(call_.caller.user);
    const json::Value* found = json::find(user, path);
    return found == nullptr ? json::Value(json::Array{}) : *found;
  }
  json::Value role() const {
    if (call_.caller.role == "__union__") return all_roles();
    return json::Value(call_.caller.role);
  }
  json::Value all_roles() const {
    json::Array roles;
    for (const std::string& role : call_.caller.roles) roles.emplace_back(role);
    return roles;
  }

  const Call& call_;
};

}  // namespace

Result<json::Value> resolve_variables(const Call& call, const json::Value& filter) {
  json::Value resolved = filter;
  if (!Resolver::has_variables(resolved)) return resolved;
  TRY_STATUS(Resolver(call).replace(resolved));
  return resolved;
}

}  // namespace halcyon::data
