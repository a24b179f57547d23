#include "sql/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>

#include "base/ids.h"
#include "base/log.h"
#include "sql/migration_store.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql {

namespace {

using namespace std::chrono_literals;
using runtime::Clock;
using Records = MigrationStore::Records;
using Phase = MigrationPhase;
using State = MigrationState;

// One statement of the lock's upkeep may take this long.
constexpr auto kLockPatience = 5s;
constexpr auto kWatchPatience = 10s;

bool passes(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded;
}

State state_in(const Records& records, int number) {
  auto it = records.find(number);
  return it == records.end() ? State::kPending : it->second.state;
}

// Keeps the lock while its holder works, however long a step takes. On one io thread.
struct Renewal : std::enable_shared_from_this<Renewal> {
  Renewal(const MigrationStore& s, Database& d, int64_t t, std::chrono::milliseconds e)
      : store(s), db(d), token(t), every(e) {}

  const MigrationStore& store;
  Database& db;
  const int64_t token;
  const std::chrono::milliseconds every;
  runtime::IoThread* const io = runtime::IoThread::current();
  uint64_t timer = 0;
  bool stopping = false, busy = false;

  void arm() {
    if (stopping) return;
    timer = io->after(every, [self = shared_from_this()] {
      self->timer = 0;
      self->busy = true;
      runtime::start_here(self->renew(), [self] {
        self->busy = false;
        self->arm();
      });
    });
  }
  // A lost lock shows in what the holder does next: every step asks whether the lock is its own.
  Task<void> renew() {
    Context ctx;
    ctx.deadline = Clock::now() + kLockPatience;
    (void)co_await store.renew(db, ctx, token);
  }
  Task<void> stop() {
    stopping = true;
    if (timer != 0) io->cancel(std::exchange(timer, 0));
    while (busy) co_await runtime::sleep_for(10ms);
  }
};

}  // namespace

struct Migrations::Impl : std::enable_shared_from_this<Migrations::Impl> {
  Impl(Database& database, std::vector<Migration> migrations, MigrationOptions o)
      : db(database),
        list(std::move(migrations)),
        options(std::move(o)),
        store(options, uuid_v4()) {}

  Database& db;
  const std::vector<Migration> list;
  const MigrationOptions options;
  const MigrationStore store;

  mutable std::mutex mutex;
  SchemaFit known_fit;  // guarded by mutex

  runtime::IoThread* io = nullptr;  // of the watch; the rest on that thread only
  uint64_t timer = 0;
  bool stopping = false, ticking = false;
  Context* at_work = nullptr;  // of the contract migrations under way

  using Body = std::function<Task<Status>(int64_t token)>;

  int version() const { return list.empty() ? 0 : list.back().number; }
  SchemaFit fit() const {
    const std::scoped_lock lock(mutex);
    return known_fit;
  }
  Task<Status> start(const Context& ctx);
  Task<Result<bool>> contract(const Context& ctx);
  Task<Status> check(const Context& ctx);
  Task<Result<bool>> may_return(const Context& ctx);
  Task<Result<std::vector<MigrationInfo>>> status(const Context& ctx);
  void arm();
  Task<void> tick();

 private:
  Task<Result<Records>> read_or_none(const Context& ctx) const;
  const MigrationInfo* later_contract(const Records& records) const;
  const Migration* next_expand(const Records& records) const;
  std::string too_old(const MigrationInfo& later) const;
  Task<Result<bool>> is_up(const Context& ctx, const Records& records) const;

  Task<Result<std::optional<int64_t>>> take(const Context& ctx) const;
  Task<Status> holding(const Context& ctx, int64_t token, Body body);
  Task<Status> migrate(const Context& ctx, int64_t token);
  Task<Status> withdraw(const Context& ctx, int64_t token, int number);
  Task<Status> run_one(const Context& ctx, int64_t token, const Migration& migration);
  Task<Status> run_batch(const Context& ctx, int64_t token, const Migration& migration,
                         MigrationStep& after);
  Task<Status> mark(const Context& ctx, int64_t token, const Migration& migration, State state);
  Task<Result<bool>> all_new_enough(const Context& ctx, const Migration& migration) const;
  Task<Status> contract_one(const Context& ctx, int64_t token, const Migration& migration,
                            bool& ran);
  Task<void> tell_waiting(const Context& ctx, Clock::time_point& next) const;
  void set_fit(SchemaFit now);
};

