// How a connection to PostgreSQL is made: hosts, TLS, session settings. Only for sql/postgres.
//
// Name resolution, TLS and SCRAM take CPU or block, so `connect` belongs on a blocking thread; what
// it returns is in non-blocking mode and ready for use.
// Thread rule: `connect` is safe from several threads at once.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/context.h"
#include "sql/database.h"

namespace halcyon::sql::postgres {

struct CloseConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using ConnectionPtr = std::unique_ptr<PGconn, CloseConnection>;
struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

struct Host {
  std::string name;
  int port = 5432;
};
// "db1,db2:5433" -> hosts, with `default_port` where none is given.
std::vector<Host> parse_hosts(const std::string& list, int default_port);

enum class Purpose { kLane, kPool, kListen };

class Connector {
 public:
  struct Refusal {
    Error error;
    bool permanent = false;  // waiting will not help: password, missing database, certificate
  };

  static Result<std::shared_ptr<Connector>> create(const Options& options);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // A connection to the first server that takes writes, beginning with the one that was good last.
  std::expected<ConnectionPtr, Refusal> connect(Purpose purpose, std::chrono::milliseconds timeout);
  const Options& options() const { return options_; }
  int64_t failovers() const { return failovers_; }

  // Ends every connect under way, soon, and refuses later ones: for close().
  void stop();

 private:
  using Time = runtime::Clock::time_point;
  struct Parameter {
    const char* key;
    std::string value;
  };

  explicit Connector(const Options& options);
  Status prepare_tls();
  Result<std::string> readable_file(const std::string& value_or_path);
  std::expected<ConnectionPtr, Refusal> connect_host(const Host& host, Purpose purpose, Time until);
  std::expected<ConnectionPtr, Refusal> connect_address(const Host& host,
                                                        const std::string& address, Purpose purpose,
                                                        Time until);
  std::string session_settings(Purpose purpose) const;

  const Options options_;
  const std::vector<Host> hosts_;
  std::vector<Parameter> tls_;
  std::vector<int> files_;  // descriptors of certificates given by value
  const int stopping_;      // descriptor, readable from stop() on

  std::mutex mutex_;
  size_t good_ = 0;  // the host that answered last
  bool connected_once_ = false;
  std::atomic<int64_t> failovers_{0};
  std::vector<Time> silent_until_;  // hosts that let us wait in vain are left alone for a while
  Refusal last_;
};

// Runs `sql` on a connection that is not in pipeline mode, waiting until `until` or until the
// descriptor `stopping` (-1: none) is readable. Blocks.
Status execute_blocking(PGconn* connection, const std::string& sql,
                        runtime::Clock::time_point until, int stopping = -1);

}  // namespace halcyon::sql::postgres
