#include "cluster/membership.h"

#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;
using testing::Replica;

class MembershipTest : public testing::ClusterTest {
 protected:
  int64_t members() { return count("SELECT count(*) FROM halcyon_members"); }
  // Keeps the row from being renewed while `body` runs, and whatever else `sql` does to it.
  Status while_locked(const std::string& sql, const std::string& member,
                      std::function<Task<Status>(sql::Transaction&)> body) {
    Within ctx(std::chrono::seconds(30));
    return await(db().in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
      CO_TRY(sql::Rows rows,
             co_await tx.run(ctx, sql::testing::statement(dialect(), sql, {sql::Value(member)})));
      co_return co_await body(tx);
    }));
  }
};

const std::string kTouch = "UPDATE halcyon_members SET pid = pid WHERE id = ?";

TEST_P(MembershipTest, ShowsItsMembers) {
  auto a = started(options());
  auto b = started(options());
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(await((*a)->set_state(ctx, MemberState::kReady)));
  auto list = await((*b)->members(ctx));
  ASSERT_TRUE(list) << list.error().internal;
  ASSERT_EQ(list->size(), 2u);
  for (const MemberInfo& member : *list) {
    const bool is_a = member.id == (*a)->lease().holder();
    EXPECT_EQ(member.state, is_a ? MemberState::kReady : MemberState::kStarting);
    EXPECT_TRUE(member.alive);
    EXPECT_FALSE(member.worker_ids.empty());
    EXPECT_EQ(member.pid, getpid());
    EXPECT_NEAR(static_cast<double>(member.started_ms),
                static_cast<double>((*a)->lease().database_now_ms()), 20'000);
  }
  b->leave();
  EXPECT_EQ(members(), 1);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_worker_ids WHERE owner IS NOT NULL"),
            static_cast<int64_t>(await((*a)->members(ctx))->front().worker_ids.size()));
}

TEST_P(MembershipTest, KnowsWhenItIsAlone) {
  auto a = started(options());
  ASSERT_TRUE(eventually([&] { return (*a)->alone() != 0; }));
  const uint64_t before = (*a)->alone();
  auto b = joined(options());
  start(*b);
  EXPECT_EQ((*a)->alone(), 0u) << "nobody may serve while another takes itself to be alone";
  EXPECT_EQ((*b)->alone(), 0u);
  b->leave();
  ASSERT_TRUE(eventually([&] { return (*a)->alone() != 0; }));
  EXPECT_NE((*a)->alone(), before) << "another was at work meanwhile";
}

TEST_P(MembershipTest, IsNotAloneForLongWhenItCannotLook) {
  auto a = started(options());
  ASSERT_TRUE(eventually([&] { return (*a)->alone() != 0; }));
  const uint64_t before = (*a)->alone();
  *a->clock_ahead += 1000;  // as if it had been suspended
  EXPECT_NE((*a)->alone(), before);
}

TEST_P(MembershipTest, SeveralJoinAnEmptyDatabaseAtOnce) {
  std::vector<std::unique_ptr<Replica>> replicas;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    auto replica = std::make_unique<Replica>();
    replica->test = &database();
    replica->own_db = database().open_another();
    replica->db = replica->own_db.get();
    replicas.push_back(std::move(replica));
  }
  for (auto& replica : replicas) {
    threads.emplace_back([&] {
      Within ctx(std::chrono::seconds(30));
      auto made = await(Cluster::join(*replica->db, database().io(), options(), ctx));
      ASSERT_TRUE(made) << made.error().id << " " << made.error().internal;
      replica->cluster = std::move(*made);
      start(*replica);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(members(), 4);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_worker_ids"), 1024);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_counter"), 1);
}

TEST_P(MembershipTest, HoldsEndsByTheMonotonicClockAndComesBackWithTheNextRenewal) {
  auto a = started(options(milliseconds(2000)));
  Lease& lease = (*a)->lease();
  ASSERT_TRUE(lease.holds());
  Status status = while_locked(kTouch, lease.holder(), [&](sql::Transaction&) -> Task<Status> {
    *a->clock_ahead += 1'751;  // less than the lease, more than it less its margin
    EXPECT_FALSE(lease.holds());
    Within little(milliseconds(100));
    Status waited = co_await lease.wait_until_held(little);
    EXPECT_FALSE(waited);
    EXPECT_EQ(waited ? "" : waited.error().id, "LEASE_LOST");
    co_return Status{};
  });
  ASSERT_TRUE(status) << status.error().id << status.error().internal;
  Within ctx(std::chrono::seconds(20));
  EXPECT_TRUE(await(lease.wait_until_held(ctx)));
}