// Without tables nothing was ever applied.
Task<Result<Records>> Migrations::Impl::read_or_none(const Context& ctx) const {
  auto records = co_await store.read(db, ctx);
  if (!records && records.error().id == "UNKNOWN_TABLE_OR_COLUMN") co_return Records{};
  co_return records;
}

// A contract migration of a later version that has begun or is about to; the latter counts least.
const MigrationInfo* Migrations::Impl::later_contract(const Records& records) const {
  const MigrationInfo* found = nullptr;
  for (const auto& [number, info] : records) {
    if (number <= version() || info.phase != Phase::kContract) continue;
    if (found == nullptr || info.state != State::kAnnounced) found = &info;
  }
  return found;
}

const Migration* Migrations::Impl::next_expand(const Records& records) const {
  for (const Migration& migration : list) {
    if (migration.phase == Phase::kExpand && state_in(records, migration.number) != State::kApplied)
      return &migration;
  }
  return nullptr;
}

std::string Migrations::Impl::too_old(const MigrationInfo& later) const {
  return fmt::format(
      "This server ({}, schema version {}) is too old for the database: migration {} \"{}\" of "
      "version {} took away what it needs. Run that version or a later one.",
      options.version, version(), later.number, later.name, later.version);
}

Task<Result<bool>> Migrations::Impl::is_up(const Context& ctx, const Records& records) const {
  if (next_expand(records) != nullptr) co_return false;
  if (!options.base_fits) co_return true;
  co_return co_await options.base_fits(ctx);
}

// A database that is busy or away counts as: not now.
Task<Result<std::optional<int64_t>>> Migrations::Impl::take(const Context& ctx) const {
  Context brief;
  brief.deadline = std::min(ctx.deadline, Clock::now() + kLockPatience);
  auto taken = co_await store.take(db, brief);
  if (!taken && passes(taken.error())) co_return std::nullopt;
  co_return taken;
}

Task<Status> Migrations::Impl::holding(const Context& ctx, int64_t token, Body body) {
  auto renewal = std::make_shared<Renewal>(store, db, token, options.lock_ttl / 4);
  renewal->arm();
  Status status = co_await body(token);
  co_await renewal->stop();
  (void)co_await store.release(db, ctx, token);  // else the lease runs out
  co_return status;
}

Task<void> Migrations::Impl::tell_waiting(const Context& ctx, Clock::time_point& next) const {
  if (Clock::now() < next) co_return;
  next = Clock::now() + options.progress_interval;
  auto holder = co_await store.holder(db, ctx);
  auto records = co_await store.read(db, ctx);
  if (!holder || !records) co_return;
  MigrationInfo running;
  for (const auto& [number, info] : *records) {
    if (info.state != State::kApplied) running = info;
  }
  log_info("waiting for migrations of another process", {{"host", holder->host},
                                                         {"migration", holder->note},
                                                         {"done", running.done},
                                                         {"total", running.total}});
}

Task<Status> Migrations::Impl::start(const Context& ctx) {
  Clock::time_point next_line = Clock::now() + options.progress_interval;
  for (;;) {
    CO_TRY(Records records, co_await read_or_none(ctx));
    const MigrationInfo* later = later_contract(records);
    if (later != nullptr && later->state != State::kAnnounced) {
      co_return fail(Code::kInternal, "SCHEMA_TOO_NEW", too_old(*later));
    }
    if (later == nullptr) {
      CO_TRY(bool up, co_await is_up(ctx, records));
      if (up) break;
    }
    CO_TRY_STATUS(co_await store.create_tables(db, ctx));
    CO_TRY(auto token, co_await take(ctx));
    if (token) {
      const int announced = later != nullptr ? later->number : 0;
      Body body = [&](int64_t held) -> Task<Status> {
        // Who announced it has gone: it would still hold the lock.
        if (announced > 0) return withdraw(ctx, held, announced);
        return migrate(ctx, held);
      };
      Status done = co_await holding(ctx, *token, body);
      if (!done && !passes(done.error())) co_return done;
      if (!done) log_warn("migrations were interrupted", {{"cause", done.error().message}});
    }
    if (ctx.expired()) {
      co_return fail(Code::kUnavailable, "MIGRATION_LOCKED",
                     "The migrations of another process have not come to an end in time.");
    }
    if (!token) {
      co_await tell_waiting(ctx, next_line);
      co_await runtime::sleep_for(options.poll_interval);
    }
  }
  if (auto contracted = co_await contract(ctx); !contracted) {
    log_warn("contract migrations failed and will be tried again",
             {{"cause", contracted.error().message}, {"detail", contracted.error().internal}});
  }
  co_return co_await check(ctx);
}

