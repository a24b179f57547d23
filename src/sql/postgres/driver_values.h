// Parameters and answers between sql/value.h and libpq. Only for sql/postgres.
//
// Thread rule: pure, or used by one thread at a time.
#pragma once

#include <libpq-fe.h>

#include <array>
#include <vector>

#include "base/result.h"
#include "sql/postgres/driver_connect.h"
#include "sql/value.h"

namespace halcyon::sql::postgres {

// The arrays libpq wants, kept from statement to statement.
class Parameters {
 public:
  // Points into `values`, which must stay until the statement was given to libpq.
  // Text that cannot be sent (a NUL byte) is INVALID_VALUE. `typed_text`: kText as text instead of
  // letting the server infer a type.
  Status encode(const std::vector<Value>& values, bool typed_text);

  int count() const { return static_cast<int>(types_.size()); }
  const std::vector<Oid>& types() const { return types_; }
  const char* const* values() const { return pointers_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  struct Encoder;
  std::vector<const char*> pointers_;
  std::vector<int> lengths_, formats_;
  std::vector<Oid> types_;
  std::vector<std::array<char, 32>> numbers_;
};

// The cells point into `result`, which the Rows then own.
Rows to_rows(ResultPtr result);

}  // namespace halcyon::sql::postgres
