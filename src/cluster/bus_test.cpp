#include "cluster/bus.h"

#include <mutex>
#include <random>

#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;
using testing::Replica;

// What a member's handler saw.
struct Log {
  std::mutex mutex;
  std::vector<int64_t> seqs;
  std::vector<std::string> texts;
  std::atomic<int64_t> missed{0};

  Bus::Handler handler() {
    return [this](const Message& message) -> Task<Status> {
      if (message.missed) {
        ++missed;
        co_return Status{};
      }
      std::lock_guard lock(mutex);
      seqs.push_back(message.seq);
      texts.emplace_back(json::as_view(message.payload));
      co_return Status{};
    };
  }
  size_t size() {
    std::lock_guard lock(mutex);
    return texts.size();
  }
  std::vector<std::string> all() {
    std::lock_guard lock(mutex);
    return texts;
  }
};

class BusTest : public testing::ClusterTest {
 protected:
  std::unique_ptr<Replica> listening(Log& log, Options o) {
    auto replica = joined(std::move(o));
    replica->cluster->bus().subscribe("t", log.handler());
    start(*replica);
    return replica;
  }
  Status send(Replica& from, const Context& ctx, std::string text,
              Delivery delivery = Delivery::kConfirmed) {
    return await(from->bus().publish(ctx, "t", json::Value(text), delivery));
  }
};

TEST_P(BusTest, P5SettleReturnsWhenEveryMemberHasHandledIt) {
  Log at_a, at_b;
  auto a = listening(at_a, options());
  auto b = listening(at_b, options());
  for (int i = 0; i < 5; ++i) {
    Within ctx(std::chrono::seconds(20));
    ASSERT_TRUE(send(*a, ctx, std::to_string(i)));
    EXPECT_EQ(ctx.unconfirmed.size(), 1u);
    Status settled = await((*a)->bus().settle(ctx));
    ASSERT_TRUE(settled) << settled.error().id << settled.error().internal;
    EXPECT_TRUE(ctx.unconfirmed.empty());
    ASSERT_EQ(at_a.size(), static_cast<size_t>(i + 1));
    ASSERT_EQ(at_b.size(), static_cast<size_t>(i + 1));
  }
}

TEST_P(BusTest, MessagesOfARolledBackTransactionAreNeverSeen) {
  Log log;
  auto a = listening(log, options());
  Within ctx(std::chrono::seconds(20));
  Status status = await(a->db->in_transaction(ctx, [&](sql::Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(
        co_await (*a)->bus().publish(ctx, tx, "t", json::Value("no"), Delivery::kConfirmed));
    co_return fail(Code::kConflict, "X", "rolled back");
  }));
  EXPECT_FALSE(status);
  EXPECT_TRUE(ctx.unconfirmed.empty());
  ASSERT_TRUE(send(*a, ctx, "yes"));
  ASSERT_TRUE(await((*a)->bus().settle(ctx)));
  EXPECT_EQ(log.all(), std::vector<std::string>{"yes"});
}

HALCYON_INSTANTIATE_DIALECTS(BusTest);

}  // namespace
}  // namespace halcyon::cluster