// Under the lock.
Task<Status> Migrations::Impl::migrate(const Context& ctx, int64_t token) {
  if (options.base_fits) {
    CO_TRY(bool fits, co_await options.base_fits(ctx));
    if (!fits) {
      (void)co_await store.note(db, ctx, token, "tables");
      CO_TRY_STATUS(co_await options.make_base(ctx));
    }
  }
  for (;;) {
    CO_TRY(Records records, co_await store.read(db, ctx));
    const Migration* next = next_expand(records);
    if (next == nullptr) co_return Status{};
    CO_TRY_STATUS(co_await run_one(ctx, token, *next));
  }
}

Task<Status> Migrations::Impl::withdraw(const Context& ctx, int64_t token, int number) {
  Database::Body body = [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await store.renew(tx, ctx, token));
    CO_TRY(Records records, co_await store.read(tx, ctx));
    if (state_in(records, number) != State::kAnnounced) co_return Status{};
    co_return co_await store.remove(tx, ctx, number);
  };
  co_return co_await db.in_transaction(ctx, body);
}

Task<Status> Migrations::Impl::mark(const Context& ctx, int64_t token, const Migration& migration,
                                    State state) {
  Database::Body body = [&](Transaction& tx) -> Task<Status> {
    MigrationStep step{tx, ctx, {}, 0, 0, true};
    CO_TRY_STATUS(co_await store.resume(ctx, migration.number, step));
    CO_TRY_STATUS(co_await store.renew(tx, ctx, token));
    co_return co_await store.write(tx, ctx, migration, state, step);
  };
  co_return co_await db.in_transaction(ctx, body);
}

// In one transaction with its record and the question whether the lock is still ours: at the end,
// where it also keeps others from taking it until the commit.
Task<Status> Migrations::Impl::run_batch(const Context& ctx, int64_t token,
                                         const Migration& migration, MigrationStep& after) {
  Database::Body body = [&](Transaction& tx) -> Task<Status> {
    MigrationStep step{tx, ctx, after.cursor, after.done, after.total, true};
    if (migration.in_transaction) {
      CO_TRY_STATUS(co_await limit_lock_wait(tx, ctx));
      CO_TRY_STATUS(co_await store.check(tx, ctx, token));
      CO_TRY_STATUS(co_await store.resume(ctx, migration.number, step));
      CO_TRY_STATUS(co_await migration.run(step));
    }
    CO_TRY_STATUS(co_await store.renew(tx, ctx, token));
    const bool finished = migration.in_transaction ? step.finished : after.finished;
    CO_TRY_STATUS(co_await store.write(tx, ctx, migration,
                                       finished ? State::kApplied : State::kRunning, step));
    after.finished = finished;
    after.done = step.done;
    after.total = step.total;
    co_return Status{};
  };
  if (!migration.in_transaction) {
    CO_TRY_STATUS(co_await store.check(db, ctx, token));
    CO_TRY_STATUS(co_await store.resume(ctx, migration.number, after));
    CO_TRY_STATUS(co_await migration.run(after));
  }
  co_return co_await db.in_transaction(ctx, body);
}

