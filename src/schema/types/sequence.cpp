// sequence: numbers made of parts, such as "INV-2026-00042". Each integer part has a counter, a row
// of `sequences`, which the write holds until it commits: no number twice, none skipped by others.
#include <fmt/format.h>
#include <re2/re2.h>

#include "base/ids.h"
#include "base/text.h"
#include "schema/types/civil.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

const json::Object& part_options(const json::Object& part) {
  static const json::Object none;
  const json::Object* options = json::get_object(part, "options");
  return options == nullptr ? none : *options;
}

const json::Array& parts_of(const json::Object& options) {
  static const json::Array none;
  const json::Array* parts = json::get_array(options, "patterns");
  return parts == nullptr ? none : *parts;
}

// YYYY, YY, MM, DD, HH, mm, ss; anything else stands for itself.
std::string format_date(std::string_view format, const Civil& t) {
  std::string out;
  const std::pair<std::string_view, int> tokens[] = {
      {"YYYY", t.year}, {"YY", t.year % 100}, {"MM", t.month}, {"DD", t.day},
      {"HH", t.hour},   {"mm", t.minute},     {"ss", t.second}};
  while (!format.empty()) {
    bool found = false;
    for (const auto& [token, value] : tokens) {
      if (!format.starts_with(token)) continue;
      out += fmt::format("{:0{}}", value, token.size());
      format.remove_prefix(token.size());
      found = true;
      break;
    }
    if (found) continue;
    out += format.front();
    format.remove_prefix(1);
  }
  return out;
}

std::string in_base(int64_t number, int base, size_t digits) {
  std::string out;
  do {
    out.insert(0, 1, "0123456789abcdefghijklmnopqrstuvwxyz"[number % base]);
    number /= base;
  } while (number > 0);
  if (out.size() < digits) out.insert(0, digits - out.size(), '0');
  return out;
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t out = 1;
  while (exponent-- > 0) {
    if (out > (int64_t{1} << 53) / base) return int64_t{1} << 53;
    out *= base;
  }
  return out;
}