// It was declared gone: whoever changed the model did not wait for it, so it reads on first.
TEST_P(MembershipTest, P5AMemberThatWasGivenUpHoldsNothingUntilItHasReadTheBus) {
  auto a = started(options(milliseconds(2000)));
  auto b = joined(options(milliseconds(2000)));
  Lease& lease = (*b)->lease();
  std::atomic<bool> open{false}, held_in_handler{false};
  std::atomic<int> handled{0};
  (*b)->bus().subscribe("t", [&](const Message&) -> Task<Status> {
    while (!open) {
      if (lease.holds()) held_in_handler = true;
      co_await runtime::sleep_for(milliseconds(2));
    }
    ++handled;
    co_return Status{};
  });
  start(*b);
  Within ctx(std::chrono::seconds(20));
  const std::string remove = "DELETE FROM halcyon_members WHERE id = ?";
  Status status = while_locked(remove, lease.holder(), [&](sql::Transaction& tx) -> Task<Status> {
    *b->clock_ahead += 2000;  // it was suspended for a lease
    co_return co_await (*a)->bus().publish(ctx, tx, "t", json::Value("x"), Delivery::kConfirmed);
  });
  ASSERT_TRUE(status) << status.error().id << status.error().internal;
  ASSERT_TRUE(eventually([&] { return members() == 2; }));  // b's row is back
  std::this_thread::sleep_for(milliseconds(100));           // would be time enough to go wrong
  EXPECT_FALSE(lease.holds());
  open = true;
  EXPECT_TRUE(await(lease.wait_until_held(ctx)));
  EXPECT_EQ(handled, 1);
  EXPECT_FALSE(held_in_handler);
}

TEST_P(MembershipTest, P7AMemberThatWasGivenUpAsksBeforeItHoldsAgain) {
  auto a = started(options(milliseconds(1000)));
  Lease& lease = (*a)->lease();
  std::atomic<int> asked{0};
  std::atomic<bool> answer{false};
  (*a)->on_return([&](const Context&) -> Task<Result<bool>> {
    ++asked;
    if (asked == 1) co_return fail(lease_lost());
    co_return answer.load();
  });
  must("DELETE FROM halcyon_members WHERE id = ?", {sql::Value(lease.holder())});
  ASSERT_TRUE(eventually([&] { return asked >= 3; }));
  EXPECT_EQ(members(), 1);
  EXPECT_FALSE(lease.holds());
  answer = true;
  Within ctx(std::chrono::seconds(20));
  EXPECT_TRUE(await(lease.wait_until_held(ctx)));
  const int before = asked;
  std::this_thread::sleep_for(milliseconds(600));  // two renewals
  EXPECT_EQ(asked, before);
}

// Looked at before the member can bring its row back.
TEST_P(MembershipTest, TheFenceEndsWithTheRow) {
  auto a = joined(options());
  Within ctx(std::chrono::seconds(20));
  const auto fence = [&](sql::Executor& database) -> Task<Result<bool>> {
    sql::Select select;
    select.columns = {{(*a)->lease().fence(), "f"}};
    CO_TRY(sql::Rows rows, co_await database.run(ctx, render(select, dialect())));
    co_return to_flag(rows.cell(0, 0));
  };
  EXPECT_TRUE(await(fence(db())).value_or(false));
  const std::string remove = "DELETE FROM halcyon_members WHERE id = ?";
  const std::string member = (*a)->lease().holder();
  Status status = while_locked(remove, member, [&](sql::Transaction& tx) -> Task<Status> {
    CO_TRY(bool holds, co_await fence(tx));
    EXPECT_FALSE(holds);
    co_return Status{};
  });
  ASSERT_TRUE(status) << status.error().id << status.error().internal;
}

