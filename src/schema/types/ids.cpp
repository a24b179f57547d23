// uid, uuid, nanoid, snowflakeId: keys the server makes when the client gives none.
#include <re2/re2.h>

#include <atomic>
#include <chrono>
#include <mutex>

#include "base/ids.h"
#include "base/text.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema {

namespace {

// Used until the server sets its own (worker id, lease): seconds since 2020-11-11 (+08:00), 5 bits
// of worker (0), 16 of sequence, as NocoBase has it; runs ahead of the clock rather than repeat.
class DefaultIds final : public IdSource {
 public:
  Result<int64_t> next() override {
    const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(
                                std::chrono::system_clock::now().time_since_epoch())
                                .count();
    const int64_t floor = (seconds - 1'605'024'000) << 21;
    const std::scoped_lock lock(mutex_);
    if (last_ < floor) {
      last_ = floor;
    } else if ((++last_ & 0x1F'0000) != 0) {
      last_ = ((last_ >> 21) + 1) << 21;
    }
    return last_;
  }

 private:
  std::mutex mutex_;
  int64_t last_ = 0;
};

std::atomic<IdSource*>& id_source() {
  static DefaultIds fallback;
  static std::atomic<IdSource*> source{&fallback};
  return source;
}

}  // namespace

void set_id_source(IdSource& source) { id_source() = &source; }
Result<int64_t> next_id() { return id_source().load()->next(); }

namespace types {

namespace {

bool auto_fill(const Field& field) { return json::get_bool(field.options, "autoFill", true); }

// A text key that is filled on create when it is missing, null or empty.
class FilledText : public FieldType {
 public:
  Family family() const override { return Family::kText; }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kText);
    TRY(std::string text, read_text(field, input));
    TRY_STATUS(check_length(field, text));
    return check(field, input, std::move(text));
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kText);
    TRY(std::string text, read_text(field, input));
    return sql::Value(std::move(text));
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text());
  }
  bool has_before_save(const Field& field) const override { return auto_fill(field); }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!write.creating) co_return Status{};
    auto& value = write.values[write.field.name];
    const auto* text = std::get_if<std::string>(&value.data);
    if (value.is_null() || (text != nullptr && text->empty())) {
      value = sql::Value(make(write.field));
    }
    co_return Status{};
  }
  virtual std::string make(const Field& field) const = 0;
  virtual Result<sql::Value> check(const Field&, const json::Value&, std::string text) const {
    return sql::Value(std::move(text));
  }
};

class UidType final : public FilledText {
 public:
  std::string_view name() const override { return "uid"; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.length = 255;
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const std::string pattern = json::get_string(options, "pattern");
    if (pattern.empty() || re2::RE2(pattern, re2::RE2::Quiet).ok()) return {};
    return bad_options("pattern", "The pattern is not a regular expression: " + pattern);
  }
  std::string make(const Field& field) const override {
    return json::get_string(field.options, "prefix") + uid();
  }
  Result<sql::Value> check(const Field& field, const json::Value& input,
                           std::string text) const override {
    if (text.empty()) return sql::Value(std::move(text));  // before_save fills it
    const std::string pattern =
        json::get_string(field.options, "pattern", "[A-Za-z0-9_][A-Za-z0-9_-]*");
    static const re2::RE2 usual("[A-Za-z0-9_][A-Za-z0-9_-]*");
    const bool fits = pattern == usual.pattern()
                          ? re2::RE2::FullMatch(text, usual)
                          : re2::RE2::FullMatch(text, re2::RE2(pattern, re2::RE2::Quiet));
    if (!fits) return bad_value(field, "a name that matches " + pattern, input);
    return sql::Value(std::move(text));
  }
};

class NanoidType final : public FilledText {
 public:
  std::string_view name() const override { return "nanoid"; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.length = 255;
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const int64_t size = json::get_int(options, "size", 12);
    if (size < 1 || size > 255) return bad_options("size", "A nanoid's size must be 1 to 255.");
    const std::string alphabet = json::get_string(options, "customAlphabet");
    if (!alphabet.empty() && (alphabet.size() < 2 || alphabet.size() > 256)) {
      return bad_options("customAlphabet", "A nanoid's alphabet must have 2 to 256 characters.");
    }
    for (char c : alphabet) {
      if (c < ' ' || c > '~') {
        return bad_options("customAlphabet", "A nanoid's alphabet must be ASCII characters.");
      }
    }
    return {};
  }
  std::string make(const Field& field) const override {
    std::string alphabet = json::get_string(field.options, "customAlphabet");
    if (alphabet.empty()) {
      alphabet = "useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict";
    }
    return nanoid(static_cast<size_t>(json::get_int(field.options, "size", 12)), alphabet);
  }
};

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

class UuidType final : public FieldType {
 public:
  std::string_view name() const override { return "uuid"; }
  Family family() const override { return Family::kText; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kUuid;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kUuid);
    if (input.is_string()) {
      std::string text = to_lower(json::as_view(input));
      if (is_uuid(text)) return sql::Value(std::move(text), sql::Type::kUuid);
    }
    return bad_value(field, "a UUID", input);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text());
  }
  bool has_before_save(const Field& field) const override { return auto_fill(field); }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!write.creating) co_return Status{};
    auto& value = write.values[write.field.name];
    if (value.is_null()) value = sql::Value(uuid_v4(), sql::Type::kUuid);
    co_return Status{};
  }
};

class SnowflakeIdType final : public FieldType {
 public:
  std::string_view name() const override { return "snowflakeId"; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kInt64;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    return big_int_type().parse(field, input, vc);
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext& vc) const override {
    return big_int_type().parse_operand(field, input, vc);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    write_integer(cell, out);
  }
  bool has_before_save(const Field& field) const override { return auto_fill(field); }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!write.creating) co_return Status{};
    auto& value = write.values[write.field.name];
    if (value.is_null()) {
      CO_TRY(const int64_t id, next_id());
      value = sql::Value(id);
    }
    co_return Status{};
  }
};

}  // namespace

const FieldType& uid_type() {
  static const UidType type;
  return type;
}
const FieldType& uuid_type() {
  static const UuidType type;
  return type;
}
const FieldType& nanoid_type() {
  static const NanoidType type;
  return type;
}
const FieldType& snowflake_id_type() {
  static const SnowflakeIdType type;
  return type;
}

}  // namespace types
}  // namespace halcyon::schema
