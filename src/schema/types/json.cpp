// json, jsonb: any JSON value. array: a JSON list. set: a list without repeats. blob: bytes, as
// base64 in the API.
#include <unordered_set>

#include "base/text.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

// Numbers as JavaScript writes them (json::dump says 1.5E0).
std::string plain_json(const json::Value& value) {
  std::string out;
  json::Writer writer(out);
  writer.value(value);
  return out;
}

class JsonType final : public FieldType {
 public:
  JsonType(std::string_view name, bool binary) : name_(name), binary_(binary) {}
  std::string_view name() const override { return name_; }
  Family family() const override { return Family::kJson; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    sql::ColumnType column;
    column.type =
        binary_ || json::get_bool(options, "jsonb") ? sql::Type::kJsonb : sql::Type::kJson;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    const sql::Type type =
        field.storage.type == sql::Type::kJsonb ? sql::Type::kJsonb : sql::Type::kJson;
    if (input.is_null()) return sql::Value(sql::Null{}, type);
    TRY_STATUS(check_json_text(field, input));
    return sql::Value(plain_json(input), type);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null() || cell.length == 0) return out.null();
    out.raw(cell.text());
  }

 private:
  std::string_view name_;
  bool binary_;
};

class ArrayType final : public FieldType {
 public:
  ArrayType(std::string_view name, bool unique) : name_(name), unique_(unique) {}
  std::string_view name() const override { return name_; }
  Family family() const override { return Family::kArray; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kJsonb;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kJsonb);
    if (!input.is_array()) return bad_value(field, "a list", input);
    TRY_STATUS(check_json_text(field, input));
    if (!unique_) return sql::Value(plain_json(input), sql::Type::kJsonb);
    json::Array kept;
    std::unordered_set<std::string> seen;
    for (const auto& item : input.get_array()) {
      if (seen.insert(json::dump(item)).second) kept.push_back(item);
    }
    return sql::Value(plain_json(json::Value(std::move(kept))), sql::Type::kJsonb);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null() || cell.length == 0) return out.null();
    out.raw(cell.text());
  }

 private:
  std::string_view name_;
  bool unique_;
};

class BlobType final : public FieldType {
 public:
  std::string_view name() const override { return "blob"; }
  Family family() const override { return Family::kBytes; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    sql::ColumnType column;
    column.type = sql::Type::kBytes;
    column.text_size = json::get_string(options, "length", "long");
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kBytes);
    if (input.is_string()) {
      if (auto bytes = base64_decode(json::as_view(input))) {
        return sql::Value(std::move(*bytes), sql::Type::kBytes);
      }
    }
    return bad_value(field, "bytes as base64 text", input);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(base64_encode(cell.text()));
  }
};

}  // namespace

const FieldType& json_type() {
  static const JsonType type("json", false);
  return type;
}
const FieldType& jsonb_type() {
  static const JsonType type("jsonb", true);
  return type;
}
const FieldType& array_type() {
  static const ArrayType type("array", false);
  return type;
}
const FieldType& set_type() {
  static const ArrayType type("set", true);
  return type;
}
const FieldType& blob_type() {
  static const BlobType type;
  return type;
}

}  // namespace halcyon::schema::types
