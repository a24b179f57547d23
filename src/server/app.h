// The composition root: makes every part from the configuration, in order, and takes them down
// again.
//
//   TRY(auto app, App::open(config, Purpose::kServe));   // database, model, accounts: migrated
//   TRY_STATUS(app->listen());
//   app->drain_and_stop();
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "sql/migrations.h"

namespace halcyon::server {

extern const std::string kVersion;

// Whether a write leaves its key behind in its own transaction, which makes it happen exactly once:
// always, but in the program that the cost of that is measured with (bench/unkeyed), which has its
// own definition of this function.
bool writes_keep_keys();

enum class Purpose {
  kServe,    // a member of the cluster that works on requests and jobs
  kCommand,  // one command on the database, beside the servers
};

// What a supervisor or service manager gives to this process.
struct Inherited {
  int listener = -1;           // a listening socket instead of APP_HOST and APP_PORT
  bool private_admin = false;  // the admin port is for the supervisor alone
};

class App {
 public:
  // Opens the database and brings its tables up to this version; to serve, also the admin port,
  // before all else. From a plain thread (main).
  static Result<std::unique_ptr<App>> open(const Config& config, Purpose purpose,
                                           Inherited inherited = {});
  // What is applied and what is pending; changes nothing.
  static Result<std::vector<sql::MigrationInfo>> migration_status(const Config& config);
  ~App();

  Status listen();         // takes up the work that WORKER_MODE gives it
  int port() const;        // 0: it serves no HTTP
  int admin_port() const;  // 0: off
  // SIGTERM: unready at once, serves on for SHUTDOWN_DELAY, lets requests in flight finish.
  void drain_and_stop();
  void hurry();  // ends the waiting of drain_and_stop; from any thread
  Status create_or_reset_admin(const std::string& username, const std::string& email,
                               const std::string& password);

 private:
  struct Impl;
  explicit App(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::server
