#include "cluster/bus.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <mutex>
#include <random>
#include <set>

#include "cluster/process_id.h"
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

// As a command has it (`halcyon user`): it joins, and never reads the bus.
TEST_P(BusTest, P5WhoOnlyJoinedMayPublishAndSettle) {
  Log log;
  auto a = listening(log, options());
  auto command = joined(options());
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(send(*command, ctx, "x"));
  Status settled = await((*command)->bus().settle(ctx));
  ASSERT_TRUE(settled) << settled.error().id;
  EXPECT_EQ(log.size(), 1u);
  // And nobody waits for it.
  Within soon(std::chrono::seconds(5));
  ASSERT_TRUE(send(*a, soon, "y"));
  EXPECT_TRUE(await((*a)->bus().settle(soon)));
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

// Many transactions at once on several members, slow ones and rolled back ones among them: everyone
// sees each committed message once, in one order without gaps.
TEST_P(BusTest, P5EveryMemberSeesEveryCommittedMessageOnceInOneOrder) {
  constexpr int kTransactions = 80;
  std::vector<std::unique_ptr<Log>> logs;
  std::vector<std::unique_ptr<Replica>> members;
  for (int i = 0; i < 3; ++i) {
    logs.push_back(std::make_unique<Log>());
    members.push_back(listening(*logs.back(), options()));
  }
  std::mutex mutex;
  std::multiset<std::string> committed;
  std::atomic<int> left{kTransactions};
  std::mt19937 random(7);
  for (int i = 0; i < kTransactions; ++i) {
    Replica& from = *members[random() % members.size()];
    const int messages = 1 + static_cast<int>(random() % 3);
    const bool good = random() % 4 != 0;
    const milliseconds slow(on(sql::DialectKind::kSqlite) ? 1 : random() % 60);
    auto work = [&, i, messages, good, slow]() -> Task<void> {
      Within ctx(std::chrono::seconds(60));
      sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
        for (int m = 0; m < messages; ++m) {
          json::Value payload(std::to_string(i) + "/" + std::to_string(m));
          CO_TRY_STATUS(
              co_await from->bus().publish(ctx, tx, "t", std::move(payload), Delivery::kPlain));
          co_await runtime::sleep_for(slow);
        }
        if (!good) co_return fail(Code::kConflict, "NO", "rolled back");
        co_return Status{};
      };
      Status status = co_await from.db->in_transaction(ctx, body);
      EXPECT_EQ(status.has_value(), good);
      std::lock_guard lock(mutex);
      for (int m = 0; status && m < messages; ++m) {
        committed.insert(std::to_string(i) + "/" + std::to_string(m));
      }
    };
    // The closure lives in the started task's frame.
    auto run = [](auto closure, std::atomic<int>& counter) -> Task<void> {
      co_await closure();
      --counter;
    };
    runtime::start(database().io().thread(i % 2), run(work, left), [] {});
  }
  ASSERT_TRUE(eventually([&] { return left == 0; }));
  for (auto& log : logs) {
    ASSERT_TRUE(eventually([&] { return log->size() >= committed.size(); })) << log->size();
  }
  for (auto& log : logs) {
    std::vector<std::string> texts = log->all();
    EXPECT_EQ(std::multiset<std::string>(texts.begin(), texts.end()), committed);
    EXPECT_EQ(texts, logs.front()->all());
    for (size_t i = 0; i < log->seqs.size(); ++i) {
      ASSERT_EQ(log->seqs[i], static_cast<int64_t>(i) + 1);
    }
    EXPECT_EQ(log->missed, 0);
  }
}

TEST_P(BusTest, AHandlerThatFailsIsCalledAgainWithTheSameMessage) {
  Log log;
  auto a = joined(options());
  std::atomic<int> calls{0};
  (*a)->bus().subscribe("t", log.handler());
  (*a)->bus().subscribe("t", [&](const Message&) -> Task<Status> {
    if (++calls < 3) co_return fail(Code::kUnavailable, "NOT_NOW", "not now");
    co_return Status{};
  });
  start(*a);
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(send(*a, ctx, "x"));
  ASSERT_TRUE(await((*a)->bus().settle(ctx)));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(log.size(), 1u);  // the one that had succeeded is not called again
}

TEST_P(BusTest, P5SettleWaitsForALiveMemberAndTellsWhenTimeIsUp) {
  Log log;
  auto a = listening(log, options());
  auto b = joined(options());
  std::atomic<bool> open{false};
  (*b)->bus().subscribe("t", [&](const Message&) -> Task<Status> {
    while (!open) co_await runtime::sleep_for(milliseconds(5));
    co_return Status{};
  });
  start(*b);
  Within little(milliseconds(400));
  ASSERT_TRUE(send(*a, little, "x"));
  Status status = await((*a)->bus().settle(little));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().id, "NOT_CONFIRMED");
  open = true;
  Within enough(std::chrono::seconds(20));
  enough.unconfirmed = {0};  // everything so far
  EXPECT_TRUE(await((*a)->bus().settle(enough)));
}

