// One APP_KEY for the whole cluster: a member with another key would refuse the others' sign-ins
// and could not read what they sealed.
//
// The first member leaves a fingerprint of its key in the database. One that comes with another key
// is refused while a member with the old one serves; else the key was changed on purpose (or a
// generated one was lost), and the new one stands: everybody must sign in again.
#pragma once

#include <string>

#include "base/result.h"
#include "cluster/cluster.h"
#include "runtime/task.h"
#include "schema/settings.h"
#include "sql/database.h"

namespace halcyon::server {

struct KeyCheck {
  std::string secret;
  bool generated = false;  // APP_KEY is not set
};
// Error INVALID_CONFIG: another key is in use.
Task<Status> check_key(sql::Database& db, cluster::Cluster& cluster, schema::Settings tables,
                       const Context& ctx, KeyCheck key);

}  // namespace halcyon::server