Task<Status> Migrations::Impl::run_one(const Context& ctx, int64_t token,
                                       const Migration& migration) {
  const auto began = Clock::now();
  auto next_line = began + options.progress_interval;
  log_info("migration begins", {{"number", migration.number},
                                {"name", migration.name},
                                {"phase", to_text(migration.phase)}});
  (void)co_await store.note(db, ctx, token, fmt::format("{} {}", migration.number, migration.name));
  for (;;) {
    MigrationStep after{db, ctx, {}, 0, 0, true};
    Status status = co_await run_batch(ctx, token, migration, after);
    if (!status && passes(status.error())) co_return status;
    if (!status) {
      co_return fail(Error(Code::kInternal, "MIGRATION_FAILED",
                           fmt::format("Migration {} \"{}\" failed: {}", migration.number,
                                       migration.name, status.error().message))
                         .with_internal(status.error().internal));
    }
    if (after.finished) break;
    if (Clock::now() < next_line) continue;
    next_line = Clock::now() + options.progress_interval;
    log_info("migration goes on",
             {{"number", migration.number}, {"done", after.done}, {"total", after.total}});
  }
  const std::chrono::duration<double, std::milli> took = Clock::now() - began;
  log_info("migration applied",
           {{"number", migration.number}, {"name", migration.name}, {"ms", took.count()}});
  co_return Status{};
}

Task<Result<bool>> Migrations::Impl::all_new_enough(const Context& ctx,
                                                    const Migration& migration) const {
  if (!options.oldest_member_version) co_return false;
  CO_TRY(int64_t oldest, co_await options.oldest_member_version(ctx));
  co_return oldest >= migration.number;
}

Task<Result<bool>> Migrations::Impl::contract(const Context& ctx) {
  CO_TRY(Records records, co_await read_or_none(ctx));
  for (const Migration& migration : list) {
    if (state_in(records, migration.number) == State::kApplied) continue;
    if (migration.phase == Phase::kExpand) co_return false;        // the order is kept
    if (state_in(records, migration.number) != State::kRunning) {  // what has begun is finished
      CO_TRY(bool may, co_await all_new_enough(ctx, migration));
      if (!may) co_return false;
    }
    CO_TRY(auto token, co_await take(ctx));
    if (!token) co_return false;
    bool ran = false;
    Body body = [&](int64_t held) -> Task<Status> {
      return contract_one(ctx, held, migration, ran);
    };
    CO_TRY_STATUS(co_await holding(ctx, *token, body));
    if (!ran) co_return false;
    CO_TRY(records, co_await store.read(db, ctx));
  }
  co_return true;
}

// A member that starts first writes its row and then looks for announcements; here it is announced
// first and then looked for members. So one of the two sees the other, and an older member either
// is waited for or does not start.
Task<Status> Migrations::Impl::contract_one(const Context& ctx, int64_t token,
                                            const Migration& migration, bool& ran) {
  CO_TRY(Records records, co_await store.read(db, ctx));
  const State state = state_in(records, migration.number);
  ran = true;
  if (state == State::kApplied) co_return Status{};
  if (state != State::kRunning) {
    CO_TRY_STATUS(co_await mark(ctx, token, migration, State::kAnnounced));
    CO_TRY(bool may, co_await all_new_enough(ctx, migration));
    ran = may;
    if (!may) co_return co_await withdraw(ctx, token, migration.number);
    CO_TRY_STATUS(co_await mark(ctx, token, migration, State::kRunning));
  }
  co_return co_await run_one(ctx, token, migration);
}

void Migrations::Impl::set_fit(SchemaFit now) {
  const std::scoped_lock lock(mutex);
  if (now.serves != known_fit.serves || now.reason != known_fit.reason) {
    if (!now.serves) log_error("cannot serve this database", {{"cause", now.reason}});
    if (now.serves && !known_fit.reason.empty()) log_info("the database fits again");
  }
  known_fit = std::move(now);
}

Task<Status> Migrations::Impl::check(const Context& ctx) {
  CO_TRY(Records records, co_await read_or_none(ctx));
  SchemaFit found;
  const MigrationInfo* later = later_contract(records);
  const Migration* missing = next_expand(records);
  if (later != nullptr && later->state != State::kAnnounced) {
    found.reason = too_old(*later);
  } else if (missing != nullptr) {
    found.reason = fmt::format("The database lacks migration {} \"{}\", which this server needs.",
                               missing->number, missing->name);
  } else {
    found.serves = true;
  }
  set_fit(std::move(found));
  co_return Status{};
}

