// What the parts are told, read from the configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "access/access.h"
#include "api/services.h"
#include "base/config.h"
#include "base/result.h"
#include "cluster/cluster.h"
#include "net/server.h"
#include "schema/settings.h"
#include "server/http_root.h"
#include "sql/database.h"

namespace halcyon::server {

sql::Options database_options(const Config& config);
sql::ReplicaOptions replica_options(const Config& config);
schema::Settings schema_settings(const Config& config);
access::Settings access_settings(const Config& config, std::string jwt_secret);
api::Settings api_settings(const Config& config);
net::ServerOptions http_options(const Config& config);
net::ServerOptions admin_options(const Config& config);
HttpRootOptions root_options(const Config& config);
// WEB_ROOT, or the first folder with a built web client near the program: ../share/halcyon/web as
// it is installed, ../../web/dist as it is built. Empty: none.
std::string web_root(const Config& config);

// APP_KEY, or a key made once and kept in STORAGE_PATH, so that sessions survive a restart. Several
// processes may ask at once; all get the same key. Error INVALID_CONFIG.
Result<std::string> token_secret(const Config& config);

// WORKER_MODE: what this process works on (docs/design.md §2).
struct WorkerMode {
  bool http = true;
  bool every_topic = true;
  std::vector<std::string> topics;  // when not every one

  static WorkerMode parse(std::string_view text);
  bool serves_topic(std::string_view topic) const;
};

cluster::Options cluster_options(const Config& config, const WorkerMode& mode, std::string version);

}  // namespace halcyon::server
