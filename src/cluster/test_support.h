// Several members on one database, in one process. For the tests of this module.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "cluster/build.h"
#include "cluster/cluster.h"
#include "cluster/membership.h"
#include "sql/testing.h"

namespace halcyon::cluster::testing {

// One replica: its own Database, its own Cluster, a clock that can be set.
struct Replica {
  std::unique_ptr<sql::Database> own_db;
  sql::Database* db = nullptr;
  sql::testing::TestDatabase* test = nullptr;
  std::unique_ptr<Cluster> cluster;
  std::shared_ptr<std::atomic<int64_t>> clock_ahead = std::make_shared<std::atomic<int64_t>>(0);

  Cluster* operator->() const { return cluster.get(); }
  // As SIGKILL has it: nothing is given back.
  void kill() { cluster.reset(); }
  void leave() {
    Within ctx(std::chrono::seconds(20));
    test->await(cluster->leave(ctx));
    cluster.reset();
  }
  ~Replica() {
    cluster.reset();
    if (own_db) test->await(own_db->close());
  }
  Replica() = default;
  Replica(Replica&& other) = default;
};

class ClusterTest : public sql::testing::DatabaseTest {
 protected:
  static Options options(std::chrono::milliseconds ttl = std::chrono::seconds(10)) {
    Options o;
    o.lease_ttl = ttl;
    o.host = "test";
    o.version = "1";
    return o;
  }
  std::unique_ptr<Replica> joined(Options o) {
    auto replica = std::make_unique<Replica>();
    replica->test = &database();
    replica->own_db = database().open_another();
    replica->db = replica->own_db.get();
    o.boot_ms = [ahead = replica->clock_ahead] { return boot_ms() + ahead->load(); };
    Within ctx(std::chrono::seconds(30));
    auto made = await(Cluster::join(*replica->db, database().io(), std::move(o), ctx));
    if (!made) {
      ADD_FAILURE() << made.error().id << " " << made.error().message << made.error().internal;
      return nullptr;
    }
    replica->cluster = std::move(*made);
    return replica;
  }
  std::unique_ptr<Replica> started(Options o) {
    auto replica = joined(std::move(o));
    if (replica) start(*replica);
    return replica;
  }
  void start(Replica& replica) {
    Within ctx(std::chrono::seconds(30));
    Status status = await(replica.cluster->start(ctx));
    EXPECT_TRUE(status) << status.error().id << status.error().internal;
  }

  // Waits, at most 20 s, until `condition` is true.
  template <class F>
  static bool eventually(F condition) {
    const auto end = runtime::Clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (runtime::Clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }
  int64_t count(const std::string& sql, std::vector<sql::Value> params = {}) {
    return to_number(must(sql, std::move(params)).cell(0, 0));
  }
};

}  // namespace halcyon::cluster::testing
