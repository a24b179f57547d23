// Prepared statements: binding parameters, fetching rows.
#include <cstdio>

#include "sql/errors.h"
#include "sql/mysql/driver_internal.h"
#include "sql/text_util.h"

namespace halcyon::sql::mysql {

namespace {

// Parameters in the shape libmariadb wants; points into the statement's values.
class Parameters {
 public:
  explicit Parameters(const std::vector<Value>& values)
      : binds_(values.size()), integers_(values.size()), texts_(values.size()) {
    for (size_t i = 0; i < values.size(); ++i) set(i, values[i]);
  }
  MYSQL_BIND* binds() { return binds_.data(); }

 private:
  void set(size_t i, const Value& value) {
    MYSQL_BIND& bind = binds_[i];
    if (value.is_null()) {
      bind.buffer_type = MYSQL_TYPE_NULL;
    } else if (const auto* flag = std::get_if<bool>(&value.data)) {
      integers_[i] = *flag ? 1 : 0;
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = &integers_[i];
    } else if (const auto* integer = std::get_if<int64_t>(&value.data)) {
      integers_[i] = *integer;
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = &integers_[i];
    } else if (const auto* real = std::get_if<double>(&value.data)) {
      bind.buffer_type = MYSQL_TYPE_DOUBLE;
      bind.buffer = const_cast<double*>(real);
    } else {
      const auto* text = &std::get<std::string>(value.data);
      if (value.type == Type::kTimestampTz || value.type == Type::kTimestamp) {
        texts_[i] = utc_timestamp(*text);
        text = &texts_[i];
      }
      // A decimal compared as text would be compared as a double.
      bind.buffer_type = value.type == Type::kBytes     ? MYSQL_TYPE_BLOB
                         : value.type == Type::kDecimal ? MYSQL_TYPE_NEWDECIMAL
                                                        : MYSQL_TYPE_STRING;
      bind.buffer = const_cast<char*>(text->data());
      bind.buffer_length = text->size();
    }
  }

  std::vector<MYSQL_BIND> binds_;
  std::vector<long long> integers_;
  std::vector<std::string> texts_;
};

enum class Form { kInteger, kUnsigned, kFloat, kDouble, kDate, kTime, kDateTime, kBits, kBytes };

Form form_of(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return (field.flags & UNSIGNED_FLAG) ? Form::kUnsigned : Form::kInteger;
    case MYSQL_TYPE_FLOAT:
      return Form::kFloat;
    case MYSQL_TYPE_DOUBLE:
      return Form::kDouble;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
      return Form::kDate;
    case MYSQL_TYPE_TIME:
      return Form::kTime;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return Form::kDateTime;
    case MYSQL_TYPE_BIT:
      return Form::kBits;
    default:
      return Form::kBytes;
  }
}

struct Column {
  Form form = Form::kBytes;
  union {
    long long integer;
    double real;
    float small;
    MYSQL_TIME time;
    unsigned char bits[8];
  };
  unsigned long length = 0;
  my_bool is_null = 0, error = 0;
  Column() : integer(0) {}
};

void bind_column(MYSQL_BIND& bind, Column& column) {
  bind.is_null = &column.is_null;
  bind.length = &column.length;
  bind.error = &column.error;
  bind.buffer = &column.integer;
  switch (column.form) {
    case Form::kUnsigned:
      bind.is_unsigned = 1;
      [[fallthrough]];
    case Form::kInteger:
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      break;
    case Form::kFloat:
      bind.buffer_type = MYSQL_TYPE_FLOAT;
      break;
    case Form::kDouble:
      bind.buffer_type = MYSQL_TYPE_DOUBLE;
      break;
    case Form::kDate:
      bind.buffer_type = MYSQL_TYPE_DATE;
      break;
    case Form::kTime:
      bind.buffer_type = MYSQL_TYPE_TIME;
      break;
    case Form::kDateTime:
      bind.buffer_type = MYSQL_TYPE_DATETIME;
      break;
    case Form::kBits:
      bind.buffer_type = MYSQL_TYPE_BIT;
      bind.buffer = column.bits;
      bind.buffer_length = sizeof column.bits;
      break;
    case Form::kBytes:  // fetched in a second step, when the length is known
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = nullptr;
      bind.buffer_length = 0;
      break;
  }
}

std::string time_text(Form form, const MYSQL_TIME& t) {
  char text[64];
  int size = 0;
  auto put = [&](const char* format, auto... values) {
    size += std::snprintf(text + size, sizeof text - static_cast<size_t>(size), format, values...);
  };
  if (form == Form::kTime) {
    put("%s%02u:%02u:%02u", t.neg ? "-" : "", t.day * 24 + t.hour, t.minute, t.second);
  } else {
    put("%04u-%02u-%02u", t.year, t.month, t.day);
    if (form == Form::kDateTime) put(" %02u:%02u:%02u", t.hour, t.minute, t.second);
  }
  if (form != Form::kDate && t.second_part != 0) {
    if (t.second_part % 1000 == 0) {
      put(".%03lu", t.second_part / 1000);
    } else {
      put(".%06lu", t.second_part);
    }
  }
  return {text, static_cast<size_t>(size)};
}

int64_t bits_value(const Column& column) {
  uint64_t value = 0;
  for (unsigned long i = 0; i < column.length && i < sizeof column.bits; ++i) {
    value = value << 8 | column.bits[i];
  }
  return static_cast<int64_t>(value);
}

bool add_bytes(CellBuffer& cells, MYSQL_STMT* statement, unsigned index, Column& column) {
  char* space = cells.add_space(column.length);
  if (column.length == 0) return true;
  unsigned long length = 0;
  my_bool is_null = 0, error = 0;
  MYSQL_BIND bind{};
  bind.buffer_type = MYSQL_TYPE_STRING;
  bind.buffer = space;
  bind.buffer_length = column.length;
  bind.length = &length;
  bind.is_null = &is_null;
  bind.error = &error;
  return mysql_stmt_fetch_column(statement, &bind, index, 0) == 0;
}

bool add_cell(CellBuffer& cells, MYSQL_STMT* statement, unsigned index, Column& column) {
  if (column.is_null) {
    cells.add_null();
    return true;
  }
  switch (column.form) {
    case Form::kInteger:
      cells.add_int(column.integer);
      return true;
    case Form::kUnsigned:
      cells.add_unsigned(static_cast<uint64_t>(column.integer));
      return true;
    case Form::kFloat:
      cells.add_float(column.small);
      return true;
    case Form::kDouble:
      cells.add_double(column.real);
      return true;
    case Form::kBits:
      cells.add_int(bits_value(column));
      return true;
    case Form::kDate:
    case Form::kTime:
    case Form::kDateTime:
      cells.add(time_text(column.form, column.time));
      return true;
    case Form::kBytes:
      break;
  }
  return add_bytes(cells, statement, index, column);
}

}  // namespace