// This member's row is there again. Whoever announced a contract migration before may not have seen
// it, so an announcement has to be settled first: its holder goes on, or it is taken back.
Task<Result<bool>> Migrations::Impl::may_return(const Context& ctx) {
  CO_TRY(Records records, co_await read_or_none(ctx));
  const MigrationInfo* later = later_contract(records);
  if (later == nullptr) co_return true;
  if (later->state != State::kAnnounced) {
    set_fit({false, too_old(*later)});
    co_return false;
  }
  CO_TRY(auto token, co_await take(ctx));
  if (!token) co_return false;
  Body body = [&](int64_t held) { return withdraw(ctx, held, later->number); };
  CO_TRY_STATUS(co_await holding(ctx, *token, body));
  co_return true;
}

Task<Result<std::vector<MigrationInfo>>> Migrations::Impl::status(const Context& ctx) {
  CO_TRY(Records records, co_await read_or_none(ctx));
  for (const Migration& migration : list) {
    MigrationInfo& info = records[migration.number];
    info.number = migration.number;
    info.name = migration.name;
    info.phase = migration.phase;
    info.known = true;
  }
  std::vector<MigrationInfo> all;
  for (auto& [number, info] : records) all.push_back(std::move(info));
  co_return all;
}

void Migrations::Impl::arm() {
  if (stopping) return;
  timer = io->after(options.watch_interval, [self = shared_from_this()] {
    self->timer = 0;
    self->ticking = true;
    runtime::start_here(self->tick(), [self] {
      self->ticking = false;
      self->arm();
    });
  });
}

Task<void> Migrations::Impl::tick() {
  Context ctx;
  ctx.deadline = Clock::now() + kWatchPatience;
  (void)co_await check(ctx);  // without the database readiness fails anyway
  if (!fit().serves) co_return;
  Context long_enough;
  long_enough.deadline = Clock::now() + 1h;
  at_work = &long_enough;
  auto contracted = co_await contract(long_enough);
  at_work = nullptr;
  if (contracted || passes(contracted.error())) co_return;
  log_error("a contract migration failed and will be tried again",
            {{"cause", contracted.error().message}, {"detail", contracted.error().internal}});
}

Migrations::Migrations(Database& db, std::vector<Migration> list, MigrationOptions options)
    : impl_(std::make_shared<Impl>(db, std::move(list), std::move(options))) {
  int last = 0;
  for (const Migration& migration : impl_->list) {
    if (migration.number <= last) throw std::logic_error("migrations are not in order");
    last = migration.number;
  }
}
Migrations::~Migrations() = default;

int Migrations::schema_version() const { return impl_->version(); }
Task<Status> Migrations::start(const Context& ctx) { return impl_->start(ctx); }
Task<Result<bool>> Migrations::contract(const Context& ctx) { return impl_->contract(ctx); }
Task<Status> Migrations::check(const Context& ctx) { return impl_->check(ctx); }
Task<Result<std::vector<MigrationInfo>>> Migrations::status(const Context& ctx) {
  return impl_->status(ctx);
}
Task<Result<bool>> Migrations::may_return(const Context& ctx) { return impl_->may_return(ctx); }
SchemaFit Migrations::fit() const { return impl_->fit(); }

void Migrations::watch(runtime::IoThread& io) {
  impl_->io = &io;
  io.post([impl = impl_] { impl->arm(); });
}

Task<void> Migrations::stop_watching() {
  auto impl = impl_;
  if (impl->io == nullptr) co_return;
  co_await runtime::Suspend([impl](std::move_only_function<void()> resume) {
    impl->io->post([impl, resume = std::move(resume)]() mutable {
      impl->stopping = true;
      if (impl->at_work != nullptr) impl->at_work->cancelled = true;  // others go on with it
      if (impl->timer != 0) impl->io->cancel(std::exchange(impl->timer, 0));
      resume();
    });
  });
  while (impl->ticking) co_await runtime::sleep_for(10ms);
}

}  // namespace halcyon::sql
