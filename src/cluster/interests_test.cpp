#include "cluster/interests.h"

#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;
using testing::Replica;

class InterestsTest : public testing::ClusterTest {
 protected:
  Result<int64_t> want(Replica& at, const std::string& name) {
    Within ctx(std::chrono::seconds(20));
    return await(at->interests().want(ctx, name));
  }
  static Options short_life(milliseconds life) {
    Options o = options();
    o.message_life = life;
    return o;
  }
};
HALCYON_INSTANTIATE_DIALECTS(InterestsTest);

TEST_P(InterestsTest, EveryMemberPublishesWhenWantReturns) {
  auto a = started(options());
  auto b = started(options());
  EXPECT_FALSE((*a)->interests().wanted("orders"));
  const auto since = want(*a, "orders");
  ASSERT_TRUE(since) << since.error().id << since.error().internal;
  EXPECT_GT(*since, 0);
  EXPECT_TRUE((*a)->interests().wanted("orders"));
  EXPECT_TRUE((*b)->interests().wanted("orders"));
  EXPECT_FALSE((*b)->interests().wanted("customers"));
  // Who comes later finds it, before it may write anything.
  auto c = joined(options());
  EXPECT_TRUE((*c)->interests().wanted("orders"));
  start(*c);
  // And from everywhere the same is answered.
  EXPECT_EQ(want(*b, "orders").value_or(-1), *since);
  EXPECT_EQ(want(*c, "orders").value_or(-1), *since);
  EXPECT_EQ(want(*a, "orders").value_or(-1), *since);
}

TEST_P(InterestsTest, ManyAtOnceAgree) {
  auto a = started(options());
  auto b = started(options());
  std::vector<std::jthread> threads;
  std::mutex mutex;
  std::vector<int64_t> found;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      Replica& at = i % 2 == 0 ? *a : *b;
      Within ctx(std::chrono::seconds(20));
      auto since = database().await(at->interests().want(ctx, "orders"), i % 2);
      ASSERT_TRUE(since) << since.error().id << since.error().internal;
      std::lock_guard lock(mutex);
      found.push_back(*since);
    });
  }
  threads.clear();
  // The first one counts for all: nobody has missed anything since.
  for (const int64_t one : found) EXPECT_EQ(one, found.front());
}

// Wanted again after a time in which nobody wanted it, it begins anew; until then it goes on.
TEST_P(InterestsTest, AGapIsSeen) {
  auto a = started(short_life(milliseconds(400)));
  const int64_t first = want(*a, "orders").value_or(-1);
  for (int i = 0; i < 6; ++i) {
    std::this_thread::sleep_for(milliseconds(200));
    EXPECT_EQ(want(*a, "orders").value_or(-1), first);
  }
  ASSERT_TRUE(eventually([&] { return !(*a)->interests().wanted("orders"); }));
  // By the row it is over long before members stop.
  EXPECT_GT(want(*a, "orders").value_or(-1), first);
}

// A write that looked before and commits afterwards would fall between: it is told of by itself.
TEST_P(InterestsTest, AWriteUnderWayIsNotForgotten) {
  auto a = started(options());
  auto b = started(options());
  std::atomic<bool> looked{false}, commit{false}, wanted{false};
  std::mutex mutex;
  std::vector<std::string> late;
  std::jthread writer([&] {
    Within ctx(std::chrono::seconds(20));
    Status status = database().await(
        b->db->in_transaction(ctx,
                              [&](sql::Transaction& tx) -> Task<Status> {
                                EXPECT_FALSE((*b)->interests().wanted("orders"));
                                (*b)->interests().skipped(tx, {"customers", "orders"},
                                                          [&](std::string name) {
                                                            std::lock_guard lock(mutex);
                                                            late.push_back(std::move(name));
                                                          });
                                looked = true;
                                while (!commit) co_await runtime::sleep_for(milliseconds(1));
                                co_return Status{};
                              }),
        1);
    EXPECT_TRUE(status) << status.error().id;
  });
  ASSERT_TRUE(eventually([&] { return looked.load(); }));
  std::jthread listener([&] {
    EXPECT_TRUE(want(*a, "orders"));
    wanted = true;
  });
  // It is waited for, at least a while; on SQLite it even has the only writer.
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_FALSE(wanted);
  if (GetParam() != sql::DialectKind::kSqlite) {
    ASSERT_TRUE(eventually([&] { return wanted.load(); }));
  }
  commit = true;
  writer.join();
  listener.join();
  const bool told = eventually([&] {
    std::lock_guard lock(mutex);
    return !late.empty();
  });
  if (GetParam() != sql::DialectKind::kSqlite) {
    EXPECT_TRUE(told);
    EXPECT_EQ(late, std::vector<std::string>{"orders"});
  }
}

TEST_P(InterestsTest, AWriteThatIsRolledBackIsNotWaitedFor) {
  auto a = started(options());
  Within ctx(std::chrono::seconds(20));
  Status status = await(a->db->in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
    (*a)->interests().skipped(tx, {"orders"}, [](std::string) { ADD_FAILURE(); });
    co_return fail(Code::kConflict, "X", "rolled back");
  }));
  EXPECT_FALSE(status);
  const auto before = runtime::Clock::now();
  EXPECT_TRUE(want(*a, "orders"));
  EXPECT_LT(runtime::Clock::now() - before, milliseconds(900));
}

}  // namespace
}  // namespace halcyon::cluster
