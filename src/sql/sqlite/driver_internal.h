// One connection to a SQLite file, and the functions registered on it. Only for sql/sqlite.
//
// Thread rule: one thread at a time; calls block.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "runtime/context.h"
#include "sql/dialect.h"
#include "sql/value.h"

namespace halcyon::sql::sqlite {

// Until when the statement at hand may wait for locks and run.
struct Limits {
  runtime::Clock::time_point deadline;
  const std::atomic<bool>* cancelled = nullptr;
  Limits() = default;
  explicit Limits(runtime::Clock::time_point d) : deadline(d) {}
  explicit Limits(const Context& ctx) : deadline(ctx.deadline), cancelled(&ctx.cancelled) {}
  bool passed() const {
    return (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) ||
           runtime::Clock::now() >= deadline;
  }
};

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, bool read_only,
                                                  Limits limits);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<Rows> execute(const Statement& statement, Limits limits);
  Status command(const char* sql, Limits limits);  // BEGIN, COMMIT, PRAGMA
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

 private:
  struct Prepared {
    std::string text;
    sqlite3_stmt* statement;
  };
  using Lru = std::list<Prepared>;

  explicit Connection(sqlite3* db) : db_(db) {}
  Status set_up(bool read_only, Limits limits);
  Result<sqlite3_stmt*> prepare(const std::string& text, bool& cached, bool& has_more);
  Status bind(sqlite3_stmt* statement, const std::vector<Value>& params);
  Result<Rows> step_all(sqlite3_stmt* statement);
  Error error(int code) const;
  void evict();
  static int busy(void* self, int count);
  static int progress(void* self);

  sqlite3* db_;
  Limits limits_;
  Lru lru_;  // most recently used first
  std::unordered_map<std::string_view, Lru::iterator> cache_;
};

// halcyon_fold, halcyon_lower, halcyon_upper, halcyon_regexp, HALCYON_DECIMAL.
Status register_functions(sqlite3* db);

// Maps an extended result code and message to the ids of sql/database.h.
Error sqlite_error(int extended_code, const std::string& message);

}  // namespace halcyon::sql::sqlite
