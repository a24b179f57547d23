// date = datetime = datetimeTz (an instant), datetimeNoTz (a wall clock), dateOnly, time,
// unixTimestamp (an instant kept as a number).
#include <cmath>

#include "base/text.h"
#include "schema/types/civil.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

// Numbers below this are taken for seconds, others for milliseconds: as milliseconds it is
// 1973, as seconds the year 5138.
constexpr int64_t kFirstMilliseconds = 100'000'000'000;

// The offset naive text of this field is read in: its own `timezone`, else the caller's.
int naive_offset(const Field& field, const ValueContext& vc) {
  const std::string zone = json::get_string(field.options, "timezone", "client");
  if (zone == "server") return 0;
  if (!zone.empty() && (zone[0] == '+' || zone[0] == '-')) {
    if (auto civil = read_civil("1970-01-01T00:00" + zone))
      return civil->offset_minutes.value_or(0);
  }
  return vc.utc_offset_minutes;
}

// Any accepted spelling of an instant -> milliseconds since 1970 UTC.
Result<int64_t> read_instant(const Field& field, const json::Value& input, const ValueContext& vc,
                             bool guess_seconds) {
  constexpr std::string_view kExpected = "a date and time such as 2026-01-31T10:20:30Z";
  int64_t ms = 0;
  if (input.is_number()) {
    TRY(ms, read_integer(field, input, kExpected));
    if (guess_seconds && std::llabs(ms) < kFirstMilliseconds) ms *= 1000;
  } else if (input.is_string()) {
    const auto civil = read_civil(json::as_view(input));
    if (!civil) return bad_value(field, kExpected, input);
    ms = civil_to_ms(*civil) -
         int64_t{civil->offset_minutes.value_or(naive_offset(field, vc))} * 60'000;
  } else {
    return bad_value(field, kExpected, input);
  }
  if (!ms_to_civil(ms)) return bad_value(field, "a date from year 1 to 9999", input);
  return ms;
}

// Is it time to fill in the present? A given value stays on create; an update always counts.
bool wants_now(const FieldWrite& write) {
  if (!write.creating) return write.field.now_on_update;
  return write.field.now_on_create && !write.values.contains(write.field.name);
}

sql::Value instant_value(int64_t ms) {
  return sql::Value(timestamp_text(*ms_to_civil(ms), true), sql::Type::kTimestampTz);
}

class InstantType final : public FieldType {
 public:
  explicit InstantType(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  Family family() const override { return Family::kDateTime; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kTimestampTz;
    column.precision = 3;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kTimestampTz);
    TRY(int64_t ms, read_instant(field, input, vc, false));
    return instant_value(ms);
  }
  // The cell is "YYYY-MM-DD HH:MM:SS[.fff]" in UTC: the answer differs in four characters only.
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    const std::string_view text = cell.text();
    if (text.size() < 19) return out.string(text);
    char iso[26] = "\"0000-00-00T00:00:00.000Z";
    text.copy(iso + 1, 10);
    text.substr(11).copy(iso + 12, 8);
    if (text.size() > 20 && text[19] == '.') text.substr(20).copy(iso + 21, 3);
    iso[25] = '"';
    out.raw({iso, sizeof iso});
  }
  bool has_before_save(const Field& field) const override {
    return field.now_on_create || field.now_on_update;
  }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!wants_now(write)) co_return Status{};
    write.values[write.field.name] = instant_value(now_ms());
    co_return Status{};
  }

 private:
  std::string_view name_;
};

class WallClockType final : public FieldType {
 public:
  std::string_view name() const override { return "datetimeNoTz"; }
  Family family() const override { return Family::kDateTime; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kTimestamp;
    column.precision = 0;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kTimestamp);
    if (input.is_string()) {
      auto civil = read_civil(json::as_view(input));
      // An instant is turned into the wall clock of the caller.
      if (civil && civil->offset_minutes) {
        civil = ms_to_civil(civil_to_ms(*civil) +
                            int64_t{vc.utc_offset_minutes - *civil->offset_minutes} * 60'000);
      }
      if (civil) return sql::Value(timestamp_text(*civil, false), sql::Type::kTimestamp);
    }
    return bad_value(field, "a date and time such as 2026-01-31 10:20:30", input);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text().substr(0, 19));
  }
  bool has_before_save(const Field& field) const override {
    return field.now_on_create || field.now_on_update;
  }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!wants_now(write)) co_return Status{};
    const auto civil = ms_to_civil(now_ms() + int64_t{write.ctx.utc_offset_minutes} * 60'000);
    write.values[write.field.name] =
        sql::Value(timestamp_text(*civil, false), sql::Type::kTimestamp);
    co_return Status{};
  }
};

