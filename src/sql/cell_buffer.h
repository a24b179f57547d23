// Collects the cells of an answer in a few large blocks, for drivers whose library hands out one
// value at a time (SQLite, MySQL).
//
//   CellBuffer cells;
//   cells.add_int(5); cells.add("text"); cells.add_null();
//   Rows rows = std::move(cells).rows({"id", "name", "note"});
//
// Cells stay where they are once added. Thread rule: one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sql/value.h"

namespace halcyon::sql {

class CellBuffer {
 public:
  void add_null() { cells_.emplace_back(); }
  void add(std::string_view text);
  void add_int(int64_t value);
  void add_unsigned(uint64_t value);
  void add_double(double value);
  void add_float(float value);
  // Room for `length` bytes as the next cell, for the caller to fill.
  char* add_space(size_t length);

  Rows rows(std::vector<std::string> columns) &&;

 private:
  char* allocate(size_t length);

  using Blocks = std::vector<std::unique_ptr<char[]>>;
  std::shared_ptr<Blocks> blocks_;
  std::vector<Cell> cells_;
  char* next_ = nullptr;
  size_t left_ = 0, block_size_ = 2048;
};

// Shortest text that reads back as the same number, in the form PostgreSQL prints: plain digits for
// exponents -4 to 14, else "1e+20"; "Infinity", "-Infinity", "NaN".
std::string double_text(double value);
std::string float_text(float value);

}  // namespace halcyon::sql