TEST_P(MembershipTest, TheDeadAreRemovedAfterAWhile) {
  auto a = started(options(milliseconds(600)));
  auto b = started(options(milliseconds(600)));
  b->kill();
  ASSERT_EQ(members(), 2);
  Within ctx(std::chrono::seconds(20));
  EXPECT_TRUE(eventually([&] {
    auto list = await((*a)->members(ctx));
    return list && std::ranges::count_if(*list, &MemberInfo::alive) == 1;
  }));
  EXPECT_EQ(members(), 2);  // still shown
  EXPECT_TRUE(eventually([&] { return members() == 1; }));
}

TEST_P(MembershipTest, P4ComesBackWhenTheDatabaseWasAwayLongerThanTheLease) {
  auto a = started(options(milliseconds(1000)));
  Lease& lease = (*a)->lease();
  const auto workers = [&] {
    return count("SELECT count(*) FROM halcyon_worker_ids WHERE owner IS NOT NULL");
  };
  Status status = while_locked(kTouch, lease.holder(), [&](sql::Transaction&) -> Task<Status> {
    const auto end = runtime::Clock::now() + milliseconds(1500);
    while (runtime::Clock::now() < end) co_await runtime::sleep_for(milliseconds(20));
    EXPECT_FALSE(lease.holds());
    co_return Status{};
  });
  ASSERT_TRUE(status) << status.error().id;
  if (!on(sql::DialectKind::kSqlite)) {
    ASSERT_TRUE(database().disconnect_all());
  }
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(await(lease.wait_until_held(ctx)));
  EXPECT_GT(workers(), 0);
  EXPECT_TRUE((*a)->next_id());
  ASSERT_TRUE(await((*a)->bus().publish(ctx, "t", json::Value(1), Delivery::kConfirmed)));
  EXPECT_TRUE(await((*a)->bus().settle(ctx)));
}

// Requests that take every connection of the pool do not cost the lease. (SQLite has one writer.)
TEST_P(MembershipTest, RequestsCannotStarveTheRenewals) {
  if (on(sql::DialectKind::kSqlite)) GTEST_SKIP();
  auto replica = std::make_unique<Replica>();
  replica->test = &database();
  replica->own_db = database().open_another([](sql::Options& o) {
    o.pool_max = 1;
    o.lanes_per_thread = 0;
  });
  replica->db = replica->own_db.get();
  Within ctx(std::chrono::seconds(30));
  auto made = await(Cluster::join(*replica->db, database().io(), options(milliseconds(1000)), ctx));
  ASSERT_TRUE(made) << made.error().id;
  replica->cluster = std::move(*made);
  start(*replica);
  bool always = true;
  Status status = await(replica->db->in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
    sql::Statement one = sql::testing::statement(dialect(), "SELECT 1");
    CO_TRY(sql::Rows rows, co_await tx.run(ctx, std::move(one)));
    const auto end = runtime::Clock::now() + milliseconds(1500);
    while (runtime::Clock::now() < end) {
      always = always && (*replica)->lease().holds();
      co_await runtime::sleep_for(milliseconds(20));
    }
    co_return Status{};
  }));
  ASSERT_TRUE(status) << status.error().id;
  EXPECT_TRUE(always);
}

TEST_P(MembershipTest, IsToldToDrainAndToServeAgain) {
  auto a = started(options(milliseconds(2000)));
  auto b = started(options(milliseconds(2000)));
  std::atomic<int> asked{0}, undone{0};
  (*b)->on_drain_request([&](bool drain) { ++(drain ? asked : undone); });
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(await((*a)->request_drain(ctx, (*b)->lease().holder(), true)));
  EXPECT_TRUE(eventually([&] { return asked == 1; }));
  ASSERT_TRUE(await((*a)->request_drain(ctx, (*b)->lease().holder(), false)));
  EXPECT_TRUE(eventually([&] { return undone == 1; }));
  Status unknown = await((*a)->request_drain(ctx, "nobody", true));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().id, "MEMBER_NOT_FOUND");
}

HALCYON_INSTANTIATE_DIALECTS(MembershipTest);

}  // namespace
}  // namespace halcyon::cluster
