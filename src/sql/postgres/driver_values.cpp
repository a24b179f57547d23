#include "sql/postgres/driver_values.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <deque>
#include <limits>

#include "base/text.h"
#include "sql/cell_buffer.h"
#include "sql/errors.h"

namespace halcyon::sql::postgres {

namespace {

constexpr Oid kBoolOid = 16, kByteaOid = 17, kInt8Oid = 20, kInt4Oid = 23, kTextOid = 25,
              kJsonOid = 114, kFloat4Oid = 700, kFloat8Oid = 701, kDateOid = 1082, kTimeOid = 1083,
              kTimestampOid = 1114, kTimestampTzOid = 1184, kNumericOid = 1700, kUuidOid = 2950,
              kJsonbOid = 3802;

Oid oid_of(Type type, bool typed_text) {
  switch (type) {
    case Type::kBoolean:
      return kBoolOid;
    case Type::kInt32:
      return kInt4Oid;
    case Type::kInt64:
      return kInt8Oid;
    case Type::kReal:
      return kFloat4Oid;
    case Type::kDouble:
      return kFloat8Oid;
    case Type::kDecimal:
      return kNumericOid;
    case Type::kText:
      return typed_text ? kTextOid : 0;
    case Type::kBytes:
      return kByteaOid;
    case Type::kJson:
      return kJsonOid;
    case Type::kJsonb:
      return kJsonbOid;
    case Type::kDate:
      return kDateOid;
    case Type::kTime:
      return kTimeOid;
    case Type::kTimestamp:
      return kTimestampOid;
    case Type::kTimestampTz:
      return kTimestampTzOid;
    case Type::kUuid:
      return kUuidOid;
    case Type::kUnknown:
      break;
  }
  return 0;
}

template <class T>
void store_big_endian(char* out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<char>(value >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace

// Writes one parameter: sets text (format 0) or binary (format 1) and may adjust the type.
struct Parameters::Encoder {
  Type type;
  Oid& oid;
  char* space;  // 32 bytes
  const char*& pointer;
  int& length;
  int& format;

  void binary(int size) {
    pointer = space;
    length = size;
    format = 1;
  }
  void text(const std::string& short_text) {
    size_t size = std::min<size_t>(short_text.size(), 31);
    std::memcpy(space, short_text.data(), size);
    space[size] = '\0';
    pointer = space;
  }

  bool operator()(Null) { return true; }
  bool operator()(bool value) {
    if (type == Type::kBoolean) {
      space[0] = value ? 1 : 0;
      binary(1);
    } else {
      pointer = value ? "true" : "false";
    }
    return true;
  }
  bool operator()(int64_t value) {
    // A number beyond int4 is a fact to compare with, and out of range where it is stored.
    if (type == Type::kInt32 && value != static_cast<int32_t>(value)) oid = kInt8Oid;
    if (oid == kInt8Oid) {
      store_big_endian(space, static_cast<uint64_t>(value));
      binary(8);
    } else if (oid == kInt4Oid) {
      store_big_endian(space, static_cast<uint32_t>(value));
      binary(4);
    } else {
      *std::to_chars(space, space + 31, value).ptr = '\0';
      pointer = space;
    }
    return true;
  }
  bool operator()(double value) {
    if (type == Type::kDouble) {
      store_big_endian(space, std::bit_cast<uint64_t>(value));
      binary(8);
    } else if (type == Type::kReal && static_cast<double>(static_cast<float>(value)) == value) {
      store_big_endian(space, std::bit_cast<uint32_t>(static_cast<float>(value)));
      binary(4);
    } else {
      text(double_text(value));
    }
    return true;
  }
  bool operator()(const std::string& value) {
    pointer = value.data();
    if (type == Type::kBytes) {
      length = static_cast<int>(value.size());
      format = 1;
      return true;
    }
    return std::memchr(value.data(), '\0', value.size()) == nullptr;
  }
};

Status Parameters::encode(const std::vector<Value>& values, bool typed_text) {
  const size_t n = values.size();
  if (n > std::numeric_limits<uint16_t>::max()) {
    return fail(database_error("SQL_SYNTAX", "more parameters than the protocol takes"));
  }
  pointers_.assign(n, nullptr);
  lengths_.assign(n, 0);
  formats_.assign(n, 0);
  types_.resize(n);
  if (numbers_.size() < n) numbers_.resize(n);
  for (size_t i = 0; i < n; ++i) {
    types_[i] = oid_of(values[i].type, typed_text);
    Encoder encoder{values[i].type, types_[i],   numbers_[i].data(),
                    pointers_[i],   lengths_[i], formats_[i]};
    if (!std::visit(encoder, values[i].data)) {
      return fail(database_error("INVALID_VALUE", "text must not contain the character NUL"));
    }
  }
  return {};
}

namespace {

enum class Shape : uint8_t { kAsIs, kBoolean, kMoment, kBytes, kNumbers, kFlags, kTexts };

Shape shape_of(Oid type) {
  if (type == kBoolOid) return Shape::kBoolean;
  if (type == kTimestampTzOid) return Shape::kMoment;
  if (type == kByteaOid) return Shape::kBytes;
  switch (type) {  // native arrays of adopted tables, shown as JSON lists
    case 1005:     // int2[]
    case 1007:     // int4[]
    case 1016:     // int8[]
    case 1021:     // float4[]
    case 1022:     // float8[]
    case 1231:     // numeric[]
      return Shape::kNumbers;
    case 1000:  // bool[]
      return Shape::kFlags;
    case 1009:  // text[]
    case 1014:  // bpchar[]
    case 1015:  // varchar[]
    case 1115:  // timestamp[]
    case 1182:  // date[]
    case 1183:  // time[]
    case 1185:  // timestamptz[]
    case 2951:  // uuid[]
      return Shape::kTexts;
    default:
      break;
  }
  return Shape::kAsIs;
}

int hex_digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

// "\x00ff" -> bytes, in the memory of the result, which is ours.
Cell decode_bytes(char* text, int length) {
  if (length < 2 || text[0] != '\\' || text[1] != 'x') return Cell{text, length};
  int size = (length - 2) / 2;
  for (int i = 0; i < size; ++i) {
    text[i] = static_cast<char>(hex_digit(text[2 + 2 * i]) << 4 | hex_digit(text[3 + 2 * i]));
  }
  return Cell{text, size};
}

Cell normalised(Shape shape, char* text, int length) {
  switch (shape) {
    case Shape::kBoolean:
      return *text == 't' ? Cell{"true", 4} : Cell{"false", 5};
    case Shape::kMoment:
      return Cell{text, std::string_view(text, static_cast<size_t>(length)).ends_with("+00")
                            ? length - 3
                            : length};
    case Shape::kBytes:
      return decode_bytes(text, length);
    case Shape::kAsIs:
    case Shape::kNumbers:
    case Shape::kFlags:
    case Shape::kTexts:
      break;
  }
  return Cell{text, length};
}

void append_json_text(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_item(std::string& out, Shape shape, std::string_view item, bool quoted) {
  if (!quoted && item == "NULL") {
    out += "null";
  } else if (shape == Shape::kFlags) {
    out += item == "t" ? "true" : "false";
  } else if (shape == Shape::kNumbers) {
    const bool finite = item.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
    out += finite ? item : std::string_view("null");  // NaN, Infinity
  } else {
    append_json_text(out, item);
  }
}

// {1,NULL,"a b",{2}} -> [1,null,"a b",[2]]; bounds ([2:3]={...}) are dropped.
std::string array_json(Shape shape, std::string_view text) {
  if (text.starts_with('[')) text.remove_prefix(std::min(text.find('=') + 1, text.size()));
  std::string out, item;
  bool quoted = false, open = false;
  const auto flush = [&] {
    if (open) append_item(out, shape, item, quoted);
    item.clear();
    quoted = open = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{') {
      out += '[';
    } else if (c == '}' || c == ',') {
      flush();
      out += c == ',' ? ',' : ']';
    } else if (c == '"') {
      open = quoted = true;
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        item += text[i];
      }
    } else {
      open = true;
      item += c;
    }
  }
  return out;
}

bool is_array(Shape shape) {
  return shape == Shape::kNumbers || shape == Shape::kFlags || shape == Shape::kTexts;
}

// Memory that cells point into: the result, and what had to be written anew.
struct Memory {
  ResultPtr result;
  std::deque<std::string> made;
};

int64_t affected_rows(PGresult* result) {
  const char* tag = PQcmdStatus(result);  // "INSERT 0 5", "UPDATE 5", "SELECT 5", "CREATE TABLE"
  bool counts =
      tag[0] == 'I' || tag[0] == 'U' || tag[0] == 'D' || std::strncmp(tag, "MERGE", 5) == 0;
  return counts ? to_int64(PQcmdTuples(result)).value_or(0) : 0;
}

}  // namespace

Rows to_rows(ResultPtr result) {
  Rows rows;
  PGresult* pg = result.get();
  rows.affected = affected_rows(pg);
  const int columns = PQnfields(pg), tuples = PQntuples(pg);
  if (columns == 0) return rows;
  rows.columns.reserve(static_cast<size_t>(columns));
  std::vector<Shape> shapes;  // empty when every cell is as it should be
  for (int c = 0; c < columns; ++c) {
    rows.columns.emplace_back(PQfname(pg, c));
    Shape shape = shape_of(PQftype(pg, c));
    if (shape == Shape::kAsIs && shapes.empty()) continue;
    shapes.resize(static_cast<size_t>(columns), Shape::kAsIs);
    shapes[static_cast<size_t>(c)] = shape;
  }
  rows.cells.resize(static_cast<size_t>(columns) * static_cast<size_t>(tuples));
  auto memory = std::make_shared<Memory>();
  Cell* cell = rows.cells.data();
  for (int r = 0; r < tuples; ++r) {
    for (int c = 0; c < columns; ++c, ++cell) {
      if (PQgetisnull(pg, r, c) != 0) continue;
      char* text = PQgetvalue(pg, r, c);
      int length = PQgetlength(pg, r, c);
      if (!shapes.empty() && is_array(shapes[static_cast<size_t>(c)])) {
        const std::string& list =
            memory->made.emplace_back(array_json(shapes[static_cast<size_t>(c)], text));
        *cell = Cell{list.data(), static_cast<int>(list.size())};
        continue;
      }
      *cell = shapes.empty() ? Cell{text, length}
                             : normalised(shapes[static_cast<size_t>(c)], text, length);
    }
  }
  memory->result = std::move(result);
  rows.owner = std::move(memory);
  return rows;
}

}  // namespace halcyon::sql::postgres
