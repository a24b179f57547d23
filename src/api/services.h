// What the actions of api work with; made once by server and alive as long as the process serves.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "access/access.h"
#include "api/action.h"
#include "cluster/bus.h"
#include "cluster/cluster.h"
#include "cluster/idempotency.h"
#include "cluster/lease.h"
#include "data/records.h"
#include "schema/catalog.h"
#include "sql/database.h"
#include "sql/replicas.h"

namespace halcyon::api {

struct Settings {
  std::string version;
  std::string base_path = "/api/";
  std::string language = "en-US";
  std::chrono::milliseconds request_timeout{60'000};
  std::vector<std::string> cors_whitelist;  // empty: any origin, without credentials
  bool acl_meta = true;                     // X-With-ACL-Meta is honoured
  Settings() = default;
};

struct Services {
  Settings settings;
  sql::Database& db;
  schema::Catalog& catalog;
  access::Access& access;
  data::Writer& writer;
  data::CountCache* counts = nullptr;
  std::function<bool()> ready;  // what __health_check tells
  // Of the cluster; nullptr in tests that do without.
  cluster::Idempotency* requests = nullptr;
  cluster::Lease* lease = nullptr;
  cluster::Bus* bus = nullptr;
  cluster::Cluster* cluster = nullptr;
  sql::Replicas* replicas = nullptr;  // nullptr: the primary does all reads

  // A data call on behalf of the request's user.
  data::Call data_call(const Call& call) const { return data_call(call, db); }
  data::Call data_call(const Call& call, sql::Database& on) const;
  // The same with every right: for actions whose own gate already decided.
  data::Call internal_call(const Call& call) const;
};

// Each adds the actions of one topic. The order does not matter.
void add_record_actions(ActionTable& table, const Services& services);
void add_collection_actions(ActionTable& table, const Services& services);
void add_auth_actions(ActionTable& table, const Services& services);
void add_system_actions(ActionTable& table, const Services& services);
void add_page_actions(ActionTable& table, const Services& services);
void add_cluster_actions(ActionTable& table, const Services& services);
void add_openapi_actions(ActionTable& table, const Services& services);

}  // namespace halcyon::api
