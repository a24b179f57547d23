// Promise P3 at its root: the key's row decides, on every dialect, whether a try of a request
// counts.
#include "cluster/idempotency.h"

#include <atomic>
#include <future>

#include "cluster/idempotency_store.h"
#include "schema/testing.h"
#include "sql/ddl.h"

namespace halcyon::cluster {
namespace {

using namespace std::chrono_literals;

// A lease that is one row of a table of the test: `fence` asks the database.
class RowLease final : public Lease {
 public:
  const std::string& holder() const override { return holder_; }
  bool holds() const override { return true; }
  std::chrono::milliseconds ttl() const override { return 10s; }
  Task<Status> wait_until_held(const Context&) override { co_return Status{}; }
  sql::Expr fence() const override {
    auto select = std::make_shared<sql::Select>();
    select->from = sql::table("leases", "l");
    select->columns = {{sql::column("l", "id"), "id"}};
    select->where = sql::eq(sql::column("l", "id"), sql::param(sql::Value(1)));
    return sql::make(sql::Exists{std::move(select), false});
  }
  int64_t database_now_ms() const override { return 0; }

 private:
  std::string holder_ = "me";
};

class IdempotencyTest : public schema::testing::CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    for (const auto& spec : idempotency_tables(settings())) {
      for (const auto& text : sql::create_table(spec, dialect())) must(text);
    }
    must("CREATE TABLE leases (id INTEGER NOT NULL PRIMARY KEY)");
    must("INSERT INTO leases (id) VALUES (1)");
    must("CREATE TABLE effects (id INTEGER NOT NULL)");
    store_ = make_idempotency(db(), settings(), &lease_, std::string(32, 'k'));
  }

  static RequestKey key(std::string name, std::string body = "{}") {
    RequestKey request;
    request.scope = "1:POST /api/orders:create";
    request.key = std::move(name);
    request.body_hash = std::move(body);
    request.keep = 60s;
    return request;
  }
  static StoredAnswer answer(std::string body) {
    StoredAnswer stored;
    stored.content_type = "application/json";
    stored.body = std::move(body);
    return stored;
  }

  // One try of a request: an effect and its answer.
  Task<Status> attempt(RequestKey request, StoredAnswer stored) {
    sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
      CO_TRY(sql::Rows done,
             co_await tx.run(
                 ctx(), sql::testing::statement(dialect(), "INSERT INTO effects (id) VALUES (1)")));
      store_->record(tx, request, stored);
      co_return Status{};
    };
    co_return co_await db().in_transaction(ctx(), body);
  }
  std::string try_once(RequestKey request, StoredAnswer stored) {
    Status status = await(attempt(std::move(request), std::move(stored)));
    if (!status && status.error().code == Code::kInternal) return status.error().internal;
    return status ? "ok" : status.error().id;
  }
  std::optional<StoredAnswer> find(const RequestKey& request) {
    auto found = await(store_->find(ctx(), request));
    EXPECT_TRUE(found) << found.error().id << found.error().internal;
    return found ? *found : std::nullopt;
  }
  int64_t effects() {
    return to_int64(must("SELECT count(*) AS n FROM effects").cell(0, 0).text()).value();
  }

  RowLease lease_;
  std::unique_ptr<Idempotency> store_;
};

TEST_P(IdempotencyTest, ASecondTryHasNoEffectAndFindsTheAnswer) {
  EXPECT_FALSE(find(key("a")));
  EXPECT_EQ(try_once(key("a"), answer("first")), "ok");
  EXPECT_EQ(try_once(key("a"), answer("second")), "REQUEST_REPEATED");
  EXPECT_EQ(effects(), 1);
  ASSERT_TRUE(find(key("a")));
  EXPECT_EQ(find(key("a"))->body, "first");
  EXPECT_EQ(find(key("a"))->content_type, "application/json");
  EXPECT_EQ(try_once(key("b"), answer("other")), "ok");
  RequestKey other_scope = key("a");
  other_scope.scope = "2:POST /api/orders:create";
  EXPECT_EQ(try_once(other_scope, answer("another user")), "ok");
}

TEST_P(IdempotencyTest, OfTriesAtTheSameTimeExactlyOneCounts) {
  constexpr int kTries = 8;
  std::vector<std::future<std::string>> tries;
  for (int i = 0; i < kTries; ++i) {
    tries.push_back(std::async(std::launch::async, [this, i] {
      Status status = database().await(attempt(key("same"), answer(std::to_string(i))),
                                       static_cast<size_t>(i % 2));
      return status ? "ok " + std::to_string(i) : status.error().id;
    }));
  }
  std::vector<std::string> won;
  for (auto& one : tries) {
    std::string result = one.get();
    if (result != "REQUEST_REPEATED") won.push_back(result);
  }
  ASSERT_EQ(won.size(), 1u);
  EXPECT_EQ(effects(), 1);
  EXPECT_EQ("ok " + find(key("same"))->body, won[0]);
}

