#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "sql/errors.h"
#include "sql/mysql/driver_internal.h"

namespace halcyon::sql::mysql {

namespace {

constexpr size_t kCachedStatements = 200;
constexpr size_t kLongestCachedText = 16 * 1024;

// What NO_BACKSLASH_ESCAPES and ANSI_QUOTES would change is expected by the renderer
// (sql/mysql/dialect.h); the rest makes the server refuse what PostgreSQL refuses. Not
// ONLY_FULL_GROUP_BY: MySQL does not see that ISNULL(x), by which we put nulls in their place,
// depends on nothing but x when x is an expression of GROUP BY.
constexpr std::string_view kSession =
    "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,"
    "NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
    "innodb_lock_wait_timeout = 10";

// After so long without a word from us the server ends a transaction, and its locks with it: those
// of a process that is suspended, or whose machine is gone, would else stand in everybody's way. As
// long as a lease is usually: who was silent for longer may not commit anyway. MySQL has a limit
// for idle connections only; the pool closes those that it keeps before that.
constexpr int kIdleTransactionSeconds = 10;

std::string idle_limit(const Options& options, bool is_mariadb) {
  if (is_mariadb)
    return fmt::format("SET SESSION idle_transaction_timeout = {}", kIdleTransactionSeconds);
  return fmt::format("SET SESSION wait_timeout = {}",
                     std::max(kIdleTransactionSeconds, options.pool_idle_ms / 1000 + 2));
}

bool is_data_statement(std::string_view text) {
  text = trim(text);
  for (std::string_view verb : {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "REPLACE"}) {
    if (starts_with_ci(text, verb)) return true;
  }
  return false;
}

// A certificate option is a path or the PEM text itself; libmariadb wants a path. The file lives
// as long as `held`.
class PemFiles {
 public:
  ~PemFiles() {
    for (int file : held_) ::close(file);
  }
  std::string path(const std::string& value) {
    if (!value.contains("-----BEGIN")) return value;
    int file = memfd_create("pem", MFD_CLOEXEC);
    if (file < 0 || ::write(file, value.data(), value.size()) < 0) return {};
    held_.push_back(file);
    return "/proc/self/fd/" + std::to_string(file);
  }

 private:
  std::vector<int> held_;
};

bool wants_tls(const Options& options) {
  if (options.ssl_mode == "disable" || options.ssl_mode == "disabled") return false;
  return !options.ssl_mode.empty() || !options.ssl_ca.empty() || !options.ssl_cert.empty();
}

void set_tls(MYSQL* db, const Options& options, PemFiles& files) {
  my_bool enforce = 1, verify = options.ssl_reject_unauthorized ? 1 : 0;
  mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &enforce);
  mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
  auto set = [&](mysql_option option, const std::string& value) {
    if (!value.empty()) mysql_options(db, option, files.path(value).c_str());
  };
  set(MYSQL_OPT_SSL_CA, options.ssl_ca);
  set(MYSQL_OPT_SSL_CERT, options.ssl_cert);
  set(MYSQL_OPT_SSL_KEY, options.ssl_key);
}

// libmariadb keeps some state a thread.
void prepare_thread() {
  struct Guard {
    Guard() { mysql_thread_init(); }
    ~Guard() { mysql_thread_end(); }
  };
  thread_local Guard guard;
}

// The name between backticks, quotes or blanks that follows `keyword`.
std::string name_after(std::string_view text, std::string_view keyword) {
  for (size_t i = 0; i + keyword.size() < text.size(); ++i) {
    if (!starts_with_ci(text.substr(i), keyword)) continue;
    std::string_view rest = trim(text.substr(i + keyword.size()));
    if (rest.empty()) return {};
    if (rest.front() == '`') return std::string(rest.substr(1, rest.find('`', 1) - 1));
    return std::string(rest.substr(0, rest.find_first_of(" (\t\n")));
  }
  return {};
}

}  // namespace

