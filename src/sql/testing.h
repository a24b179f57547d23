// Databases for tests: a fresh one for each test, on every dialect, dropped at the end.
//
// SQLite needs nothing. PostgreSQL and MariaDB (and MySQL) are used when TEST_POSTGRES_HOST, _PORT,
// _USER, _PASSWORD, or the same of TEST_MARIADB_ (TEST_MYSQL_) are set; script/test-databases
// starts servers and sets them. A dialect without a server is skipped visibly, or fails the test
// when TEST_REQUIRE_ALL=1. Link halcyon_sql_testing.
//
//   class NotesTest : public sql::testing::DatabaseTest {};
//   TEST_P(NotesTest, Keeps) {
//     Rows rows = must(run("SELECT ? AS a", {Value(5)}));
//     Result<int64_t> id = await(save_note(db(), ctx()));
//   }
//   HALCYON_INSTANTIATE_DIALECTS(NotesTest);
//
// Thread rule: used by the test's own thread; `await` runs the task on an io thread.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io.h"
#include "sql/database.h"

namespace halcyon::sql::testing {

// SQLite, PostgreSQL and MariaDB, and MySQL when it is configured.
std::vector<DialectKind> dialects();
std::string dialect_name(DialectKind kind);
bool is_available(DialectKind kind);
bool all_required();  // TEST_REQUIRE_ALL=1

// One fresh database and the io threads its users run on.
class TestDatabase {
 public:
  using Adjust = std::function<void(Options&)>;

  static Result<std::unique_ptr<TestDatabase>> create(DialectKind kind, const Adjust& adjust = {},
                                                      size_t io_threads = 2);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  Database& db() { return *db_; }
  runtime::IoPool& io() { return io_; }
  const Options& options() const { return options_; }

  // A further Database on the same data, as another replica has it. Destroy it before this one.
  std::unique_ptr<Database> open_another(const Adjust& adjust = {});
  // Runs a statement outside of the Database, as the server's administrator (not on SQLite).
  Status administer(const std::string& sql);
  // Breaks every connection to this database from the server's side and waits until they are gone
  // (not on SQLite).
  Status disconnect_all();

  template <class T>
  T await(Task<T> task, size_t io_thread = 0) {
    return runtime::run(io_.thread(io_thread), std::move(task));
  }

 private:
  TestDatabase(Options options, size_t io_threads);

  Options options_;
  std::filesystem::path folder_;  // SQLite
  runtime::IoPool io_;
  std::unique_ptr<Database> db_;
};

// A statement from text with `?` for parameters on every dialect. Anything but SELECT and WITH is a
// write.
Statement statement(const Dialect& dialect, std::string_view text, std::vector<Value> params = {});

// Base of test suites that run on every dialect.
class DatabaseTest : public ::testing::TestWithParam<DialectKind> {
 protected:
  void SetUp() override;
  void TearDown() override { database_.reset(); }

  // Called before the database is opened.
  virtual void adjust(Options&) {}

  TestDatabase& database() { return *database_; }
  Database& db() { return database_->db(); }
  const Dialect& dialect() { return db().dialect(); }
  const Context& ctx() { return *ctx_; }
  bool on(DialectKind kind) const { return GetParam() == kind; }
  bool on_mysql() const { return on(DialectKind::kMysql) || on(DialectKind::kMariadb); }

  template <class T>
  T await(Task<T> task) {
    return database_->await(std::move(task));
  }
  Result<Rows> run(std::string_view text, std::vector<Value> params = {}) {
    return await(db().run(ctx(), statement(dialect(), text, std::move(params))));
  }
  Rows must(std::string_view text, std::vector<Value> params = {});

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<Context> ctx_;
};

std::string parameter_name(const ::testing::TestParamInfo<DialectKind>& info);

}  // namespace halcyon::sql::testing

#define HALCYON_INSTANTIATE_DIALECTS(Suite)                                          \
  INSTANTIATE_TEST_SUITE_P(Dialects, Suite,                                          \
                           ::testing::ValuesIn(::halcyon::sql::testing::dialects()), \
                           ::halcyon::sql::testing::parameter_name)
