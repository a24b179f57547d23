// A field type: storage, reading input, writing output, values the server makes. One file a type
// (or a family) under schema/types/, registered in the visible list of schema/types/registry.cpp.
//
// Types are stateless and shared; everything particular comes with the Field.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "json/json.h"
#include "json/writer.h"
#include "runtime/context.h"
#include "schema/model.h"
#include "sql/database.h"
#include "sql/value.h"

namespace halcyon::schema {

// Decides which filter operators apply and how operands are read (reference C.2).
enum class Family {
  kText,
  kNumber,
  kBoolean,
  kDateTime,
  kDateOnly,
  kTime,
  kArray,
  kJson,
  kBytes,
  kRelation,
  kNone
};

struct ValueContext {
  int utc_offset_minutes = 0;  // of the caller, for naive date input
  ValueContext() = default;
  explicit ValueContext(int offset) : utc_offset_minutes(offset) {}
};

// What a type may see and change while a record is saved, inside the write's transaction.
struct FieldWrite {
  const Context& ctx;
  sql::Executor& tx;
  const Snapshot& model;
  const Collection& collection;
  const Field& field;
  bool creating = true;
  const json::Object& state;      // request state: {"currentUser":{...},"currentRole":"..."}
  StringMap<sql::Value>& values;  // by field name: what will be written; types may add
  const StringMap<sql::Value>* previous = nullptr;  // update: the row before, all columns
};

class FieldType {
 public:
  virtual ~FieldType() = default;
  virtual std::string_view name() const = 0;
  virtual Family family() const = 0;
  // nullopt: the type has no column. `options` is the field's definition.
  virtual std::optional<sql::ColumnType> storage(const json::Object& options) const = 0;
  // Is this definition complete and sensible? Error 400 INVALID_FIELD_OPTIONS.
  virtual Status check_options(const json::Object& options) const;
  // Client JSON to SQL value (null allowed -> Null). Error 400 INVALID_VALUE with field and
  // expected.
  virtual Result<sql::Value> parse(const Field& field, const json::Value& input,
                                   const ValueContext& vc) const = 0;
  // An operand of a filter; looser than parse (e.g. numbers for text fields are cast). Default:
  // parse.
  virtual Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                           const ValueContext& vc) const;
  // Cell to JSON. The cell's text form is that of sql/value.h.
  virtual void write(const Field& field, sql::Cell cell, json::Writer& out) const = 0;
  // Does `before_save` do anything? Spares the call for most types.
  virtual bool has_before_save(const Field&) const { return false; }
  // Auto-filled values: uid, uuid, snowflake, sort, sequence, formula, context, radio,
  // timestamps...
  virtual Task<Status> before_save(FieldWrite& write) const;
};

// nullptr when there is no such type.
const FieldType* find_field_type(std::string_view name);
std::vector<const FieldType*> all_field_types();

// Ids for snowflakeId fields; set once at start by the server (worker id, clock). Default worker 0.
class IdSource {
 public:
  virtual ~IdSource() = default;
  virtual Result<int64_t> next() = 0;
};
void set_id_source(IdSource& source);  // before serving; tests may set their own
Result<int64_t> next_id();

// Hashes the values of password fields; set once at start by the server, so that scrypt (tens of
// milliseconds) runs on a blocking pool. Without one it runs on the calling thread.
class PasswordHasher {
 public:
  virtual ~PasswordHasher() = default;
  virtual Task<Result<std::string>> hash(const Context& ctx, std::string password) = 0;
};
void set_password_hasher(PasswordHasher& hasher);

// Validation rules of reference D.3 (Joi names). One Error per failed rule, id VALIDATION_FAILED.
std::vector<Error> check_rules(const Field& field, const json::Value& input, bool creating);

}  // namespace halcyon::schema
