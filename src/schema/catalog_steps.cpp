// Changes where DDL ends transactions (MySQL, MariaDB): under a lease, one journalled step after
// the other. A crash leaves the journal; whoever takes the lease next finishes or undoes the steps.
#include <chrono>

#include "base/log.h"
#include "runtime/io.h"
#include "schema/catalog_impl.h"

namespace halcyon::schema {

namespace {

constexpr auto kRenewEvery = std::chrono::seconds(8);

// Keeps the lease while the work goes on: a long ALTER TABLE may take longer than the lease.
struct Renewal {
  std::atomic<bool> stop{false};
  std::atomic<bool> ended{false};
};

Task<Status> renew(std::shared_ptr<Renewal> renewal, const Store* store, sql::Database* db) {
  auto next = runtime::Clock::now() + kRenewEvery;
  while (!renewal->stop) {
    co_await runtime::sleep_for(std::chrono::milliseconds(20));
    if (runtime::Clock::now() < next) continue;
    next += kRenewEvery;
    Context ctx;
    auto kept = co_await store->take_lease(*db, ctx);
    if (kept && !*kept) break;  // lost: the holder's next progress report fails or is repeated
  }
  renewal->ended = true;
  co_return Status{};
}

}  // namespace

Task<Status> Catalog::Impl::with_lease(const Context& ctx, std::function<Task<Status>()> body) {
  for (;;) {
    CO_TRY(bool taken, co_await store.take_lease(db, ctx));
    if (taken) break;
    if (ctx.expired()) {
      co_return fail(Code::kUnavailable, "MODEL_LOCKED",
                     "Another change of the data model is under way, try again.");
    }
    co_await runtime::sleep_for(std::chrono::milliseconds(50));
  }
  auto renewal = std::make_shared<Renewal>();
  if (runtime::IoThread* io = runtime::IoThread::current()) {
    runtime::start(*io, renew(renewal, &store, &db), [](Status) {});
  } else {
    renewal->ended = true;
  }
  Status status = co_await repair(ctx);
  if (status) status = co_await body();
  renewal->stop = true;
  while (!renewal->ended) co_await runtime::sleep_for(std::chrono::milliseconds(10));
  Status dropped = co_await store.drop_lease(db, ctx);
  if (!status) co_return status;
  co_return dropped;
}

Task<Status> Catalog::Impl::plan_change(const Context& ctx, Unit& unit, const Mutation& mutation) {
  if (!unit.now) {
    CO_TRY(State state, co_await store.read(db, ctx));
    CO_TRY(unit.base, co_await base_of(db, ctx, state.generation));
    unit.now = unit.base;
  }
  CO_TRY(auto after, apply(*unit.now, mutation, unit.base->snapshot->generation + 1));
  if (!after) co_return Status{};
  CO_TRY(auto steps, plan_steps(*unit.base->snapshot, *after->snapshot));
  CO_TRY_STATUS(co_await check_steps(db, ctx, steps));
  unit.now = std::move(after);
  co_return Status{};
}

Task<Status> Catalog::Impl::unit_in_steps(const Context& ctx, const UnitBody& body) {
  std::shared_ptr<const Loaded> made;
  std::function<Task<Status>()> work = [&]() -> Task<Status> {
    Unit unit;
    CO_TRY_STATUS(co_await body(unit));
    if (unit.changed()) {
      CO_TRY(auto steps, plan_steps(*unit.base->snapshot, *unit.now->snapshot));
      if (!steps.empty()) {
        Journal journal;
        journal.after = unit.now->stored;
        journal.note = unit.note;
        CO_TRY_STATUS(co_await store.write_journal(db, ctx, std::move(journal)));
        CO_TRY_STATUS(co_await run_journalled(ctx, steps));
      }
      CO_TRY_STATUS(co_await finish_journal(ctx, *unit.base, *unit.now, unit.last));
    } else if (unit.last) {
      CO_TRY_STATUS(co_await db.in_transaction(ctx, unit.last));
    }
    made = unit.now;
    co_return Status{};
  };
  CO_TRY_STATUS(co_await with_lease(ctx, work));
  if (made) publish(std::move(made));
  co_return Status{};
}

Task<Status> Catalog::Impl::run_journalled(const Context& ctx, const std::vector<Step>& steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    Status status = co_await run_step(db, ctx, steps[i]);
    if (!status) {
      // Once data is gone there is no way back: the journal stays and the rest is tried again.
      const bool forward = i > 0 && steps[i - 1].destructive;
      if (!forward) CO_TRY_STATUS(co_await undo(ctx, steps, static_cast<int64_t>(i) + 1));
      co_return status;
    }
    CO_TRY_STATUS(co_await store.progress(db, ctx, false, static_cast<int64_t>(i) + 1));
  }
  co_return Status{};
}

// Takes back the first `done` steps, the last first.
Task<Status> Catalog::Impl::undo(const Context& ctx, const std::vector<Step>& steps, int64_t done) {
  while (done > 0) {
    CO_TRY_STATUS(co_await store.progress(db, ctx, true, done));
    if (auto back = inverse(steps[static_cast<size_t>(done - 1)])) {
      CO_TRY_STATUS(co_await run_step(db, ctx, std::move(*back), true));
    }
    --done;
  }
  co_return co_await store.clear_journal(db, ctx);
}

// The rows, the generation, the end of the journal and what the caller writes, at once.
Task<Status> Catalog::Impl::finish_journal(const Context& ctx, const Loaded& before,
                                           const Loaded& after, const Last& last) {
  sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
    CO_TRY(State state, co_await store.lock(tx, ctx));
    state.generation = after.snapshot->generation;
    CO_TRY_STATUS(co_await save(ctx, tx, before, after));
    CO_TRY_STATUS(co_await store.write(tx, ctx, state));
    CO_TRY_STATUS(co_await store.clear_journal(tx, ctx));
    if (last) CO_TRY_STATUS(co_await last(tx));
    co_return Status{};
  };
  co_return co_await db.in_transaction(ctx, body);
}

// A change that did not come to its end: forward, or back if it was on its way back.
Task<Status> Catalog::Impl::repair(const Context& ctx) {
  CO_TRY(auto journal, co_await store.read_journal(db, ctx));
  if (!journal) co_return Status{};
  CO_TRY(State state, co_await store.read(db, ctx));
  CO_TRY(auto before, co_await load(db, ctx, state.generation));
  const auto after = make_loaded(journal->after, state.generation + 1);
  CO_TRY(auto steps, plan_steps(*before->snapshot, *after->snapshot));
  const auto count = static_cast<int64_t>(steps.size());
  if (journal->undoing) {
    co_return co_await undo(ctx, steps, std::min(journal->done, count));
  }
  for (int64_t i = std::min(journal->done, count); i < count; ++i) {
    const Step& step = steps[static_cast<size_t>(i)];
    Status status = co_await run_step(db, ctx, step, true);
    if (!status) {
      if (step.destructive) co_return status;
      co_return co_await undo(ctx, steps, i + 1);
    }
    CO_TRY_STATUS(co_await store.progress(db, ctx, false, i + 1));
  }
  Last last;
  if (restore && !journal->note.empty()) {
    last = [&](sql::Transaction& tx) { return restore(ctx, tx, journal->note); };
  }
  co_return co_await finish_journal(ctx, *before, *after, last);
}

}  // namespace halcyon::schema
