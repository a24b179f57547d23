#include "schema/introspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "schema/catalog_impl.h"
#include "schema/names.h"

namespace halcyon::schema {

namespace {

struct Guess {
  std::string_view type, interface, component;
};

Guess guess(const sql::ColumnType& type) {
  if (type.native_array) return {"json", "json", "Input.JSON"};
  switch (type.type) {
    case sql::Type::kBoolean:
      return {"boolean", "checkbox", "Checkbox"};
    case sql::Type::kInt32:
      return {"integer", "integer", "InputNumber"};
    case sql::Type::kInt64:
      return {"bigInt", "integer", "InputNumber"};
    case sql::Type::kReal:
      return {"real", "number", "InputNumber"};
    case sql::Type::kDouble:
      return {"double", "number", "InputNumber"};
    case sql::Type::kDecimal:
      return {"decimal", "number", "InputNumber"};
    case sql::Type::kBytes:
      return {"blob", "", "Input"};
    case sql::Type::kJson:
      return {"json", "json", "Input.JSON"};
    case sql::Type::kJsonb:
      return {"jsonb", "json", "Input.JSON"};
    case sql::Type::kDate:
      return {"dateOnly", "date", "DatePicker"};
    case sql::Type::kTime:
      return {"time", "time", "TimePicker"};
    case sql::Type::kTimestamp:
      return {"datetimeNoTz", "datetimeNoTz", "DatePicker"};
    case sql::Type::kTimestampTz:
      return {"datetimeTz", "datetime", "DatePicker"};
    case sql::Type::kUuid:
      return {"uuid", "uuid", "Input"};
    case sql::Type::kText:
    case sql::Type::kUnknown:
      break;
  }
  if (type.length > 0) return {"string", "input", "Input"};
  return {"text", "textarea", "Input.TextArea"};
}

// A name the API can use for a column of any name.
std::string field_name(std::string_view column) {
  std::string name;
  for (char c : column) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
    name += good ? c : '_';
  }
  if (name.empty() || name[0] == '-') name.insert(0, 1, '_');
  return name;
}

bool is_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return false;
  if (digits.size() > 1 && digits[0] == '0' && digits[1] != '.') return false;  // a code: 0012
  auto number = to_double(text);
  return number && std::isfinite(*number);
}

// Words outside of quotes and comments, in lower case. Empty: the text is not one statement.
std::vector<std::string> words_of(std::string_view sql, bool& single) {
  std::vector<std::string> words;
  std::string word;
  single = true;
  bool ended = false;
  const auto flush = [&] {
    if (!word.empty()) words.push_back(to_lower(word));
    word.clear();
  };
  for (size_t i = 0; i < sql.size(); ++i) {
    const char c = sql[i];
    if (c == '-' && sql.substr(i, 2) == "--") {
      flush();
      i = std::min(sql.find('\n', i), sql.size());
      continue;
    }
    if (c == '/' && sql.substr(i, 2) == "/*") {
      flush();
      // MySQL runs what stands in /*! */ comments.
      if (sql.substr(i, 3) == "/*!" || sql.substr(i, 3) == "/*M") single = false;
      const size_t end = sql.find("*/", i + 2);
      if (end == std::string_view::npos) {
        single = false;
        return words;
      }
      i = end + 1;
      continue;
    }
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (ended && !space && c != ';') single = false;
    if (c == '\'' || c == '"' || c == '`') {
      flush();
      const size_t end = sql.find(c, i + 1);
      if (end == std::string_view::npos) {
        single = false;
        return words;
      }
      if (c != '\'') words.push_back(to_lower(sql.substr(i + 1, end - i - 1)));
      i = end;
      continue;
    }
    const bool part = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
    if (part) {
      word += c;
      continue;
    }
    flush();
    if (c == ';') ended = true;
  }
  flush();
  return words;
}

// Statements and functions that write, wait, or reach the server's files and other servers.
constexpr std::string_view kForbidden[] = {"insert",
                                           "update",
                                           "delete",
                                           "merge",
                                           "drop",
                                           "alter",
                                           "create",
                                           "truncate",
                                           "grant",
                                           "revoke",
                                           "attach",
                                           "detach",
                                           "pragma",
                                           "vacuum",
                                           "call",
                                           "copy",
                                           "outfile",
                                           "dumpfile",
                                           "load_file",
                                           "load_extension",
                                           "lo_import",
                                           "lo_export",
                                           "lo_from_bytea",
                                           "lo_put",
                                           "dblink",
                                           "dblink_exec",
                                           "dblink_connect",
                                           "pg_sleep",
                                           "pg_sleep_for",
                                           "pg_sleep_until",
                                           "sleep",
                                           "benchmark",
                                           "pg_read_file",
                                           "pg_read_binary_file",
                                           "pg_ls_dir",
                                           "pg_stat_file",
                                           "pg_write_file",
                                           "pg_terminate_backend",
                                           "pg_cancel_backend",
                                           "pg_reload_conf",
                                           "set_config",
                                           "setval",
                                           "nextval",
                                           "query_to_xml",
                                           "database_to_xml",
                                           "table_to_xml",
                                           "schema_to_xml",
                                           "cursor_to_xml",
                                           "pg_advisory_lock",
                                           "get_lock",
                                           "readfile",
                                           "writefile",
                                           "fts3_tokenizer",
                                           "pg_notify",
                                           "pg_logical_emit_message",
                                           "pg_switch_wal",
                                           "pg_create_restore_point",
                                           "sys_exec",
                                           "sys_eval",
                                           "pg_authid",
                                           "pg_shadow",
                                           "into"};

}  // namespace

