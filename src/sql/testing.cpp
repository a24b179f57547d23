#include "sql/testing.h"

#include <libpq-fe.h>
#include <mysql.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <thread>

#include "base/text.h"

namespace halcyon::sql::testing {

namespace {

std::string prefix(DialectKind kind) {
  switch (kind) {
    case DialectKind::kPostgres:
      return "TEST_POSTGRES_";
    case DialectKind::kMysql:
      return "TEST_MYSQL_";
    case DialectKind::kMariadb:
      return "TEST_MARIADB_";
    case DialectKind::kSqlite:
      break;
  }
  return "TEST_SQLITE_";
}

std::string variable(DialectKind kind, const char* name, const char* otherwise = "") {
  const char* value = std::getenv((prefix(kind) + name).c_str());
  return value != nullptr ? value : otherwise;
}

std::string fresh_name() {
  static std::atomic<int> counter{0};
  std::random_device random;
  return "halcyon_test_" + std::to_string(getpid()) + "_" + std::to_string(++counter) + "_" +
         std::to_string(random() % 100000);
}

Error setup_error(std::string text) {
  return Error(Code::kInternal, "TEST_DATABASE", std::move(text));
}

Status run_postgres(const Options& options, const std::string& sql) {
  std::string port = std::to_string(options.port);
  const char* keys[] = {"host", "port", "user", "password", "dbname", nullptr};
  std::string dbname = variable(DialectKind::kPostgres, "DATABASE", "postgres");
  const char* values[] = {options.host.c_str(),     port.c_str(),   options.user.c_str(),
                          options.password.c_str(), dbname.c_str(), nullptr};
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdbParams(keys, values, 0),
                                                        PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return fail(setup_error(PQerrorMessage(connection.get())));
  }
  std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection.get(), sql.c_str()),
                                                        PQclear);
  auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return fail(setup_error(PQerrorMessage(connection.get())));
  }
  return {};
}

// Calls `use` with a connection to the server.
Status with_mysql(const Options& options, const std::function<bool(MYSQL*)>& use) {
  std::unique_ptr<MYSQL, void (*)(MYSQL*)> connection(mysql_init(nullptr), mysql_close);
  if (mysql_real_connect(connection.get(), options.host.c_str(), options.user.c_str(),
                         options.password.c_str(), nullptr, static_cast<unsigned>(options.port),
                         nullptr, 0) == nullptr ||
      !use(connection.get())) {
    return fail(setup_error(mysql_error(connection.get())));
  }
  return {};
}

Status run_mysql(const Options& options, const std::string& sql) {
  return with_mysql(options, [&](MYSQL* connection) {
    if (mysql_query(connection, sql.c_str()) != 0) return false;
    mysql_free_result(mysql_store_result(connection));
    return true;
  });
}

// Ids of the connections to `database`, other than this one.
std::vector<std::string> mysql_connections(MYSQL* connection, const std::string& database) {
  std::string sql = "SELECT id FROM information_schema.processlist WHERE db = '" + database + "'";
  std::vector<std::string> ids;
  if (mysql_query(connection, sql.c_str()) != 0) return ids;
  MYSQL_RES* result = mysql_store_result(connection);
  while (MYSQL_ROW row = mysql_fetch_row(result)) ids.emplace_back(row[0]);
  mysql_free_result(result);
  return ids;
}

Status kill_mysql_connections(const Options& options) {
  return with_mysql(options, [&](MYSQL* connection) {
    auto killed = mysql_connections(connection, options.database);
    // One that is gone already is as good as killed.
    for (const std::string& id : killed) mysql_query(connection, ("KILL " + id).c_str());
    auto is_there = [&](const std::string& id) {
      return std::ranges::find(killed, id) != killed.end();
    };
    while (std::ranges::any_of(mysql_connections(connection, options.database), is_there)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  });
}

Options server_options(DialectKind kind) {
  Options options;
  options.dialect = kind;
  options.host = variable(kind, "HOST");
  options.port = static_cast<int>(to_int64(variable(kind, "PORT", "0")).value_or(0));
  options.user = variable(kind, "USER");
  options.password = variable(kind, "PASSWORD");
  options.failover_wait_ms = 10'000;
  return options;
}

}  // namespace

std::vector<DialectKind> dialects() {
  std::vector kinds{DialectKind::kSqlite, DialectKind::kPostgres, DialectKind::kMariadb};
  if (is_available(DialectKind::kMysql)) kinds.push_back(DialectKind::kMysql);
  return kinds;
}