Result<Rows> Connection::fetch(MYSQL_STMT* statement, MYSQL_RES* metadata) {
  unsigned count = mysql_num_fields(metadata);
  std::vector<Column> columns(count);
  std::vector<MYSQL_BIND> binds(count);
  std::vector<std::string> names;
  for (unsigned i = 0; i < count; ++i) {
    const MYSQL_FIELD* field = mysql_fetch_field_direct(metadata, i);
    names.emplace_back(field->name, field->name_length);
    columns[i].form = form_of(*field);
    bind_column(binds[i], columns[i]);
  }
  if (mysql_stmt_bind_result(statement, binds.data()) != 0) {
    return fail(statement_error(statement));
  }
  CellBuffer cells;
  for (;;) {
    int code = mysql_stmt_fetch(statement);
    if (code == MYSQL_NO_DATA) break;
    // Truncation is expected: texts are bound without a buffer.
    if (code != 0 && code != MYSQL_DATA_TRUNCATED) return fail(statement_error(statement));
    for (unsigned i = 0; i < count; ++i) {
      if (!add_cell(cells, statement, i, columns[i])) return fail(statement_error(statement));
    }
  }
  return std::move(cells).rows(std::move(names));
}

Result<Rows> Connection::execute_prepared(const Statement& statement, bool cache) {
  last_code_ = 0;
  TRY(MYSQL_STMT * prepared, prepare(statement.text, cache));
  struct Closer {
    MYSQL_STMT* statement;
    bool close;
    ~Closer() {
      if (close) {
        mysql_stmt_close(statement);
      } else {
        mysql_stmt_free_result(statement);
      }
    }
  } closer{prepared, !cache};
  if (mysql_stmt_param_count(prepared) != statement.params.size()) {
    return fail(database_error("DATABASE_ERROR", "wrong number of parameters"));
  }
  Parameters parameters(statement.params);
  if (!statement.params.empty() && mysql_stmt_bind_param(prepared, parameters.binds()) != 0) {
    return fail(statement_error(prepared));
  }
  if (mysql_stmt_execute(prepared) != 0) return fail(statement_error(prepared));
  std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> metadata(mysql_stmt_result_metadata(prepared),
                                                            mysql_free_result);
  if (metadata) {
    TRY(Rows rows, fetch(prepared, metadata.get()));
    if (statement.is_write) rows.affected = static_cast<int64_t>(rows.size());
    return rows;
  }
  Rows rows;
  rows.affected = static_cast<int64_t>(mysql_stmt_affected_rows(prepared));
  rows.last_insert_id = static_cast<int64_t>(mysql_stmt_insert_id(prepared));
  return rows;
}

}  // namespace halcyon::sql::mysql
