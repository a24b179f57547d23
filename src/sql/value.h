// Values that go into SQL as parameters and rows that come out.
//
// Every driver hands out cells as text (what PostgreSQL prints with DateStyle ISO, TimeZone UTC),
// so that layers above turn rows into JSON one way only. The text forms are the same on all
// dialects:
//   boolean "true"/"false"; integers and decimals plain; double shortest round-trip;
//   date "2026-01-31"; time "HH:MM:SS[.fff]"; timestamp "YYYY-MM-DD HH:MM:SS[.fff]" (no zone);
//   timestamptz the same, in UTC, without a suffix; bytes raw; json its text; uuid lower case.
// SQLite and MySQL have no booleans, zones or uuids: their cells are what was stored ("1"/"0" for
// booleans), and `schema` field types accept both forms.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace halcyon::sql {

enum class Type : uint8_t {
  kUnknown,
  kBoolean,
  kInt32,
  kInt64,
  kReal,
  kDouble,
  kDecimal,
  kText,
  kBytes,
  kJson,
  kJsonb,
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kUuid,
};

struct Null {
  bool operator==(const Null&) const = default;
};

// One parameter. Text-like types (decimal, dates in the text forms above, json, uuid) travel as
// string.
struct Value {
  std::variant<Null, bool, int64_t, double, std::string> data;
  Type type = Type::kUnknown;

  Value() = default;
  Value(Null, Type t = Type::kUnknown) : type(t) {}
  explicit Value(bool v) : data(v), type(Type::kBoolean) {}
  explicit Value(int64_t v) : data(v), type(Type::kInt64) {}
  explicit Value(int v) : data(int64_t{v}), type(Type::kInt64) {}
  explicit Value(double v) : data(v), type(Type::kDouble) {}
  explicit Value(std::string v, Type t = Type::kText) : data(std::move(v)), type(t) {}
  explicit Value(std::string_view v, Type t = Type::kText) : data(std::string(v)), type(t) {}
  explicit Value(const char* v, Type t = Type::kText) : data(std::string(v)), type(t) {}
  bool is_null() const { return std::holds_alternative<Null>(data); }
  bool operator==(const Value&) const = default;
};

struct Cell {
  const char* data = nullptr;
  int32_t length = -1;  // -1: NULL
  bool is_null() const { return length < 0; }
  std::string_view text() const {
    return is_null() ? std::string_view{} : std::string_view(data, static_cast<size_t>(length));
  }
};

// The answer of one statement. Cheap to move; cells live as long as the Rows (shared owner).
class Rows {
 public:
  std::vector<std::string> columns;
  std::vector<Cell> cells;            // row-major, size() * columns.size()
  std::shared_ptr<const void> owner;  // what the cells point into
  int64_t affected = 0;               // rows changed by INSERT/UPDATE/DELETE
  int64_t last_insert_id = 0;         // MySQL and SQLite only

  size_t size() const { return columns.empty() ? 0 : cells.size() / columns.size(); }
  bool empty() const { return size() == 0; }
  Cell cell(size_t row, size_t column) const { return cells[row * columns.size() + column]; }
};

}  // namespace halcyon::sql
