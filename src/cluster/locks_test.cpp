#include "cluster/locks.h"

#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;
using testing::Replica;

class LocksTest : public testing::ClusterTest {
 protected:
  Result<std::unique_ptr<Lock>> take(Replica& replica, milliseconds time = milliseconds(20'000)) {
    Within ctx(time);
    return await(replica->locks().acquire(ctx, "work"));
  }
  std::unique_ptr<Lock> try_take(Replica& replica) {
    Within ctx(std::chrono::seconds(20));
    auto lock = await(replica->locks().try_acquire(ctx, "work"));
    EXPECT_TRUE(lock) << lock.error().id << lock.error().internal;
    return lock ? std::move(*lock) : nullptr;
  }
  Status commit_under(Replica& replica, Lock& lock) {
    Within ctx(std::chrono::seconds(20));
    return await(replica.db->in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
      co_return co_await lock.check(tx, ctx);
    }));
  }
};

TEST_P(LocksTest, OneHolderAtATimeAndTokensGrow) {
  auto a = started(options());
  auto b = started(options());
  auto first = take(*a);
  ASSERT_TRUE(first) << first.error().id;
  EXPECT_TRUE((*first)->held());
  EXPECT_TRUE(commit_under(*a, **first));
  EXPECT_EQ(try_take(*b), nullptr);
  EXPECT_EQ(try_take(*a), nullptr);  // not re-entrant
  auto busy = take(*b, milliseconds(150));
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().id, "LOCK_BUSY");
  const int64_t token = (*first)->token();
  await((*first)->release());
  EXPECT_FALSE((*first)->held());
  auto second = try_take(*b);
  ASSERT_NE(second, nullptr);
  EXPECT_GT(second->token(), token);
  Status stale = commit_under(*a, **first);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().id, "LOCK_LOST");
  second.reset();  // in the background
  auto third = take(*a);
  ASSERT_TRUE(third);
  // The same member, but not the same lock.
  stale = commit_under(*a, **first);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().id, "LOCK_LOST");
  EXPECT_TRUE(commit_under(*a, **third));
}

// Read, add one, write: a lost update would show.
TEST_P(LocksTest, ProtectsWhatIsDoneUnderIt) {
  auto a = started(options());
  auto b = started(options());
  must("CREATE TABLE tally (n INTEGER)");
  must("INSERT INTO tally VALUES (0)");
  std::vector<std::thread> threads;
  for (Replica* replica : {a.get(), b.get(), a.get(), b.get()}) {
    threads.emplace_back([&, replica] {
      for (int i = 0; i < 5; ++i) {
        auto lock = take(*replica);
        ASSERT_TRUE(lock) << lock.error().id;
        const int64_t n = count("SELECT n FROM tally");
        std::this_thread::yield();
        must("UPDATE tally SET n = ?", {sql::Value(n + 1)});
        await((*lock)->release());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count("SELECT n FROM tally"), 20);
}

TEST_P(LocksTest, ALockOfADeadMemberIsTakenOverAndItsOldHolderCannotCommit) {
  auto a = started(options());
  auto b = started(options());
  auto old = take(*a);
  ASSERT_TRUE(old);
  // To the others its lease ran out.
  must("DELETE FROM halcyon_members WHERE id = ?", {sql::Value((*a)->lease().holder())});
  auto fresh = take(*b);
  ASSERT_TRUE(fresh) << fresh.error().id;
  EXPECT_GT((*fresh)->token(), (*old)->token());
  Status late = commit_under(*a, **old);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id, "LOCK_LOST");
  EXPECT_FALSE((*old)->held());
  EXPECT_TRUE(commit_under(*b, **fresh));
  await((*old)->release());  // does not let go what is another's
  EXPECT_TRUE(commit_under(*b, **fresh));
}

TEST_P(LocksTest, AHolderLearnsWithTheNextRenewalThatItsLockIsLost) {
  auto a = started(options(milliseconds(1000)));
  auto lock = take(*a);
  ASSERT_TRUE(lock);
  must("UPDATE halcyon_locks SET owner = 'another', token = token + 1 WHERE name = 'work'");
  EXPECT_TRUE(eventually([&] { return !(*lock)->held(); }));
  EXPECT_TRUE((*a)->lease().holds());
}

HALCYON_INSTANTIATE_DIALECTS(LocksTest);

}  // namespace
}  // namespace halcyon::cluster
