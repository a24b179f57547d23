#include "cluster/locks.h"

#include <algorithm>

#include "base/log.h"
#include "cluster/build.h"
#include "cluster/locks_impl.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kReleaseTime{2000};

Error lock_lost() {
  return Error(Code::kUnavailable, "LOCK_LOST",
               "Another server has taken over this work meanwhile, try again.");
}
Error lock_busy() {
  return Error(Code::kUnavailable, "LOCK_BUSY",
               "Another server is at this work; it did not end in time, try again.");
}

}  // namespace

class LockImpl final : public Lock {
 public:
  LockImpl(std::shared_ptr<LocksImpl> locks, std::shared_ptr<LocksImpl::Grip> grip)
      : locks_(std::move(locks)), grip_(std::move(grip)) {}
  ~LockImpl() override {
    if (!grip_->released) locks_->let_go(grip_);
  }
  int64_t token() const override { return grip_->token; }
  bool held() const override { return !grip_->lost && !grip_->released && locks_->member_.holds(); }

  Task<Status> check(sql::Executor& tx, const Context& ctx) override {
    sql::Select select;
    select.from = locks_->core_.tables["locks"];
    select.columns = {{sql::column("t", "token"), "token"}, {sql::column("t", "owner"), "owner"}};
    select.where = sql::eq(sql::column("t", "name"), text(grip_->name));
    select.for_update = true;
    CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
    const bool ours = !rows.empty() && to_number(rows.cell(0, 0)) == grip_->token &&
                      rows.cell(0, 1).text() == locks_->member_.holder();
    if (!ours) {
      grip_->lost = true;
      co_return fail(lock_lost());
    }
    co_return Status{};
  }

  Task<void> release() override {
    if (grip_->released.exchange(true)) co_return;
    Within ctx(kReleaseTime);
    Status status = co_await locks_->release_row(ctx, *grip_);
    if (!status) locks_->let_go(grip_);
  }

 private:
  std::shared_ptr<LocksImpl> locks_;
  std::shared_ptr<LocksImpl::Grip> grip_;
};

LocksImpl::LocksImpl(Core& core, Membership& member)
    : core_(core),
      member_(member),
      releaser_(std::make_shared<Background>(core.io, [this] { return releaser_step(); })) {}

// The new token, 0 when somebody else has the lock.
Task<Result<int64_t>> LocksImpl::take(const Context& ctx, const std::string& name) {
  auto alive = std::make_shared<sql::Select>();
  alive->from = core_.tables["members"];
  alive->from.alias = "m";
  alive->columns = {{sql::column("m", "id"), ""}};
  alive->where = greater(sql::column("m", "lease_until_ms"), now_ms());
  sql::Update update;
  update.table = core_.tables["locks"];
  update.set = {{"owner", text(member_.holder())},
                {"token", plus(col("token"), number(1))},
                {"taken_ms", now_ms()}};
  update.where = sql::all_of(
      {sql::eq(col("name"), text(name)),
       sql::any_of({sql::is_null(col("owner")),
                    sql::make(sql::InSelect{{col("owner")}, std::move(alive), true})})});
  sql::Select select;
  select.from = core_.tables["locks"];
  select.columns = {{sql::column("t", "token"), "token"}};
  select.where = sql::eq(sql::column("t", "name"), text(name));
  co_return co_await sql::transact<int64_t>(
      core_.control, ctx, [&](sql::Transaction& tx) -> Task<Result<int64_t>> {
        CO_TRY(sql::Rows taken, co_await tx.run(ctx, render(update, tx.dialect())));
        if (taken.affected == 0) co_return 0;
        CO_TRY(sql::Rows rows, co_await tx.run(ctx, render(select, tx.dialect())));
        co_return to_number(rows.cell(0, 0));
      });
}

Task<Result<int64_t>> LocksImpl::first_row(const Context& ctx, const std::string& name) {
  sql::Insert insert;
  insert.table = core_.tables["locks"];
  insert.columns = {"name", "token", "taken_ms"};
  insert.rows = {{text(name), number(0), now_ms()}};
  insert.ignore_conflicts = true;
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(insert, core_.control.dialect())));
  co_return co_await take(ctx, name);
}