// The period a counter runs in: counters of "0 0 * * *" and the like start anew when it changes.
// Of a cron expression only the usual resets matter: daily, weekly, monthly, yearly.
std::string period_of(std::string_view cycle, const Civil& now) {
  std::vector<std::string_view> fields;
  for (std::string_view field : split(cycle, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() == 6) fields.erase(fields.begin());  // seconds
  if (fields.size() != 5) return "";
  const auto set = [&](size_t i) { return fields[i] != "*" && fields[i] != "?"; };
  if (set(3)) return format_date("YYYY", now);
  if (set(2)) return format_date("YYYYMM", now);
  if (set(4)) {
    const int64_t days = civil_to_ms(now) / 86'400'000;
    return "w" + std::to_string((days + 3) / 7);  // weeks begin on Monday
  }
  if (set(1)) return format_date("YYYYMMDD", now);
  return format_date("YYYYMMDDHH", now);
}

class SequenceType final : public FieldType {
 public:
  std::string_view name() const override { return "sequence"; }
  Family family() const override { return Family::kText; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.length = 255;
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const json::Array& parts = parts_of(options);
    if (parts.empty()) return bad_options("patterns", "A sequence needs at least one part.");
    for (const auto& item : parts) {
      if (!item.is_object()) return bad_options("patterns", "A part must be {type, options}.");
      const json::Object& part = item.get_object();
      const std::string type = json::get_string(part, "type");
      const json::Object& given = part_options(part);
      if (type == "integer") {
        const int64_t base = json::get_int(given, "base", 10);
        const int64_t digits = json::get_int(given, "digits", 1);
        if (base < 2 || base > 36 || digits < 1 || digits > 32) {
          return bad_options("patterns", "An integer part has base 2 to 36 and 1 to 32 digits.");
        }
      } else if (type == "randomChar") {
        const int64_t length = json::get_int(given, "length", 6);
        if (length < 1 || length > 32) {
          return bad_options("patterns", "A randomChar part has 1 to 32 characters.");
        }
      } else if (type != "string" && type != "date") {
        return bad_options("patterns", "There is no sequence part \"" + type + "\".");
      }
    }
    return {};
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kText);
    TRY(std::string text, read_text(field, input));
    TRY_STATUS(check_length(field, text));
    if (!text.empty() && json::get_bool(field.options, "match") &&
        !re2::RE2::FullMatch(text, re2::RE2(pattern(field.options), re2::RE2::Quiet))) {
      return bad_value(field, "text of the form " + pattern(field.options), input);
    }
    return sql::Value(std::move(text));
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext& vc) const override {
    return string_type().parse_operand(field, input, vc);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text());
  }
  bool has_before_save(const Field&) const override { return true; }
  Task<Status> before_save(FieldWrite& write) const override {
    auto given = write.values.find(write.field.name);
    const bool inputable = json::get_bool(write.field.options, "inputable");
    if (!write.creating) {
      if (given != write.values.end() && !inputable) write.values.erase(given);
      co_return Status{};
    }
    if (given != write.values.end() && inputable) {
      const auto* text = std::get_if<std::string>(&given->second.data);
      if (text != nullptr && !text->empty()) co_return Status{};
    }
    const Civil now = *ms_to_civil(now_ms() + int64_t{write.ctx.utc_offset_minutes} * 60'000);
    std::string made;
    int64_t index = 0;
    for (const auto& item : parts_of(write.field.options)) {
      const json::Object& part = item.as_object();
      const json::Object& options = part_options(part);
      const std::string type = json::get_string(part, "type");
      if (type == "string") {
        made += json::get_string(options, "value");
      } else if (type == "date") {
        made += format_date(json::get_string(options, "format", "YYYYMMDD"), now);
      } else if (type == "randomChar") {
        made += nanoid(static_cast<size_t>(json::get_int(options, "length", 6)), charset(options));
      } else {
        const int64_t key = json::get_int(options, "key", index);
        CO_TRY(int64_t number, co_await next_number(write, options, key, now));
        made += in_base(number, static_cast<int>(json::get_int(options, "base", 10)),
                        static_cast<size_t>(json::get_int(options, "digits", 1)));
      }
      ++index;
    }
    write.values[write.field.name] = sql::Value(std::move(made));
    co_return Status{};
  }

 private:
  static std::string charset(const json::Object& options) {
    std::string out;
    if (const json::Array* sets = json::get_array(options, "charsets")) {
      for (const auto& item : *sets) {
        if (!item.is_string()) continue;
        const std::string_view set = json::as_view(item);
        if (set == "number") out += "0123456789";
        if (set == "lowercase") out += "abcdefghijklmnopqrstuvwxyz";
        if (set == "uppercase") out += "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        if (set == "symbol") out += "!@#$%^&*_-+";
      }
    }
    return out.empty() ? "0123456789" : out;
  }
  static std::string pattern(const json::Object& options) {
    std::string out;
    for (const auto& item : parts_of(options)) {
      const json::Object& part = item.as_object();
      const json::Object& given = part_options(part);
      const std::string type = json::get_string(part, "type");
      if (type == "string") {
        out += re2::RE2::QuoteMeta(json::get_string(given, "value"));
      } else if (type == "date") {
        for (char c : json::get_string(given, "format", "YYYYMMDD")) {
          out += std::string_view("YMDHms").find(c) != std::string_view::npos
                     ? "[0-9]"
                     : re2::RE2::QuoteMeta(std::string(1, c));
        }
      } else if (type == "randomChar") {
        out += fmt::format(".{{{}}}", json::get_int(given, "length", 6));
      } else {
        out += fmt::format("[0-9a-z]{{{},}}", json::get_int(given, "digits", 1));
      }
    }
    return out;
  }
  // The next number of a counter, under the lock of its row.
  static Task<Result<int64_t>> next_number(FieldWrite& write, const json::Object& options,
                                           int64_t key, Civil now) {
    CO_TRY_STATUS(co_await lock_field(write, key));
    const Collection& counters = *write.model.find("sequences");
    const auto column = [&](std::string_view name) { return counters.find(name)->column; };
    const auto is = [&](std::string_view name, sql::Value value) {
      return sql::eq(sql::column("", column(name)), sql::param(std::move(value)));
    };
    const auto where = [&] {
      return sql::all_of({is("collection", sql::Value(write.collection.name)),
                          is("field", sql::Value(write.field.name)), is("key", sql::Value(key))});
    };
    sql::Select read;
    read.from = counters.table_ref("");
    read.columns = {{sql::column("", column("current")), "current"},
                    {sql::column("", column("lastGeneratedAt")), "at"}};
    read.where = where();
    read.for_update = true;
    CO_TRY(sql::Rows rows, co_await write.tx.run(write.ctx, render(read, write.tx.dialect())));
    const int64_t start = json::get_int(options, "start", 0);
    const std::string cycle = json::get_string(options, "cycle");
    int64_t number = start;
    // No time yet: the row was made for the lock.
    if (!rows.empty() && !rows.cell(0, 1).is_null()) {
      const auto last = read_civil(std::string(rows.cell(0, 1).text()));
      const auto last_here =
          last ? ms_to_civil(civil_to_ms(*last) + int64_t{write.ctx.utc_offset_minutes} * 60'000)
               : std::nullopt;
      const bool same =
          cycle.empty() || (last_here && period_of(cycle, *last_here) == period_of(cycle, now));
      if (same) number = to_int64(rows.cell(0, 0).text()).value_or(start) + 1;
    }
    const int64_t limit =
        power(json::get_int(options, "base", 10), json::get_int(options, "digits", 1));
    if (number >= limit) number = start;  // all digits used: begin again, as NocoBase does
    const Civil utc = *ms_to_civil(now_ms());
    sql::Update update;
    update.table = counters.table_ref("");
    update.set = {{column("current"), sql::param(sql::Value(number))},
                  {column("lastGeneratedAt"),
                   sql::param(sql::Value(timestamp_text(utc, true), sql::Type::kTimestampTz))}};
    update.where = where();
    CO_TRY(sql::Rows done, co_await write.tx.run(write.ctx, render(update, write.tx.dialect())));
    co_return number;
  }
};

}  // namespace

const FieldType& sequence_type() {
  static const SequenceType type;
  return type;
}

}  // namespace halcyon::schema::types