TEST_P(IdempotencyTest, AnotherBodyUnderTheSameKeyIsRefused) {
  EXPECT_EQ(try_once(key("a", "one"), answer("first")), "ok");
  EXPECT_EQ(try_once(key("a", "two"), answer("second")), "REQUEST_REPEATED");
  auto found = await(store_->find(ctx(), key("a", "two")));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().id, "IDEMPOTENCY_KEY_REUSED");
  EXPECT_EQ(found.error().code, Code::kUnprocessable);
}

TEST_P(IdempotencyTest, NothingIsWrittenWithoutTheLease) {
  must("DELETE FROM leases");
  EXPECT_EQ(try_once(key("a"), answer("x")), "LEASE_LOST");
  EXPECT_EQ(effects(), 0);
  EXPECT_FALSE(find(key("a")));
  must("INSERT INTO leases (id) VALUES (1)");
  EXPECT_EQ(try_once(key("a"), answer("x")), "ok");
}

TEST_P(IdempotencyTest, NothingIsWrittenThatWasPlannedOnAnotherModel) {
  RequestKey request = key("a");
  request.generation = catalog().snapshot()->generation;
  make(R"({"name":"later","fields":[]})");
  EXPECT_EQ(try_once(request, answer("x")), "MODEL_CHANGED");
  EXPECT_EQ(effects(), 0);
  request.generation = catalog().snapshot()->generation;
  EXPECT_EQ(try_once(request, answer("x")), "ok");
  must("DELETE FROM leases");
  request.key = "b";
  EXPECT_EQ(try_once(request, answer("x")), "LEASE_LOST");
}

TEST_P(IdempotencyTest, KeepsAnswersOfEverySize) {
  std::string large;
  for (int i = 0; i < 20'000; ++i) large += "{\"id\":" + std::to_string(i) + "},";
  EXPECT_EQ(try_once(key("large"), answer(large)), "ok");
  EXPECT_EQ(find(key("large"))->body, large);
  EXPECT_EQ(try_once(key("none"), answer("")), "ok");
  EXPECT_EQ(find(key("none"))->body, "");
  const std::string bytes("\0\xff:\x01", 4);
  EXPECT_EQ(try_once(key("bytes"), answer(bytes)), "ok");
  EXPECT_EQ(find(key("bytes"))->body, bytes);
}

TEST_P(IdempotencyTest, SecretsAreSealed) {
  StoredAnswer secret = answer("{\"token\":\"swordfish\"}");
  secret.secret = true;
  EXPECT_EQ(try_once(key("a"), secret), "ok");
  EXPECT_EQ(find(key("a"))->body, secret.body);
  sql::Rows rows = must("SELECT answer FROM halcyon_requests");
  EXPECT_EQ(rows.cell(0, 0).text().find("swordfish"), std::string_view::npos);
  auto other = make_idempotency(db(), settings(), &lease_, std::string(32, 'x'));
  EXPECT_FALSE(await(other->find(ctx(), key("a"))));
  auto keyless = make_idempotency(db(), settings(), &lease_, "");
  EXPECT_FALSE(await(keyless->find(ctx(), key("a"))));
}

TEST_P(IdempotencyTest, ExpiredKeysArePurgedInBatches) {
  for (int i = 0; i < 5; ++i) {
    RequestKey request = key("old" + std::to_string(i));
    request.keep = std::chrono::milliseconds(-5000 + i);
    EXPECT_EQ(try_once(request, answer("x")), "ok");
  }
  EXPECT_EQ(try_once(key("young"), answer("x")), "ok");
  int64_t gone = 0;
  for (int rounds = 0; rounds < 10 && gone < 5; ++rounds) {
    auto some = await(store_->purge(ctx(), 2));
    ASSERT_TRUE(some) << some.error().internal;
    EXPECT_LE(*some, 3);
    gone += *some;
  }
  EXPECT_EQ(gone, 5);
  EXPECT_EQ(await(store_->purge(ctx(), 2)), 0);
  EXPECT_EQ(try_once(key("old0"), answer("again")), "ok");
  EXPECT_EQ(try_once(key("young"), answer("x")), "REQUEST_REPEATED");
}

TEST_P(IdempotencyTest, APackedRowIsRestoredOnce) {
  const std::string packed = store_->pack(key("a"), answer("kept"));
  sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
    return store_->restore(ctx(), tx, packed);
  };
  ASSERT_TRUE(await(db().in_transaction(ctx(), body)));
  ASSERT_TRUE(await(db().in_transaction(ctx(), body)));
  EXPECT_EQ(find(key("a"))->body, "kept");
  EXPECT_EQ(try_once(key("a"), answer("x")), "REQUEST_REPEATED");
}

HALCYON_INSTANTIATE_DIALECTS(IdempotencyTest);

}  // namespace
}  // namespace halcyon::cluster