// A killed member is waited for until nobody has seen it renew for a whole lease.
TEST_P(BusTest, P5SettleGivesUpOnADeadMemberAfterItsLease) {
  Log log, dead;
  auto a = listening(log, options(milliseconds(1500)));
  auto b = listening(dead, options(milliseconds(1500)));
  const auto killed = runtime::Clock::now();
  b->kill();
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(send(*a, ctx, "x"));
  Status status = await((*a)->bus().settle(ctx));
  EXPECT_TRUE(status) << status.error().id;
  EXPECT_GT(runtime::Clock::now() - killed, milliseconds(1000));
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_members"), 1);
}

// On the same machine it is not waited for at all.
TEST_P(BusTest, P5SettleDoesNotWaitForAKilledProcessOfThisMachine) {
  Log log;
  auto a = listening(log, options());
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const auto insert = [&](const char* id, const std::string& process) {
    must(
        "INSERT INTO halcyon_members (id, host, pid, process, version, worker_mode, "
        "schema_version, state, drain_requested, listening, started_ms, lease_until_ms, "
        "bus_position) VALUES (?, 'h', 1, ?, '1', '', 0, 'ready', ?, ?, 0, ?, 0)",
        {sql::Value(id), sql::Value(process), sql::Value(false), sql::Value(true),
         sql::Value((*a)->lease().database_now_ms() + 3'600'000)});
  };
  insert("killed", process_id(child));
  EXPECT_FALSE(is_dead_here(process_id(child)));
  kill(child, SIGKILL);
  Within ctx(std::chrono::seconds(8));  // less than the lease
  ASSERT_TRUE(send(*a, ctx, "x"));
  Status status = await((*a)->bus().settle(ctx));
  EXPECT_TRUE(status) << status.error().id;
  waitpid(child, nullptr, 0);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_members"), 1);
}

TEST_P(BusTest, MessagesOfAPublisherThatDiedBeforeOrderingThemAreDelivered) {
  Log log;
  auto a = listening(log, options());
  must(
      "INSERT INTO halcyon_messages (topic, payload, sender, confirmed, created_ms) "
      "VALUES ('t', '\"orphan\"', 'gone', ?, ?)",
      {sql::Value(false), sql::Value((*a)->lease().database_now_ms())});
  EXPECT_TRUE(eventually([&] { return log.size() == 1; }));
  EXPECT_EQ(log.all(), std::vector<std::string>{"orphan"});
}

TEST_P(BusTest, SubscribersAreToldWhenMessagesWereMissed) {
  Log log;
  auto a = listening(log, options());
  must("UPDATE halcyon_counter SET seq = seq + 7");  // as after a purge of what was not read
  EXPECT_TRUE(eventually([&] { return log.missed == 1; }));
  EXPECT_EQ((*a)->bus().position(), 7);
  must("UPDATE halcyon_counter SET seq = 3");  // as after a restored backup
  EXPECT_TRUE(eventually([&] { return log.missed == 2; }));
  Within ctx(std::chrono::seconds(20));
  ASSERT_TRUE(send(*a, ctx, "on"));
  ASSERT_TRUE(await((*a)->bus().settle(ctx)));
  EXPECT_EQ(log.all(), std::vector<std::string>{"on"});
  EXPECT_EQ((*a)->bus().position(), 4);
}

TEST_P(BusTest, WhoResumesReadsOnOrIsToldThatItIsTooLate) {
  Log log;
  Options o = options();
  o.message_life = std::chrono::seconds(2);
  auto a = listening(log, o);
  Within ctx(std::chrono::seconds(20));
  for (const char* text : {"1", "2", "3"}) ASSERT_TRUE(send(*a, ctx, text));
  ASSERT_TRUE(await((*a)->bus().settle(ctx)));
  auto read = await((*a)->bus().read_after(ctx, "t", 1, 10));
  ASSERT_TRUE(read) << read.error().id;
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].seq, 2);
  EXPECT_EQ(json::as_view((*read)[1].payload), "3");
  EXPECT_TRUE(await((*a)->purge(ctx)));
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_messages"), 3);  // all are young
  ASSERT_TRUE(eventually([&] {
    EXPECT_TRUE(await((*a)->purge(ctx)));
    return count("SELECT count(*) FROM halcyon_messages") == 0;
  }));
  EXPECT_TRUE(await((*a)->bus().read_after(ctx, "t", 3, 10)));
  auto late = await((*a)->bus().read_after(ctx, "t", 2, 10));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().id, "SEQUENCE_TOO_OLD");
}

HALCYON_INSTANTIATE_DIALECTS(BusTest);

}  // namespace
}  // namespace halcyon::cluster
