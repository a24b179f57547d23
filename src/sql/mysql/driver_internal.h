// One connection to MySQL or MariaDB. Only for sql/mysql.
//
// Thread rule: calls block and belong on a pool thread, one at a time; `interrupt` is safe from any
// other thread while the connection lives.
#pragma once

#include <mysql.h>

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "sql/cell_buffer.h"
#include "sql/database.h"

namespace halcyon::sql::mysql {

struct Host {
  std::string name;
  int port = 3306;
};
// "db1,db2:3307" -> hosts, with `default_port` where none is given.
std::vector<Host> parse_hosts(const std::string& list, int default_port);

// Error number and message of the client library or the server -> the ids of sql/database.h.
Error map_error(unsigned code, const std::string& message);
// The connection is of no more use: lost, the server goes down, or it became a read-only replica.
bool ends_connection(unsigned code);
// No answer came: what was sent may have been done.
bool is_unanswered(unsigned code);
// Waiting for the server will not help: password, missing database.
bool is_permanent(unsigned code);

class Connection {
 public:
  // What connect says on failure, besides the error.
  struct Refusal {
    Error error;
    bool permanent = false;
  };
  static std::expected<std::unique_ptr<Connection>, Refusal> connect(
      const Options& options, const Host& host, std::chrono::milliseconds timeout);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<Rows> execute(const Statement& statement);
  Status command(std::string_view text);

  // Breaks what is under way; the call then answers DATABASE_TIMEOUT.
  void interrupt();
  void discard() { broken_ = true; }  // it shall not be used again
  bool interrupted() const { return interrupted_; }

  bool broken() const { return broken_ || interrupted_; }
  bool unanswered() const { return unanswered_; }  // of the last error
  // False when the server closed the connection meanwhile; costs no round trip.
  bool is_alive() const;
  bool is_mariadb() const { return is_mariadb_; }
  bool is_writable();
  unsigned long thread_id() const { return mysql_thread_id(db_); }

  int uses = 0;                                // by the pool
  runtime::Clock::time_point idle_since = {};  // by the pool

 private:
  struct Prepared {
    std::string text;
    MYSQL_STMT* statement;
  };
  using Lru = std::list<Prepared>;

  explicit Connection(MYSQL* db) : db_(db) {}
  Status set_up(const Options& options);
  Result<Rows> execute_text(const std::string& text);
  Result<Rows> execute_prepared(const Statement& statement, bool cache);
  Result<MYSQL_STMT*> prepare(const std::string& text, bool cache);
  void forget(const std::string& text);
  Result<Rows> fetch(MYSQL_STMT* statement, MYSQL_RES* metadata);
  Error error(unsigned code, const std::string& message);
  Error statement_error(MYSQL_STMT* statement);
  void name_columns(Error& error, const std::string& text);

  MYSQL* db_;
  int socket_ = -1;  // a duplicate, for interrupt()
  bool is_mariadb_ = false;
  bool broken_ = false, unanswered_ = false;
  std::atomic<bool> interrupted_{false};
  unsigned last_code_ = 0;
  Lru lru_;  // most recently used first
  std::unordered_map<std::string_view, Lru::iterator> cache_;
};

}  // namespace halcyon::sql::mysql
