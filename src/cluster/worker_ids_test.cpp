#include "cluster/worker_ids.h"

#include <random>
#include <set>

#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;
using testing::Replica;

class WorkerIdsTest : public testing::ClusterTest {
 protected:
  std::set<int64_t> workers_of(Replica& replica) {
    sql::Rows rows = must("SELECT worker FROM halcyon_worker_ids WHERE owner = ?",
                          {sql::Value((*&replica)->lease().holder())});
    std::set<int64_t> set;
    for (size_t i = 0; i < rows.size(); ++i) set.insert(to_number(rows.cell(i, 0)));
    return set;
  }
};

// Members come, are killed, leave; their clocks jump: no id is made twice.
TEST_P(WorkerIdsTest, P8NoIdIsMadeTwiceOverRestartsAndJumpingClocks) {
  std::mt19937 random(11);
  std::vector<std::unique_ptr<Replica>> replicas;
  std::vector<std::vector<int64_t>> made(40);
  for (size_t round = 0; round < made.size() / 2; ++round) {
    while (replicas.size() < 3) replicas.push_back(started(options(milliseconds(2000))));
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 2; ++t) {
      Replica& replica = *replicas[random() % replicas.size()];
      const int64_t jump = static_cast<int64_t>(random() % 5) * 700 * (random() % 2 == 0 ? 1 : -1);
      threads.emplace_back([&, jump, mine = &made[2 * round + t]] {
        for (int i = 0; i < 3000; ++i) {
          if (i == 1500) *replica.clock_ahead += jump;
          auto id = replica->next_id();
          if (id) mine->push_back(*id);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    const size_t victim = random() % replicas.size();
    const auto how = random() % 3;
    if (how == 0) replicas[victim]->kill();
    if (how == 1) replicas[victim]->leave();
    if (how != 2) replicas.erase(replicas.begin() + static_cast<int64_t>(victim));
    if (random() % 4 == 0) must("DELETE FROM halcyon_members");  // everybody was given up
  }
  std::set<int64_t> all;
  size_t total = 0;
  for (const auto& ids : made) {
    total += ids.size();
    for (int64_t id : ids) ASSERT_TRUE(all.insert(id).second) << id;
  }
  EXPECT_GT(total, 60'000u);
}

// Only the worker ids of the killed one are left: its successor begins after what was reserved.
TEST_P(WorkerIdsTest, P8ASuccessorBeginsAfterTheReservation) {
  auto a = started(options());
  const std::set<int64_t> workers = workers_of(*a);
  ASSERT_FALSE(workers.empty());
  int64_t last = 0;
  for (int i = 0; i < 100; ++i) last = *(*a)->next_id();
  auto keeper = started(options());
  must("UPDATE halcyon_worker_ids SET owner = ? WHERE owner IS NULL",
       {sql::Value((*keeper)->lease().holder())});
  must("DELETE FROM halcyon_members WHERE id = ?", {sql::Value((*a)->lease().holder())});
  a->kill();
  auto b = started(options());
  ASSERT_NE(b, nullptr);
  EXPECT_TRUE(std::ranges::includes(workers, workers_of(*b)));
  auto id = (*b)->next_id();
  ASSERT_TRUE(id) << id.error().id;
  EXPECT_GT(*id, last);
  EXPECT_GT(*id >> 21, (last >> 21) + 60);
}

TEST_P(WorkerIdsTest, P8BeyondTheReservationNoIdIsMadeUntilTheDatabaseIsReached) {
  auto a = started(options());
  Within ctx(std::chrono::seconds(30));
  Status status = await(db().in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
    // Keeps the rows of the member and of its worker ids from being written.
    for (const char* text : {"UPDATE halcyon_members SET pid = pid",
                             "UPDATE halcyon_worker_ids SET worker = worker"}) {
      CO_TRY(sql::Rows rows, co_await tx.run(ctx, sql::testing::statement(dialect(), text)));
    }
    EXPECT_TRUE((*a)->next_id());  // what was reserved is good without the database
    *a->clock_ahead += 300'000;
    auto id = (*a)->next_id();
    EXPECT_FALSE(id);
    EXPECT_EQ(id ? "" : id.error().id, "LEASE_LOST");
    co_return Status{};
  }));
  ASSERT_TRUE(status) << status.error().id;
  EXPECT_TRUE(eventually([&] { return (*a)->next_id().has_value(); }));
}

// A bulk load takes more worker ids, and gives them back.
TEST_P(WorkerIdsTest, ManyIdsASecond) {
  auto a = started(options());
  std::set<int64_t> ids;
  const auto began = runtime::Clock::now();
  constexpr int kIds = 150'000;
  int64_t last = 0;
  for (int i = 0; i < kIds; ++i) {
    auto id = (*a)->next_id();
    ASSERT_TRUE(id);
    ASSERT_GT(*id, last);
    last = *id;
  }
  const int64_t second = (*a)->lease().database_now_ms() / 1000 - Snowflake::kEpochSeconds;
  EXPECT_LE(last >> 21, second + 2);
  EXPECT_GE(last >> 21, second - 1);
  const std::chrono::duration<double> took = runtime::Clock::now() - began;
  RecordProperty("ids_per_second", std::to_string(kIds / took.count()));
  std::printf("%.0f ids/s\n", kIds / took.count());
  EXPECT_LT(took.count(), kIds / 34'000.0);
}

HALCYON_INSTANTIATE_DIALECTS(WorkerIdsTest);

}  // namespace
}  // namespace halcyon::cluster