std::expected<std::unique_ptr<Connection>, Connection::Refusal> Connection::connect(
    const Options& options, const Host& host, std::chrono::milliseconds timeout) {
  prepare_thread();
  MYSQL* db = mysql_init(nullptr);
  if (db == nullptr) {
    return std::unexpected(Refusal{database_error("DATABASE_UNAVAILABLE", "out of memory")});
  }
  std::unique_ptr<Connection> connection(new Connection(db));
  auto seconds = static_cast<unsigned>(
      std::max<int64_t>(1, std::chrono::ceil<std::chrono::seconds>(timeout).count()));
  mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  unsigned protocol = MYSQL_PROTOCOL_TCP;
  bool is_socket = host.name.starts_with('/');
  if (!is_socket) mysql_options(db, MYSQL_OPT_PROTOCOL, &protocol);
  unsigned long packet = 1UL << 30;
  mysql_options(db, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
  PemFiles files;
  if (wants_tls(options)) set_tls(db, options, files);
  if (mysql_real_connect(db, is_socket ? nullptr : host.name.c_str(), options.user.c_str(),
                         options.password.c_str(), options.database.c_str(),
                         static_cast<unsigned>(host.port), is_socket ? host.name.c_str() : nullptr,
                         CLIENT_FOUND_ROWS) == nullptr) {
    unsigned code = mysql_errno(db);
    Error error = map_error(code, mysql_error(db));
    if (is_permanent(code)) error = database_error("DATABASE_UNAVAILABLE", error.internal);
    return std::unexpected(Refusal{std::move(error), is_permanent(code)});
  }
  connection->socket_ = fcntl(static_cast<int>(mysql_get_socket(db)), F_DUPFD_CLOEXEC, 3);
  connection->is_mariadb_ = std::string_view(mysql_get_server_info(db)).contains("MariaDB");
  if (Status status = connection->set_up(options); !status) {
    return std::unexpected(Refusal{std::move(status).error()});
  }
  return connection;
}

Status Connection::set_up(const Options& options) {
  TRY_STATUS(command(kSession));
  TRY_STATUS(command(idle_limit(options, is_mariadb_)));
  return command("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
}

Connection::~Connection() {
  for (Prepared& prepared : lru_) mysql_stmt_close(prepared.statement);
  mysql_close(db_);
  if (socket_ >= 0) ::close(socket_);
}

void Connection::interrupt() {
  interrupted_ = true;
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

bool Connection::is_alive() const {
  // Between statements the server says nothing, except when it closes the connection.
  pollfd wait{socket_, POLLIN | POLLRDHUP, 0};
  return socket_ >= 0 && ::poll(&wait, 1, 0) == 0;
}

bool Connection::is_writable() {
  Result<Rows> rows = execute_text("SELECT @@global.read_only");
  return rows && !rows->empty() && rows->cell(0, 0).text() == "0";
}

Error Connection::error(unsigned code, const std::string& message) {
  last_code_ = code;
  unanswered_ = is_unanswered(code);
  if (ends_connection(code)) broken_ = true;
  if (interrupted_) return database_error("DATABASE_TIMEOUT", "interrupted: " + message);
  return map_error(code, message);
}

Error Connection::statement_error(MYSQL_STMT* statement) {
  // An error while rows are fetched (INSERT ... RETURNING) is kept by the connection only.
  if (mysql_stmt_errno(statement) == 0) return error(mysql_errno(db_), ::mysql_error(db_));
  return error(mysql_stmt_errno(statement), mysql_stmt_error(statement));
}

Status Connection::command(std::string_view text) {
  prepare_thread();
  if (mysql_real_query(db_, text.data(), text.size()) != 0) {
    return fail(error(mysql_errno(db_), ::mysql_error(db_)));
  }
  if (MYSQL_RES* result = mysql_store_result(db_)) mysql_free_result(result);
  return {};
}

Result<Rows> Connection::execute(const Statement& statement) {
  prepare_thread();
  unanswered_ = false;
  bool data = is_data_statement(statement.text);
  if (!data && statement.params.empty()) return execute_text(statement.text);
  bool cache = data && statement.text.size() <= kLongestCachedText;
  Result<Rows> rows = execute_prepared(statement, cache);
  constexpr unsigned kNeedReprepare = 1615, kStatementClosed = 2056, kNoSuchStatement = 1243;
  if (!rows && (last_code_ == kNeedReprepare || last_code_ == kStatementClosed ||
                last_code_ == kNoSuchStatement)) {
    forget(statement.text);
    rows = execute_prepared(statement, cache);
  }
  if (!rows && rows.error().id == "UNIQUE_VIOLATION") name_columns(rows.error(), statement.text);
  return rows;
}

Result<Rows> Connection::execute_text(const std::string& text) {
  if (mysql_real_query(db_, text.data(), text.size()) != 0) {
    return fail(error(mysql_errno(db_), ::mysql_error(db_)));
  }
  std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> result(mysql_store_result(db_),
                                                          mysql_free_result);
  if (!result) {
    if (mysql_field_count(db_) != 0) return fail(error(mysql_errno(db_), ::mysql_error(db_)));
    Rows rows;
    rows.affected = static_cast<int64_t>(mysql_affected_rows(db_));
    rows.last_insert_id = static_cast<int64_t>(mysql_insert_id(db_));
    return rows;
  }
  unsigned columns = mysql_num_fields(result.get());
  std::vector<std::string> names;
  for (unsigned i = 0; i < columns; ++i) {
    names.emplace_back(mysql_fetch_field_direct(result.get(), i)->name);
  }
  CellBuffer cells;
  while (MYSQL_ROW row = mysql_fetch_row(result.get())) {
    const unsigned long* lengths = mysql_fetch_lengths(result.get());
    for (unsigned i = 0; i < columns; ++i) {
      if (row[i] == nullptr) {
        cells.add_null();
      } else {
        cells.add({row[i], lengths[i]});
      }
    }
  }
  return std::move(cells).rows(std::move(names));
}

Result<MYSQL_STMT*> Connection::prepare(const std::string& text, bool cache) {
  if (auto found = cache_.find(text); found != cache_.end()) {
    lru_.splice(lru_.begin(), lru_, found->second);
    return found->second->statement;
  }
  MYSQL_STMT* statement = mysql_stmt_init(db_);
  if (statement == nullptr) return fail(database_error("DATABASE_ERROR", "out of memory"));
  if (mysql_stmt_prepare(statement, text.data(), text.size()) != 0) {
    Error problem = statement_error(statement);
    unanswered_ = false;  // nothing was run
    mysql_stmt_close(statement);
    return fail(std::move(problem));
  }
  if (cache) {
    lru_.push_front(Prepared{text, statement});
    cache_.emplace(lru_.front().text, lru_.begin());
    if (lru_.size() > kCachedStatements) forget(std::string(lru_.back().text));
  }
  return statement;
}

void Connection::forget(const std::string& text) {
  auto found = cache_.find(text);
  if (found == cache_.end()) return;
  auto entry = found->second;
  cache_.erase(found);
  mysql_stmt_close(entry->statement);
  lru_.erase(entry);
}

// The columns behind a unique key, which the server names but does not describe.
void Connection::name_columns(Error& problem, const std::string& text) {
  const std::string& message = problem.internal;
  size_t start = message.rfind("for key '");
  if (start == std::string::npos || broken()) return;
  start += 9;
  std::string key = message.substr(start, message.find('\'', start) - start);
  if (size_t dot = key.rfind('.'); dot != std::string::npos) key.erase(0, dot + 1);
  std::string table = name_after(text, "INTO ");
  if (table.empty()) table = name_after(text, "UPDATE ");
  if (table.empty()) return;
  auto quoted = [this](const std::string& name) {
    std::string out(name.size() * 2 + 1, '\0');
    out.resize(mysql_real_escape_string(db_, out.data(), name.data(), name.size()));
    return "'" + out + "'";
  };
  Result<Rows> rows = execute_text(
      "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND "
      "table_name = " +
      quoted(table) + " AND index_name = " + quoted(key) + " ORDER BY seq_in_index");
  if (!rows) return;
  std::vector<std::string> names;
  for (const Cell& cell : rows->cells) names.emplace_back(cell.text());
  problem.field = join(names, ",");
  problem.internal += "; key " + key;
}

}  // namespace halcyon::sql::mysql
