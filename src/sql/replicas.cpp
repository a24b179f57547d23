#include "sql/replicas.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

#include "base/log.h"
#include "runtime/coalesce.h"
#include "runtime/io.h"
#include "sql/errors.h"

namespace halcyon::sql {

using runtime::Clock;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLookTime{500};       // for one look at a server
constexpr milliseconds kAskAgain{5};         // while a replica is waited for
constexpr milliseconds kFailoverWait{300};   // a read does not wait for a lost replica
constexpr milliseconds kShortPause{50};      // between looks at whether to stop
constexpr milliseconds kConnectPause{1000};  // before another try to connect
constexpr size_t kLongestPosition = 1000;

Task<Result<std::string>> ask(Database& db, const Context& ctx, Statement statement) {
  CO_TRY(Rows rows, co_await db.run(ctx, std::move(statement)));
  if (rows.empty() || rows.cell(0, 0).is_null()) co_return std::string();
  co_return std::string(rows.cell(0, 0).text());
}

}  // namespace

struct Replicas::Replica {
  std::string host;
  std::unique_ptr<Database> db;  // set once, before `well`
  std::atomic<bool> well{false}, ended{false};
  std::atomic<int64_t> reads{0}, lag_ms{0};
  runtime::Counter counted;  // by show()
  runtime::Coalescer<std::string> asked;

  // How far it is, as long as no connection was lost since it said so; else empty.
  std::string replayed() const {
    const std::scoped_lock lock(mutex);
    return db->losses() == losses_ ? replayed_ : std::string();
  }
  void note(std::string position, uint64_t losses) {
    const std::scoped_lock lock(mutex);
    replayed_ = std::move(position);
    losses_ = losses;
  }

 private:
  mutable std::mutex mutex;
  std::string replayed_;
  uint64_t losses_ = 0;
};

// A replica as it was when it was chosen. One that crashed begins again further back, so what it
// was known to have counts only while no connection is lost.
class Replicas::Pinned final : public Database {
 public:
  Pinned(std::shared_ptr<Replica> replica, uint64_t losses)
      : replica_(std::move(replica)), db_(*replica_->db), losses_(losses) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (db_.losses() != losses_) co_return fail(lost());
    auto rows = co_await db_.run(ctx, std::move(statement));
    if (rows && db_.losses() != losses_) co_return fail(lost());
    co_return rows;
  }
  Task<Status> in_transaction(const Context&, Body) override {
    co_return fail(database_error("DATABASE_ERROR", "a replica takes no writes"));
  }
  Task<Status> ping(const Context& ctx) override { return db_.ping(ctx); }
  PoolStats stats() const override { return db_.stats(); }
  uint64_t losses() const override { return db_.losses(); }
  const Options& options() const override { return db_.options(); }
  const Dialect& dialect() const override { return db_.dialect(); }
  Task<void> close() override { co_return; }

  const Replica& replica() const { return *replica_; }

 private:
  static Error lost() {
    return database_error("DATABASE_UNAVAILABLE", "a connection to the replica was lost");
  }

  std::shared_ptr<Replica> replica_;
  Database& db_;
  const uint64_t losses_;
};

struct Replicas::Shared {
  Shared(Database& db, runtime::IoPool& pool, ReplicaOptions o)
      : primary(db), io(pool), options(std::move(o)) {}

  Database& primary;
  runtime::IoPool& io;
  const ReplicaOptions options;
  std::vector<std::shared_ptr<Replica>> replicas;
  std::atomic<bool> stopping{false};
  std::atomic<size_t> turn{0};
  runtime::Counter passed_over;  // by show()
  runtime::Coalescer<std::string> positions;

  std::mutex mutex;
  std::string floor;
  // Where the primary was, and when: what tells how old a replica is.
  std::deque<std::pair<Clock::time_point, std::string>> past;

  bool covers(std::string_view replayed, std::string_view wanted) const {
    return primary.dialect().covers(replayed, wanted);
  }

  Task<Result<std::string>> position(const Context& ctx) {
    co_return co_await positions.get("", [&]() -> Task<Result<std::string>> {
      return ask(primary, ctx, primary.dialect().commit_position());
    });
  }
  Task<Result<std::string>> replayed(const Context& ctx, Replica& replica) {
    const uint64_t losses = replica.db->losses();
    auto asked = co_await replica.asked.get("", [&]() -> Task<Result<std::string>> {
      return ask(*replica.db, ctx, primary.dialect().replay_position());
    });
    if (asked) replica.note(*asked, losses);
    co_return asked;
  }

