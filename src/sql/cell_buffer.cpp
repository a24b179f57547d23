#include "sql/cell_buffer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace halcyon::sql {

namespace {

constexpr size_t kLargestBlock = 1 << 20;

// `shortest`: "d.ddde[+-]xx" as std::to_chars writes it.
std::string like_postgres(std::string_view shortest, int fixed_below) {
  std::string out;
  if (shortest.front() == '-') {
    out += '-';
    shortest.remove_prefix(1);
  }
  size_t e = shortest.find('e');
  std::string digits(1, shortest[0]);
  if (e > 2) digits += shortest.substr(2, e - 2);
  int exponent = 0;
  std::string_view power = shortest.substr(e + 1);
  if (power.front() == '+') power.remove_prefix(1);
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= fixed_below) return out.append(shortest);
  if (exponent < 0) {
    out += "0.";
    out.append(static_cast<size_t>(-exponent - 1), '0');
    return out += digits;
  }
  auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out.append(digits).append(whole - digits.size(), '0');
  return out.append(digits, 0, whole).append(1, '.').append(digits, whole);
}

template <class T>
std::string number_text(T value, int fixed_below) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  return like_postgres(std::string_view(text, static_cast<size_t>(end - text)), fixed_below);
}

}  // namespace

std::string double_text(double value) { return number_text(value, 15); }
std::string float_text(float value) { return number_text(value, 6); }

char* CellBuffer::allocate(size_t length) {
  if (length > left_) {
    if (!blocks_) blocks_ = std::make_shared<Blocks>();
    size_t size = std::max(block_size_, length);
    blocks_->push_back(std::make_unique_for_overwrite<char[]>(size));
    block_size_ = std::min(kLargestBlock, block_size_ * 2);
    next_ = blocks_->back().get();
    left_ = size;
  }
  char* space = next_;
  next_ += length;
  left_ -= length;
  return space;
}

char* CellBuffer::add_space(size_t length) {
  // At least one byte, so that an empty cell points somewhere.
  char* space = allocate(std::max<size_t>(length, 1));
  cells_.push_back(Cell{space, static_cast<int32_t>(length)});
  return space;
}

void CellBuffer::add(std::string_view text) {
  char* space = add_space(text.size());
  if (!text.empty()) std::memcpy(space, text.data(), text.size());
}

void CellBuffer::add_int(int64_t value) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  add(std::string_view(text, static_cast<size_t>(end - text)));
}

void CellBuffer::add_unsigned(uint64_t value) {
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  add(std::string_view(text, static_cast<size_t>(end - text)));
}

void CellBuffer::add_double(double value) { add(double_text(value)); }
void CellBuffer::add_float(float value) { add(float_text(value)); }

Rows CellBuffer::rows(std::vector<std::string> columns) && {
  Rows rows;
  rows.columns = std::move(columns);
  rows.cells = std::move(cells_);
  rows.owner = std::move(blocks_);
  return rows;
}

}  // namespace halcyon::sql