Task<Result<std::unique_ptr<Lock>>> LocksImpl::try_acquire(const Context& ctx, std::string name) {
  if (!member_.holds()) co_return fail(lease_lost());
  CO_TRY(int64_t token, co_await take(ctx, name));
  if (token == 0) {
    sql::Select select;
    select.from = core_.tables["locks"];
    select.columns = {{sql::column("t", "token"), "token"}};
    select.where = sql::eq(sql::column("t", "name"), text(name));
    CO_TRY(sql::Rows rows,
           co_await core_.control.run(ctx, render(select, core_.control.dialect())));
    if (!rows.empty()) co_return nullptr;
    CO_TRY(token, co_await first_row(ctx, name));
    if (token == 0) co_return nullptr;
  }
  auto grip = std::make_shared<Grip>();
  grip->name = std::move(name);
  grip->token = token;
  {
    std::lock_guard lock(mutex_);
    held_.insert(grip);
  }
  co_return std::make_unique<LockImpl>(shared_from_this(), std::move(grip));
}

Task<Result<std::unique_ptr<Lock>>> LocksImpl::acquire(const Context& ctx, std::string name) {
  for (int tries = 0;; ++tries) {
    CO_TRY(std::unique_ptr<Lock> lock, co_await try_acquire(ctx, name));
    if (lock) co_return lock;
    const milliseconds pause(std::min(10 << std::min(tries, 5), 200));
    if (ctx.expired() || ctx.remaining() <= pause) co_return fail(lock_busy());
    co_await runtime::sleep_for(pause);
  }
}

Task<Status> LocksImpl::release_row(const Context& ctx, const Grip& grip) {
  sql::Update update;
  update.table = core_.tables["locks"];
  update.set = {{"owner", sql::param(sql::Value(sql::Null{}, sql::Type::kText))}};
  update.where =
      sql::all_of({sql::eq(col("name"), text(grip.name)), sql::eq(col("token"), number(grip.token)),
                   sql::eq(col("owner"), text(member_.holder()))});
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(update, core_.control.dialect())));
  std::lock_guard lock(mutex_);
  std::erase_if(held_, [&](const auto& item) { return item.get() == &grip; });
  co_return Status{};
}

void LocksImpl::let_go(std::shared_ptr<Grip> grip) {
  grip->released = true;
  {
    std::lock_guard lock(mutex_);
    to_release_.push_back(std::move(grip));
  }
  releaser_->wake();
}

Task<milliseconds> LocksImpl::releaser_step() {
  while (true) {
    std::shared_ptr<Grip> grip;
    {
      std::lock_guard lock(mutex_);
      if (to_release_.empty()) co_return milliseconds(60'000);
      grip = to_release_.back();
    }
    Within ctx(kReleaseTime);
    Status status = co_await release_row(ctx, *grip);
    if (!status) co_return milliseconds(500);
    std::lock_guard lock(mutex_);
    std::erase(to_release_, grip);
  }
}

Task<void> LocksImpl::stop() {
  co_await releaser_->stop();
  std::set<std::shared_ptr<Grip>> held;
  {
    std::lock_guard lock(mutex_);
    held = held_;
  }
  for (const auto& grip : held) {
    grip->released = true;
    Within ctx(kReleaseTime);
    if (!co_await release_row(ctx, *grip)) co_return;
  }
}

Task<void> LocksImpl::verify(const Context& ctx) {
  std::set<std::shared_ptr<Grip>> held;
  {
    std::lock_guard lock(mutex_);
    if (held_.empty()) co_return;
    held = held_;
  }
  sql::Select select;
  select.from = core_.tables["locks"];
  select.columns = {{sql::column("t", "name"), "name"}, {sql::column("t", "token"), "token"}};
  select.where = sql::eq(sql::column("t", "owner"), text(member_.holder()));
  auto rows = co_await core_.control.run(ctx, render(select, core_.control.dialect()));
  if (!rows) co_return;
  std::map<std::string, int64_t, std::less<>> ours;
  for (size_t i = 0; i < rows->size(); ++i) {
    ours.emplace(rows->cell(i, 0).text(), to_number(rows->cell(i, 1)));
  }
  for (const auto& grip : held) {
    auto it = ours.find(grip->name);
    if (grip->released || (it != ours.end() && it->second == grip->token)) continue;
    if (!grip->lost.exchange(true)) log_warn("a lock was lost", {{"name", grip->name}});
    std::lock_guard lock(mutex_);
    held_.erase(grip);
  }
}

}  // namespace halcyon::cluster
