// string, text: characters. string is a VARCHAR (255 or `length`), text has no limit.
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

class TextLike : public FieldType {
 public:
  Family family() const override { return Family::kText; }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kText);
    TRY(std::string text, read_text(field, input));
    if (json::get_bool(field.options, "trim")) text = std::string(trim(text));
    TRY_STATUS(check_length(field, text));
    return sql::Value(std::move(text));
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kText);
    if (input.is_bool()) return sql::Value(input.get_bool() ? "true" : "false");
    TRY(std::string text, read_text(field, input));
    return sql::Value(std::move(text));
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    out.string(cell.text());
  }
};

class StringType final : public TextLike {
 public:
  std::string_view name() const override { return "string"; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    sql::ColumnType column;
    column.length = static_cast<int>(json::get_int(options, "length", 255));
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const int64_t length = json::get_int(options, "length", 255);
    if (length < 1 || length > 16000) {
      return bad_options("length", "A string's length must be from 1 to 16000; use type text.");
    }
    return {};
  }
};

class TextType final : public TextLike {
 public:
  std::string_view name() const override { return "text"; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    sql::ColumnType column;
    // MySQL's plain TEXT ends at 64 KB; rich text with pictures does not.
    column.text_size = json::get_string(options, "length", "long");
    return column;
  }
  Status check_options(const json::Object& options) const override {
    const json::Value* length = json::find(options, "length");
    if (length == nullptr || length->is_null()) return {};
    if (length->is_string()) {
      const std::string_view size = json::as_view(*length);
      if (size == "tiny" || size == "medium" || size == "long" || size.empty()) return {};
    }
    return bad_options("length", "A text's length must be tiny, medium or long.");
  }
};

}  // namespace

const FieldType& string_type() {
  static const StringType type;
  return type;
}
const FieldType& text_type() {
  static const TextType type;
  return type;
}

}  // namespace halcyon::schema::types