std::string dialect_name(DialectKind kind) {
  switch (kind) {
    case DialectKind::kPostgres:
      return "postgres";
    case DialectKind::kMysql:
      return "mysql";
    case DialectKind::kMariadb:
      return "mariadb";
    case DialectKind::kSqlite:
      break;
  }
  return "sqlite";
}

bool is_available(DialectKind kind) {
  return kind == DialectKind::kSqlite || !variable(kind, "HOST").empty();
}

bool all_required() {
  const char* value = std::getenv("TEST_REQUIRE_ALL");
  return value != nullptr && std::string_view(value) == "1";
}

TestDatabase::TestDatabase(Options options, size_t io_threads)
    : options_(std::move(options)), io_(io_threads) {}

Result<std::unique_ptr<TestDatabase>> TestDatabase::create(DialectKind kind, const Adjust& adjust,
                                                           size_t io_threads) {
  if (!is_available(kind)) {
    return fail(setup_error(prefix(kind) + "HOST is not set; use script/test-databases"));
  }
  Options options = server_options(kind);
  std::unique_ptr<TestDatabase> test(new TestDatabase(options, io_threads));
  if (kind == DialectKind::kSqlite) {
    std::string path = (std::filesystem::temp_directory_path() / "halcyon-test-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) return fail(setup_error("mkdtemp failed"));
    test->folder_ = path;
    test->options_.storage = (test->folder_ / "test.sqlite").string();
  } else {
    std::string name = fresh_name();
    TRY_STATUS(test->administer("CREATE DATABASE " + name));
    test->options_.database = name;
  }
  if (adjust) adjust(test->options_);
  TRY(test->db_, test->await(open(test->options_, test->io_)));
  return test;
}

TestDatabase::~TestDatabase() {
  if (db_) await(db_->close());
  db_.reset();
  if (!folder_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  } else if (!options_.database.empty()) {
    bool postgres = options_.dialect == DialectKind::kPostgres;
    Status dropped =
        administer("DROP DATABASE " + options_.database + (postgres ? " WITH (FORCE)" : ""));
    if (!dropped) std::fprintf(stderr, "%s\n", dropped.error().message.c_str());
  }
}

std::unique_ptr<Database> TestDatabase::open_another(const Adjust& adjust) {
  Options options = options_;
  if (adjust) adjust(options);
  auto opened = await(open(options, io_));
  if (!opened) {
    ADD_FAILURE() << opened.error().message << " " << opened.error().internal;
    return nullptr;
  }
  return std::move(*opened);
}

Status TestDatabase::administer(const std::string& sql) {
  if (options_.dialect == DialectKind::kSqlite) return fail(setup_error("SQLite has no server"));
  if (options_.dialect == DialectKind::kPostgres) return run_postgres(options_, sql);
  return run_mysql(options_, sql);
}

Status TestDatabase::disconnect_all() {
  if (options_.dialect == DialectKind::kPostgres) {
    return administer(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" +
        options_.database + "'");
  }
  return kill_mysql_connections(options_);
}

Statement statement(const Dialect& dialect, std::string_view text, std::vector<Value> params) {
  Statement result;
  bool postgres = dialect.kind() == DialectKind::kPostgres;
  int count = 0;
  bool quoted = false;
  for (char c : text) {
    if (c == '\'') quoted = !quoted;
    if (c == '?' && postgres && !quoted) {
      result.text += "$" + std::to_string(++count);
    } else {
      result.text += c;
    }
  }
  result.params = std::move(params);
  std::string_view trimmed = trim(text);
  result.is_write = !starts_with_ci(trimmed, "SELECT") && !starts_with_ci(trimmed, "WITH");
  return result;
}

// Of one test, on a machine that does other things as well.
constexpr std::chrono::minutes kTestTime{5};

void DatabaseTest::SetUp() {
  ctx_ = std::make_unique<Context>();
  ctx_->deadline = runtime::Clock::now() + kTestTime;
  if (!is_available(GetParam())) {
    if (all_required()) FAIL() << "no server for " << dialect_name(GetParam());
    GTEST_SKIP() << "no server for " << dialect_name(GetParam()) << "; see script/test-databases";
  }
  auto created = TestDatabase::create(GetParam(), [this](Options& options) { adjust(options); });
  if (!created) FAIL() << created.error().message << " " << created.error().internal;
  database_ = std::move(*created);
}

Rows DatabaseTest::must(std::string_view text, std::vector<Value> params) {
  Result<Rows> rows = run(text, std::move(params));
  if (rows) return std::move(*rows);
  throw std::runtime_error(std::string(text) + ": " + rows.error().id + " " +
                           rows.error().internal);
}

std::string parameter_name(const ::testing::TestParamInfo<DialectKind>& info) {
  return dialect_name(info.param);
}

}  // namespace halcyon::sql::testing
