#include <algorithm>
#include <array>
#include <cctype>
#include <random>
#include <thread>

#include "base/text.h"
#include "sql/cell_buffer.h"
#include "sql/errors.h"
#include "sql/sqlite/driver_internal.h"
#include "sql/text_util.h"

namespace halcyon::sql::sqlite {

namespace {

constexpr size_t kCachedStatements = 256;
constexpr size_t kLongestCachedText = 16 * 1024;
constexpr std::string_view kZoneSuffix = " +00:00";

bool has_prefix(std::string_view text, std::string_view prefix) { return text.starts_with(prefix); }

// "t.a, t.b" -> "a,b"
std::string column_list(std::string_view list) {
  std::vector<std::string> names;
  for (std::string_view part : split(list, ',')) {
    part = trim(part);
    size_t dot = part.rfind('.');
    names.emplace_back(dot == std::string_view::npos ? part : part.substr(dot + 1));
  }
  return join(names, ",");
}

Error constraint_error(int code, const std::string& message) {
  constexpr std::string_view kUnique = "UNIQUE constraint failed: ";
  constexpr std::string_view kNotNull = "NOT NULL constraint failed: ";
  std::string_view text = message;
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID: {
      std::string field;
      if (has_prefix(text, kUnique)) {
        text.remove_prefix(kUnique.size());
        if (!has_prefix(text, "index ")) field = column_list(text);
      }
      return database_error("UNIQUE_VIOLATION", message, field);
    }
    case SQLITE_CONSTRAINT_NOTNULL:
      return database_error(
          "NOT_NULL_VIOLATION", message,
          has_prefix(text, kNotNull) ? column_list(text.substr(kNotNull.size())) : "");
    case SQLITE_CONSTRAINT_DATATYPE:
      return database_error("INVALID_VALUE", message);
    default:
      return database_error("CHECK_VIOLATION", message);
  }
}

bool mentions(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

Error generic_error(const std::string& message) {
  for (std::string_view part : {"no such table", "no such column", "has no column named",
                                "no such index", "no such view"}) {
    if (mentions(message, part)) return database_error("UNKNOWN_TABLE_OR_COLUMN", message);
  }
  for (std::string_view part : {"syntax error", "incomplete input", "unrecognized token"}) {
    if (mentions(message, part)) return database_error("SQL_SYNTAX", message);
  }
  if (mentions(message, "integer overflow")) return database_error("VALUE_OUT_OF_RANGE", message);
  for (std::string_view part : {"malformed JSON", "regular expression", "JSON path"}) {
    if (mentions(message, part)) return database_error("INVALID_VALUE", message);
  }
  return database_error("DATABASE_ERROR", message);
}

// The form in which timestamptz is stored (sql/sqlite/dialect.h).
std::string stored_timestamp(const std::string& text, bool with_zone) {
  if (with_zone && text.size() == 30 && text.ends_with(kZoneSuffix)) return text;
  std::string stored = utc_timestamp(text);
  if (with_zone && stored.size() == 23) stored += kZoneSuffix;
  return stored;
}

bool is_stored_timestamp(std::string_view text) {
  return text.size() == 30 && text.ends_with(kZoneSuffix) && text[4] == '-' && text[10] == ' ' &&
         text[13] == ':' && text[19] == '.';
}

// Whether cells of this column lose the zone suffix: declared as a date with time, or the result
// of an expression. A text column may hold any text.
bool may_be_timestamp(sqlite3_stmt* statement, int column) {
  const char* declared = sqlite3_column_decltype(statement, column);
  if (declared == nullptr) return true;
  std::string type = to_lower(declared);
  return mentions(type, "datetime") || mentions(type, "timestamp");
}

bool is_data_statement(std::string_view text) {
  text = trim(text);
  for (std::string_view verb : {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "REPLACE"}) {
    if (starts_with_ci(text, verb)) return true;
  }
  return false;
}

}  // namespace

Error sqlite_error(int extended_code, const std::string& message) {
  std::string text = message + " (SQLite " + std::to_string(extended_code) + ")";
  switch (extended_code & 0xff) {
    case SQLITE_CONSTRAINT:
      return constraint_error(extended_code, message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
      return database_error("DATABASE_TIMEOUT", text);
    case SQLITE_TOOBIG:
      return database_error("VALUE_OUT_OF_RANGE", text);
    case SQLITE_MISMATCH:
      return database_error("INVALID_VALUE", text);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_FULL:
      return database_error("DATABASE_UNAVAILABLE", text);
    case SQLITE_ERROR:
      return generic_error(message);
    default:
      return database_error("DATABASE_ERROR", text);
  }
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, bool read_only,
                                                     Limits limits) {
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (db == nullptr) return fail(database_error("DATABASE_UNAVAILABLE", "out of memory"));
  std::unique_ptr<Connection> connection(new Connection(db));
  sqlite3_extended_result_codes(db, 1);
  if (code != SQLITE_OK) return fail(connection->error(sqlite3_extended_errcode(db)));
  sqlite3_busy_handler(db, &Connection::busy, connection.get());
  sqlite3_progress_handler(db, 2000, &Connection::progress, connection.get());
  TRY_STATUS(connection->set_up(read_only, limits));
  return connection;
}

Status Connection::set_up(bool read_only, Limits limits) {
  TRY_STATUS(register_functions(db_));
  // Changing to WAL takes an exclusive lock for which SQLite does not call the busy handler.
  for (;;) {
    Status status = command("PRAGMA journal_mode = WAL", limits);
    if (status) break;
    if (status.error().id != "DATABASE_TIMEOUT" || limits.passed()) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (const char* text :
       {"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = OFF", "PRAGMA case_sensitive_like = ON",
        "PRAGMA journal_size_limit = 67108864", "PRAGMA cache_size = -8000"}) {
    TRY_STATUS(command(text, limits));
  }
  if (read_only) TRY_STATUS(command("PRAGMA query_only = ON", limits));
  return {};
}

Connection::~Connection() {
  for (Prepared& prepared : lru_) sqlite3_finalize(prepared.statement);
  sqlite3_close_v2(db_);
}

int Connection::busy(void* self, int count) {
  auto* connection = static_cast<Connection*>(self);
  if (connection->limits_.passed()) return 0;
  // Another process writes. Short random pauses, so that two busy processes take turns.
  thread_local std::minstd_rand random(std::random_device{}());
  int longest = std::min(200 * (count + 1), 8000);
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::uniform_int_distribution(50, longest)(random)));
  return 1;
}

int Connection::progress(void* self) {
  return static_cast<Connection*>(self)->limits_.passed() ? 1 : 0;
}

Error Connection::error(int code) const { return sqlite_error(code, sqlite3_errmsg(db_)); }

Status Connection::command(const char* sql, Limits limits) {
  limits_ = limits;
  int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error(sqlite3_extended_errcode(db_)));
  return {};
}

