#include "schema/types/common.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/text.h"

namespace halcyon::schema::types {

namespace {

std::string shorten(std::string text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) return text;
  size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

std::unexpected<Error> bad_value(const Field& field, std::string_view expected,
                                 const json::Value& got) {
  std::string shown;
  if (got.is_object()) {
    shown = "an object";
  } else if (got.is_array()) {
    shown = "a list";
  } else if (got.is_string() && !is_valid_utf8(json::as_view(got))) {
    shown = "text that is not UTF-8";
  } else {
    shown = shorten(got.is_number() ? number_text(got) : json::dump(got));
  }
  return fail(Error(Code::kInvalidArgument, "INVALID_VALUE",
                    fmt::format("Field \"{}\" must be {}, not {}.", field.name, expected, shown))
                  .with_field(field.name)
                  .with_expected(std::string(expected)));
}

std::unexpected<Error> bad_options(std::string_view option, std::string_view message) {
  return fail(Error(Code::kInvalidArgument, "INVALID_FIELD_OPTIONS", std::string(message))
                  .with_field(std::string(option)));
}

Status check_text(const Field& field, std::string_view text) {
  if (text.find('\0') != std::string_view::npos || !is_valid_utf8(text)) {
    return fail(Error(Code::kInvalidArgument, "INVALID_VALUE",
                      fmt::format("Field \"{}\" must be UTF-8 text without NUL.", field.name))
                    .with_field(field.name)
                    .with_expected("UTF-8 text without NUL"));
  }
  return {};
}

Status check_json_text(const Field& field, const json::Value& value) {
  if (value.is_string()) return check_text(field, json::as_view(value));
  if (value.is_array()) {
    for (const auto& item : value.get_array()) TRY_STATUS(check_json_text(field, item));
  } else if (value.is_object()) {
    for (const auto& [key, item] : value.get_object()) {
      TRY_STATUS(check_text(field, std::string_view(key.data(), key.size())));
      TRY_STATUS(check_json_text(field, item));
    }
  } else if (value.is_double() && !std::isfinite(value.get_double())) {
    return bad_value(field, "JSON with finite numbers", value);
  }
  return {};
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

Status check_length(const Field& field, std::string_view text) {
  const auto limit = static_cast<size_t>(field.storage.length);
  if (field.storage.type != sql::Type::kText || limit == 0 || text.size() <= limit ||
      count_code_points(text) <= limit) {
    return {};
  }
  return fail(Error(Code::kInvalidArgument, "VALUE_TOO_LONG",
                    fmt::format("Field \"{}\" holds at most {} characters.", field.name, limit))
                  .with_field(field.name)
                  .with_expected(fmt::format("at most {} characters", limit)));
}

std::string number_text(const json::Value& number) {
  if (number.is_int64()) return std::to_string(number.get_int64());
  if (number.is_uint64()) return std::to_string(number.get_uint64());
  const double real = number.get_double();
  if (std::fabs(real) < 1e15 && real == std::trunc(real)) return fmt::format("{:.0f}", real);
  return fmt::format("{}", real);
}

Result<std::string> read_text(const Field& field, const json::Value& input) {
  std::string text;
  if (input.is_string()) {
    text = std::string(json::as_view(input));
  } else if (input.is_number()) {
    text = number_text(input);
  } else {
    return bad_value(field, "text", input);
  }
  TRY_STATUS(check_text(field, text));
  return text;
}

Result<int64_t> read_integer(const Field& field, const json::Value& input,
                             std::string_view expected) {
  if (input.is_int64()) return input.get_int64();
  if (input.is_uint64()) {
    if (input.get_uint64() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return bad_value(field, expected, input);
    }
    return static_cast<int64_t>(input.get_uint64());
  }
  if (input.is_double()) {
    const double number = input.get_double();
    // Beyond 2^63 the conversion would be undefined; a fraction would be lost.
    if (!(std::fabs(number) < 9.2e18) || number != std::trunc(number)) {
      return bad_value(field, expected, input);
    }
    return static_cast<int64_t>(number);
  }
  if (input.is_string()) {
    if (auto number = to_int64(json::as_view(input))) return *number;
  }
  return bad_value(field, expected, input);
}

void write_integer(sql::Cell cell, json::Writer& out) {
  if (cell.is_null()) return out.null();
  const std::string_view text = cell.text();
  if (text.size() <= 15) return out.raw(text);  // always a safe integer
  constexpr int64_t kSafe = (int64_t{1} << 53) - 1;
  auto number = to_int64(text);
  if (number && *number <= kSafe && *number >= -kSafe) return out.raw(text);
  out.string(text);
}

Task<Status> lock_field(FieldWrite& write, int64_t key) {
  const Collection* counters = write.model.find("sequences");
  if (counters == nullptr) throw std::logic_error("the built-in collection sequences is missing");
  const auto column = [&](std::string_view name) { return counters->find(name)->column; };
  const sql::TableRef table = counters->table_ref("s");

  sql::Insert insert;
  insert.table = table;
  insert.columns = {column("collection"), column("field"), column("key"), column("current")};
  insert.rows = {{sql::param(sql::Value(write.collection.name)),
                  sql::param(sql::Value(write.field.name)), sql::param(sql::Value(key)),
                  sql::param(sql::Value(int64_t{0}))}};
  insert.ignore_conflicts = true;
  sql::Update update;
  update.table = table;
  // A write that changes nothing still takes the row's lock.
  update.set = {{column("current"), sql::column("", column("current"))}};
  update.where = sql::all_of(
      {sql::eq(sql::column("", column("collection")),
               sql::param(sql::Value(write.collection.name))),
       sql::eq(sql::column("", column("field")), sql::param(sql::Value(write.field.name))),
       sql::eq(sql::column("", column("key")), sql::param(sql::Value(key)))});

  CO_TRY(sql::Rows locked, co_await write.tx.run(write.ctx, render(update, write.tx.dialect())));
  if (locked.affected > 0) co_return Status{};
  // The row may be missing (or MySQL counted no change): make it, then lock what is there.
  CO_TRY(sql::Rows made, co_await write.tx.run(write.ctx, render(insert, write.tx.dialect())));
  CO_TRY(sql::Rows again, co_await write.tx.run(write.ctx, render(update, write.tx.dialect())));
  co_return Status{};
}

}  // namespace halcyon::schema::types
