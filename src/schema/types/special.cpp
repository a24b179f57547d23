// password, context, virtual: values the client does not simply store.
#include <atomic>

#include "base/crypto.h"
#include "base/text.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema {

namespace {

// Hashes on the calling thread; the server sets one that uses the pool for blocking work.
class InlineHasher final : public PasswordHasher {
 public:
  Task<Result<std::string>> hash(const Context&, std::string password) override {
    co_return hash_password(password);
  }
};

std::atomic<PasswordHasher*>& hasher() {
  static InlineHasher fallback;
  static std::atomic<PasswordHasher*> current{&fallback};
  return current;
}

}  // namespace

void set_password_hasher(PasswordHasher& value) { hasher() = &value; }

namespace types {

namespace {

class PasswordType final : public FieldType {
 public:
  std::string_view name() const override { return "password"; }
  Family family() const override { return Family::kText; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.length = 255;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kText);
    if (!input.is_string()) return bad_value(field, "text", json::Value("(hidden)"));
    const std::string_view text = json::as_view(input);
    TRY_STATUS(check_text(field, text));
    if (text.size() > 1024) {
      return fail(
          Error(Code::kInvalidArgument, "VALUE_TOO_LONG", "A password may have at most 1024 bytes.")
              .with_field(field.name)
              .with_expected("at most 1024 bytes"));
    }
    return sql::Value(text);
  }
  // Never shown, whatever `hidden` says.
  void write(const Field&, sql::Cell, json::Writer& out) const override { out.null(); }
  bool has_before_save(const Field&) const override { return true; }
  Task<Status> before_save(FieldWrite& write) const override {
    auto it = write.values.find(write.field.name);
    if (it == write.values.end()) co_return Status{};
    const auto* text = std::get_if<std::string>(&it->second.data);
    if (text == nullptr || text->empty()) {  // an empty input keeps the old password
      write.values.erase(it);
      co_return Status{};
    }
    std::string password = *text;
    CO_TRY(std::string hash, co_await hasher().load()->hash(write.ctx, std::move(password)));
    write.values[write.field.name] = sql::Value(std::move(hash));
    co_return Status{};
  }
};

// Filled from the request: dataIndex "state.currentUser.id".
class ContextType final : public FieldType {
 public:
  std::string_view name() const override { return "context"; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    return data_type(options).storage(options);
  }
  Status check_options(const json::Object& options) const override {
    const std::string type = json::get_string(options, "dataType", "bigInt");
    const FieldType* found = find_field_type(type);
    if (found == nullptr || found == this || !found->storage(options)) {
      return bad_options("dataType", "There is no field type \"" + type + "\" to store.");
    }
    return {};
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    return data_type(field.options).parse(field, input, vc);
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext& vc) const override {
    return data_type(field.options).parse_operand(field, input, vc);
  }
  void write(const Field& field, sql::Cell cell, json::Writer& out) const override {
    data_type(field.options).write(field, cell, out);
  }
  bool has_before_save(const Field&) const override { return true; }
  Task<Status> before_save(FieldWrite& write) const override {
    if (!write.creating && json::get_bool(write.field.options, "createOnly")) {
      write.values.erase(write.field.name);  // set once
      co_return Status{};
    }
    std::string path = json::get_string(write.field.options, "dataIndex");
    if (path.starts_with("state.")) path.erase(0, 6);
    const std::string head = path.substr(0, path.find('.'));
    const json::Value* found = json::find(write.state, head);
    if (found != nullptr && head.size() < path.size()) {
      found = json::find(*found, std::string_view(path).substr(head.size() + 1));
    }
    // Work without a request (seeds, jobs) has no user: what it gave stays.
    if (found == nullptr || found->is_null()) co_return Status{};
    CO_TRY(sql::Value value, parse(write.field, *found, ValueContext()));
    write.values[write.field.name] = std::move(value);
    co_return Status{};
  }

 private:
  static const FieldType& data_type(const json::Object& options) {
    const FieldType* type = find_field_type(json::get_string(options, "dataType", "bigInt"));
    return type == nullptr ? big_int_type() : *type;
  }
};

class VirtualType final : public FieldType {
 public:
  std::string_view name() const override { return "virtual"; }
  Family family() const override { return Family::kNone; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    return std::nullopt;
  }
  Result<sql::Value> parse(const Field&, const json::Value&, const ValueContext&) const override {
    return sql::Value(sql::Null{});  // accepted and not stored
  }
  void write(const Field&, sql::Cell, json::Writer& out) const override { out.null(); }
};

}  // namespace

const FieldType& password_type() {
  static const PasswordType type;
  return type;
}
const FieldType& context_type() {
  static const ContextType type;
  return type;
}
const FieldType& virtual_type() {
  static const VirtualType type;
  return type;
}

}  // namespace types
}  // namespace halcyon::schema