class DateOnlyType final : public FieldType {
 public:
  std::string_view name() const override { return "dateOnly"; }
  Family family() const override { return Family::kDateOnly; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kDate;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kDate);
    if (input.is_string()) {
      auto civil = read_civil(json::as_view(input));
      if (civil && civil->offset_minutes) {
        civil = ms_to_civil(civil_to_ms(*civil) +
                            int64_t{vc.utc_offset_minutes - *civil->offset_minutes} * 60'000);
      }
      if (civil) return sql::Value(date_text(*civil), sql::Type::kDate);
    }
    return bad_value(field, "a date such as 2026-01-31", input);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text().substr(0, 10));
  }
  bool has_before_save(const Field& field) const override {
    return field.now_on_create || field.now_on_update;
  }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!wants_now(write)) co_return Status{};
    const auto civil = ms_to_civil(now_ms() + int64_t{write.ctx.utc_offset_minutes} * 60'000);
    write.values[write.field.name] = sql::Value(date_text(*civil), sql::Type::kDate);
    co_return Status{};
  }
};

class TimeType final : public FieldType {
 public:
  std::string_view name() const override { return "time"; }
  Family family() const override { return Family::kTime; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kTime;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kTime);
    if (input.is_string()) {
      // Fractions are dropped: MySQL's TIME has none.
      if (auto text = read_clock(json::as_view(input))) {
        return sql::Value(text->substr(0, 8), sql::Type::kTime);
      }
    }
    return bad_value(field, "a time such as 10:20:30", input);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text());
  }
};

class UnixTimestampType final : public FieldType {
 public:
  std::string_view name() const override { return "unixTimestamp"; }
  Family family() const override { return Family::kDateTime; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kInt64;
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const std::string accuracy = json::get_string(options, "accuracy", "second");
    if (accuracy == "second" || accuracy == "millisecond") return {};
    return bad_options("accuracy", "A unix timestamp's accuracy must be second or millisecond.");
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kInt64);
    TRY(int64_t ms, read_instant(field, input, vc, true));
    if (in_milliseconds(field)) return sql::Value(ms);
    return sql::Value(ms >= 0 ? ms / 1000 : -((999 - ms) / 1000));
  }
  void write(const Field& field, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    const auto number = to_int64(cell.text());
    std::optional<Civil> civil;
    if (number && std::llabs(*number) < 1'000'000'000'000'000) {
      civil = ms_to_civil(in_milliseconds(field) ? *number : *number * 1000);
    }
    if (!civil) return out.null();
    std::string iso;
    append_iso_utc(iso, *civil);
    out.string(iso);
  }
  bool has_before_save(const Field& field) const override {
    return field.now_on_create || field.now_on_update;
  }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!wants_now(write)) co_return Status{};
    const int64_t ms = now_ms();
    write.values[write.field.name] = sql::Value(in_milliseconds(write.field) ? ms : ms / 1000);
    co_return Status{};
  }

 private:
  static bool in_milliseconds(const Field& field) {
    return json::get_string(field.options, "accuracy", "second") == "millisecond";
  }
};

}  // namespace

const FieldType& date_type() {
  static const InstantType type("date");
  return type;
}
const FieldType& datetime_type() {
  static const InstantType type("datetime");
  return type;
}
const FieldType& datetime_tz_type() {
  static const InstantType type("datetimeTz");
  return type;
}
const FieldType& datetime_no_tz_type() {
  static const WallClockType type;
  return type;
}
const FieldType& date_only_type() {
  static const DateOnlyType type;
  return type;
}
const FieldType& time_type() {
  static const TimeType type;
  return type;
}
const FieldType& unix_timestamp_type() {
  static const UnixTimestampType type;
  return type;
}

}  // namespace halcyon::schema::types