  void note_primary(Clock::time_point when, std::string position) {
    const std::scoped_lock lock(mutex);
    past.emplace_back(when, std::move(position));
    const auto oldest = when - options.max_lag - 2 * options.look_every - kLookTime;
    while (past.size() > 2 && past[1].first < oldest) past.pop_front();
  }
  // How long ago the primary was where the replica is now, at most.
  milliseconds lag_of(const std::string& replayed, Clock::time_point now) {
    const std::scoped_lock lock(mutex);
    for (size_t i = past.size(); i-- > 0;) {
      if (!covers(replayed, past[i].second)) continue;
      if (i + 1 == past.size()) return milliseconds(0);
      return std::chrono::ceil<milliseconds>(now - past[i].first);
    }
    return milliseconds::max();
  }

  bool usable(const Replica& replica) const {
    return replica.well && replica.lag_ms <= options.max_lag.count();
  }
  std::vector<std::shared_ptr<Replica>> rotation() {
    std::vector<std::shared_ptr<Replica>> list;
    const size_t first = turn.fetch_add(1, std::memory_order_relaxed);
    for (size_t i = 0; i < replicas.size(); ++i) {
      const auto& replica = replicas[(first + i) % replicas.size()];
      if (usable(*replica)) list.push_back(replica);
    }
    return list;
  }

  bool has_all(const Replica& replica, const std::string& wanted, const std::string& also) const {
    const std::string at = replica.replayed();
    return covers(at, wanted) && (also.empty() || covers(at, also));
  }
  Task<Status> look(Replica& replica);
};

// One look at a replica: is it there, and how far behind?
Task<Status> Replicas::Shared::look(Replica& replica) {
  Context ctx, other;
  const auto asked = Clock::now();
  ctx.deadline = asked + kLookTime;
  auto now = co_await position(ctx);
  if (now && !now->empty()) note_primary(asked, *now);
  other.deadline = Clock::now() + kLookTime;
  CO_TRY(std::string at, co_await replayed(other, replica));
  const milliseconds lag = lag_of(at, Clock::now());
  replica.lag_ms = lag.count();
  const bool well = lag != milliseconds::max();
  if (well && !replica.well.exchange(true))
    log_info("read replica in use", {{"host", replica.host}});
  if (!well && replica.well.exchange(false))
    log_warn("read replica left alone", {{"host", replica.host}, {"position", at}});
  co_return Status{};
}

Replicas::Replicas(Database& primary, runtime::IoPool& io, ReplicaOptions options)
    : shared_(std::make_shared<Shared>(primary, io, std::move(options))) {
  if (primary.dialect().commit_position().text.empty()) {
    log_warn("read replicas are not supported on this database; the primary does all reads");
    return;
  }
  for (const std::string& host : shared_->options.hosts) {
    auto replica = std::make_shared<Replica>();
    replica->host = host;
    shared_->replicas.push_back(replica);
  }
  for (auto& replica : shared_->replicas) {
    io.thread(0).post([shared = shared_, replica] { watch(shared, replica); });
  }
}

Replicas::~Replicas() { shared_->stopping = true; }

runtime::Detached Replicas::watch(std::shared_ptr<Shared> shared,
                                  std::shared_ptr<Replica> replica) {
  while (!shared->stopping) {
    milliseconds pause = shared->options.look_every;
    if (!replica->db) {
      Options options = shared->primary.options();
      options.host = replica->host;
      options.is_replica = true;
      options.failover_wait_ms = static_cast<int>(kFailoverWait.count());
      auto opened = co_await sql::open(options, shared->io);
      if (opened) {
        replica->db = *std::move(opened);
      } else {
        log_warn("read replica cannot be reached",
                 {{"host", replica->host}, {"reason", opened.error().internal}});
        pause = kConnectPause;
      }
    }
    if (replica->db) {
      Status status = co_await shared->look(*replica);
      if (!status && replica->well.exchange(false)) {
        log_warn("read replica lost",
                 {{"host", replica->host}, {"reason", status.error().internal}});
      }
    }
    const auto until = Clock::now() + pause;
    while (!shared->stopping && Clock::now() < until) co_await runtime::sleep_for(kShortPause);
  }
  replica->ended = true;
}