void Connection::evict() {
  while (lru_.size() > kCachedStatements) {
    cache_.erase(lru_.back().text);
    sqlite3_finalize(lru_.back().statement);
    lru_.pop_back();
  }
}

Result<sqlite3_stmt*> Connection::prepare(const std::string& text, bool& cached, bool& has_more) {
  has_more = false;
  if (auto found = cache_.find(text); found != cache_.end()) {
    cached = true;
    lru_.splice(lru_.begin(), lru_, found->second);
    return found->second->statement;
  }
  cached = text.size() <= kLongestCachedText && is_data_statement(text);
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  int code = sqlite3_prepare_v3(db_, text.data(), static_cast<int>(text.size()),
                                cached ? SQLITE_PREPARE_PERSISTENT : 0, &statement, &tail);
  if (code != SQLITE_OK) return fail(error(sqlite3_extended_errcode(db_)));
  if (statement == nullptr) return fail(database_error("SQL_SYNTAX", "empty statement"));
  std::string_view rest = trim(std::string_view(tail, text.data() + text.size()));
  has_more = !rest.empty() && rest.find_first_not_of("; \t\r\n") != std::string_view::npos;
  cached = cached && !has_more;
  if (cached) {
    lru_.push_front(Prepared{text, statement});
    cache_.emplace(lru_.front().text, lru_.begin());
    evict();
  }
  return statement;
}