std::string trim_statement(std::string_view sql) {
  sql = trim(sql);
  while (!sql.empty() && (sql.back() == ';' || sql.back() == ' ' || sql.back() == '\n' ||
                          sql.back() == '\r' || sql.back() == '\t')) {
    sql.remove_suffix(1);
  }
  return std::string(sql);
}

Status check_select(std::string_view sql) {
  const auto wrong = [](std::string message) {
    return fail(Error(Code::kInvalidArgument, "INVALID_SQL", std::move(message))
                    .with_field("sql")
                    .with_expected("one SELECT statement"));
  };
  if (!is_valid_utf8(sql) || sql.find('\0') != std::string_view::npos) {
    return wrong("The SQL must be UTF-8 text.");
  }
  bool single = true;
  const std::vector<std::string> words = words_of(sql, single);
  // Backslashes quote in MySQL and not elsewhere, dollar quotes only in PostgreSQL, "#" comments
  // only in MySQL: refusing them spares telling dialects apart.
  if (sql.find('\\') != std::string_view::npos || sql.find("$$") != std::string_view::npos ||
      sql.find('#') != std::string_view::npos) {
    return wrong("The SQL must not contain backslashes, \"#\" or \"$$\".");
  }
  if (!single) return wrong("The SQL must be a single statement.");
  if (words.empty() || (words.front() != "select" && words.front() != "with")) {
    return wrong("The SQL must be a SELECT.");
  }
  for (const std::string& word : words) {
    if (std::ranges::find(kForbidden, word) != std::end(kForbidden)) {
      return wrong(fmt::format("The SQL must only read; \"{}\" is not allowed.", word));
    }
  }
  return {};
}

json::Array guess_fields(const sql::TableInfo& info) {
  json::Array out;
  for (size_t i = 0; i < info.columns.size(); ++i) {
    const sql::ColumnSpec& column = info.columns[i];
    const Guess type = guess(column.type);
    json::Object field{{"name", field_name(column.name)},
                       {"type", type.type},
                       {"interface", type.interface},
                       {"field", column.name},
                       {"uiSchema",
                        {{"title", column.name},
                         {"x-component", type.component},
                         {"x-component-props", json::Object()}}}};
    if (i < info.raw_types.size()) field["rawType"] = info.raw_types[i];
    if (type.type == "string") field["length"] = column.type.length;
    if (type.type == "decimal" && column.type.precision > 0) {
      field["precision"] = column.type.precision;
      field["scale"] = column.type.scale;
    }
    if (type.type == "uuid") field["autoFill"] = false;
    if (std::ranges::find(info.primary_key, column.name) != info.primary_key.end()) {
      field["primaryKey"] = true;
    }
    if (column.auto_increment) field["autoIncrement"] = true;
    if (!column.nullable) field["allowNull"] = false;
    for (const sql::IndexSpec& index : info.indexes) {
      if (index.columns != std::vector<std::string>{column.name}) continue;
      field[index.unique ? "unique" : "index"] = true;
    }
    out.push_back(std::move(field));
  }
  return out;
}

json::Object fields_by_name(const json::Array& fields) {
  json::Object out;
  for (const auto& field : fields) out[field.at("name").as_string()] = field;
  return out;
}

json::Object sql_answer(const sql::Rows& rows) {
  json::Object fields;
  std::vector<bool> numeric(rows.columns.size(), true);
  for (size_t c = 0; c < rows.columns.size(); ++c) {
    bool any = false, whole = true;
    for (size_t r = 0; r < rows.size(); ++r) {
      const sql::Cell cell = rows.cell(r, c);
      if (cell.is_null()) continue;
      any = true;
      numeric[c] = numeric[c] && is_number(cell.text());
      whole = whole && to_int64(cell.text()).has_value();
    }
    numeric[c] = numeric[c] && any;
    const std::string_view type = !numeric[c] ? "string" : whole ? "bigInt" : "double";
    fields[rows.columns[c]] = {{"name", rows.columns[c]}, {"type", type}};
  }
  json::Array data;
  for (size_t r = 0; r < rows.size(); ++r) {
    json::Object row;
    for (size_t c = 0; c < rows.columns.size(); ++c) {
      const sql::Cell cell = rows.cell(r, c);
      json::Value& value = row[rows.columns[c]];
      if (cell.is_null()) {
        value = nullptr;
      } else if (auto whole = to_int64(cell.text()); numeric[c] && whole) {
        value = *whole;
      } else if (numeric[c]) {
        value = *to_double(cell.text());
      } else {
        value = is_valid_utf8(cell.text()) ? std::string(cell.text()) : hex_encode(cell.text());
      }
    }
    data.push_back(std::move(row));
  }
  return {{"data", std::move(data)}, {"fields", std::move(fields)}, {"sources", json::Array()}};
}

}  // namespace halcyon::schema