Task<void> Replicas::close() {
  shared_->stopping = true;
  for (auto& replica : shared_->replicas) {
    replica->well = false;
    while (!replica->ended) co_await runtime::sleep_for(kShortPause / 5);
    if (replica->db) co_await replica->db->close();
  }
}

Task<Replicas::Choice> Replicas::pick(const Context& ctx, std::string after) {
  Shared& shared = *shared_;
  const std::vector<std::shared_ptr<Replica>> list = shared.rotation();
  if (list.empty()) co_return Choice{};
  std::string floor;
  if (is_position(after)) {
    const std::scoped_lock lock(shared.mutex);
    floor = shared.floor;
  } else {
    auto now = co_await shared.position(ctx);
    if (!now || now->empty()) co_return Choice{};
    after = *std::move(now);
  }
  // Losses are read before what it has is looked at: one in between is noticed.
  const auto take = [&](const std::shared_ptr<Replica>& replica) -> std::optional<Choice> {
    auto pinned = std::make_shared<Pinned>(replica, replica->db->losses());
    if (!shared.has_all(*replica, after, floor)) return std::nullopt;
    replica->reads.fetch_add(1, std::memory_order_relaxed);
    if (replica->counted.handle != nullptr) replica->counted.add();
    return Choice{std::move(pinned), after};
  };
  for (const auto& replica : list) {
    if (auto choice = take(replica)) co_return *std::move(choice);
  }
  const auto until = std::min(Clock::now() + shared.options.patience, ctx.deadline);
  while (true) {
    for (const auto& replica : list) {
      if (!shared.usable(*replica)) continue;
      auto at = co_await shared.replayed(ctx, *replica);
      if (!at) replica->well = false;
      if (!at) continue;
      if (auto choice = take(replica)) co_return *std::move(choice);
    }
    if (Clock::now() + kAskAgain >= until) break;
    co_await runtime::sleep_for(kAskAgain);
  }
  if (shared.passed_over.handle != nullptr) shared.passed_over.add();
  co_return Choice{};
}

void Replicas::failed(const Database* replica) {
  const auto* pinned = dynamic_cast<const Pinned*>(replica);
  if (pinned == nullptr) return;
  for (auto& one : shared_->replicas) {
    if (one.get() == &pinned->replica() && one->well.exchange(false))
      log_warn("read replica lost", {{"host", one->host}});
  }
}

Task<Result<std::string>> Replicas::position(const Context& ctx) { return shared_->position(ctx); }

bool Replicas::is_position(std::string_view text) const {
  return !text.empty() && text.size() <= kLongestPosition && shared_->covers(text, text);
}

Task<Status> Replicas::raise_floor(const Context& ctx) {
  if (shared_->replicas.empty()) co_return Status{};
  CO_TRY(std::string now, co_await shared_->position(ctx));
  const std::scoped_lock lock(shared_->mutex);
  // Answers may come in another order than the questions.
  if (!shared_->covers(shared_->floor, now)) shared_->floor = std::move(now);
  co_return Status{};
}

std::vector<Replicas::State> Replicas::states() const {
  std::vector<State> list;
  for (const auto& replica : shared_->replicas) {
    list.push_back(
        {replica->host, shared_->usable(*replica), milliseconds(replica->lag_ms), replica->reads});
  }
  return list;
}

void Replicas::show(runtime::Metrics& metrics) {
  for (const auto& replica : shared_->replicas) {
    const runtime::Labels labels{{"host", replica->host}};
    std::weak_ptr weak = replica;  // the metrics may outlive the replicas
    const auto add = [&](const char* name, const char* help, auto read) {
      metrics.gauge(name, help, labels, [weak, read]() -> double {
        auto one = weak.lock();
        return one ? read(*one) : 0.0;
      });
    };
    add("halcyon_replica_lag_seconds", "How far the read replica is behind the primary, at most",
        [](const Replica& r) {
          return r.well ? static_cast<double>(r.lag_ms.load()) / 1000 : 0.0;
        });
    add("halcyon_replica_up", "1: the read replica is in use",
        [](const Replica& r) { return r.well ? 1.0 : 0.0; });
    replica->counted =
        metrics.counter("halcyon_replica_reads_total", "Reads given to the read replica", labels);
  }
  if (shared_->replicas.empty()) return;
  shared_->passed_over =
      metrics.counter("halcyon_replica_passed_over_total",
                      "Reads done by the primary since no replica was far enough");
}

}  // namespace halcyon::sql