Status Connection::bind(sqlite3_stmt* statement, const std::vector<Value>& params) {
  if (static_cast<size_t>(sqlite3_bind_parameter_count(statement)) != params.size()) {
    return fail(database_error("DATABASE_ERROR", "wrong number of parameters"));
  }
  for (size_t i = 0; i < params.size(); ++i) {
    const Value& value = params[i];
    int index = static_cast<int>(i) + 1, code = SQLITE_OK;
    if (value.is_null()) {
      code = sqlite3_bind_null(statement, index);
    } else if (const auto* flag = std::get_if<bool>(&value.data)) {
      code = sqlite3_bind_int(statement, index, *flag ? 1 : 0);
    } else if (const auto* integer = std::get_if<int64_t>(&value.data)) {
      code = sqlite3_bind_int64(statement, index, *integer);
    } else if (const auto* real = std::get_if<double>(&value.data)) {
      code = sqlite3_bind_double(statement, index, *real);
    } else {
      const auto& text = std::get<std::string>(value.data);
      if (value.type == Type::kBytes) {
        code = sqlite3_bind_blob64(statement, index, text.data(), text.size(), SQLITE_STATIC);
      } else if (value.type == Type::kTimestampTz || value.type == Type::kTimestamp) {
        std::string stored = stored_timestamp(text, value.type == Type::kTimestampTz);
        code = sqlite3_bind_text64(statement, index, stored.data(), stored.size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
      } else {
        code = sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_STATIC,
                                   SQLITE_UTF8);
      }
    }
    if (code != SQLITE_OK) return fail(error(code));
  }
  return {};
}

namespace {

void add_cell(CellBuffer& cells, sqlite3_stmt* statement, int column, bool timestamp) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return cells.add_null();
    case SQLITE_INTEGER:
      return cells.add_int(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return cells.add_double(sqlite3_column_double(statement, column));
    default: {
      // Also right for text: it is stored as UTF-8.
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, column));
      std::string_view text(data == nullptr ? "" : data,
                            static_cast<size_t>(sqlite3_column_bytes(statement, column)));
      if (timestamp && is_stored_timestamp(text)) text.remove_suffix(kZoneSuffix.size());
      return cells.add(text);
    }
  }
}

}  // namespace

Result<Rows> Connection::step_all(sqlite3_stmt* statement) {
  CellBuffer cells;
  std::vector<std::string> names;
  std::vector<bool> timestamps;
  int64_t before = sqlite3_total_changes64(db_);
  int code = sqlite3_step(statement);
  // Only now: the first step may have prepared the statement again for a changed table.
  int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; ++i) {
    names.emplace_back(sqlite3_column_name(statement, i));
    timestamps.push_back(may_be_timestamp(statement, i));
  }
  for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
    for (int i = 0; i < columns; ++i) {
      add_cell(cells, statement, i, timestamps[static_cast<size_t>(i)]);
    }
  }
  if (code != SQLITE_DONE) return fail(error(sqlite3_extended_errcode(db_)));
  Rows rows = std::move(cells).rows(std::move(names));
  if (sqlite3_total_changes64(db_) != before) {
    rows.affected = sqlite3_changes64(db_);
    rows.last_insert_id = sqlite3_last_insert_rowid(db_);
  }
  return rows;
}

Result<Rows> Connection::execute(const Statement& statement, Limits limits) {
  limits_ = limits;
  if (limits.passed()) return fail(database_error("DATABASE_TIMEOUT", "the deadline has passed"));
  bool cached = false, has_more = false;
  TRY(sqlite3_stmt * prepared, prepare(statement.text, cached, has_more));
  if (has_more) {
    sqlite3_finalize(prepared);
    if (!statement.params.empty()) {
      return fail(database_error("SQL_SYNTAX", "several statements cannot have parameters"));
    }
    TRY_STATUS(command(statement.text.c_str(), limits));
    return Rows{};
  }
  Status bound = bind(prepared, statement.params);
  Result<Rows> rows = bound ? step_all(prepared) : Result<Rows>(fail(bound.error()));
  if (cached) {
    sqlite3_reset(prepared);
    sqlite3_clear_bindings(prepared);
  } else {
    sqlite3_finalize(prepared);
  }
  return rows;
}

}  // namespace halcyon::sql::sqlite
