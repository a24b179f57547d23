#include "cluster/membership.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/ids.h"
#include "base/log.h"
#include "cluster/build.h"
#include "cluster/process_id.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLongestPause{2500};
constexpr std::array<std::string_view, 3> kStates{"starting", "ready", "draining"};

sql::Expr state_text(MemberState state) {
  return text(std::string(kStates[static_cast<size_t>(state)]));
}

MemberState state_of(std::string_view text) {
  auto it = std::ranges::find(kStates, text);
  return it == kStates.end() ? MemberState::kStarting
                             : static_cast<MemberState>(it - kStates.begin());
}

}  // namespace

const std::string kMembersHint = "members";

Error lease_lost() {
  return Error(Code::kUnavailable, "LEASE_LOST",
               "This server has lost touch with the database, try again.");
}

Membership::Membership(Core& core)
    : core_(core),
      id_(uuid_v4()),
      heartbeat_(std::make_shared<Background>(core.io, [this] { return step(); })) {}

Task<Status> Membership::insert(const Context& ctx, int64_t position) {
  const Options& options = core_.options;
  const int64_t sent = now();
  sql::Insert insert;
  insert.table = core_.tables["members"];
  insert.columns = {"id",          "host",           "pid",         "process",         "version",
                    "worker_mode", "schema_version", "state",       "drain_requested", "listening",
                    "started_ms",  "lease_until_ms", "bus_position"};
  insert.rows = {{text(id_), text(options.host), number(getpid()), text(process_id(getpid())),
                  text(options.version), text(options.worker_mode.substr(0, 255)),
                  number(options.schema_version), state_text(state_), flag(drain_requested_),
                  flag(listening_), started_ms_ != 0 ? number(started_ms_) : now_ms(),
                  plus(now_ms(), number(ttl().count())), number(position)}};
  insert.ignore_conflicts = true;  // an answer that was lost may have been good
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(insert, core_.control.dialect())));
  renewed_at_ = sent;
  inserted_at_ = now();
  alone_until_ = 0;
  co_return Status{};
}

// How many rows there were: 0 or 1.
Task<Result<int64_t>> Membership::set_row(sql::Database& db, const Context& ctx, std::string member,
                                          sql::Assignment value) {
  sql::Update update;
  update.table = core_.tables["members"];
  update.set = {std::move(value)};
  update.where = sql::eq(col("id"), text(std::move(member)));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(update, db.dialect())));
  co_return rows.affected;
}

Task<Status> Membership::join(const Context& ctx, int64_t position) {
  CO_TRY_STATUS(co_await insert(ctx, position));
  co_return co_await renew(ctx);
}

Task<Status> Membership::listen(const Context& ctx) {
  listening_ = true;
  CO_TRY_STATUS(co_await set_row(core_.control, ctx, id_, {"listening", flag(true)}));
  co_return Status{};
}

void Membership::hold_until(int64_t until) {
  held_until_.store(until, std::memory_order_release);
  was_held_ = true;
  held_.notify();
}

Task<Status> Membership::renew(const Context& ctx) {
  sql::Update update;
  update.table = core_.tables["members"];
  update.set = {{"lease_until_ms", plus(now_ms(), number(ttl().count()))}};
  update.where = sql::eq(col("id"), text(id_));
  sql::Select select;
  select.from = core_.tables["members"];
  for (const char* name : {"id", "lease_until_ms", "drain_requested", "started_ms", "process"}) {
    select.columns.push_back({sql::column("t", name), name});
  }
  select.columns.push_back({now_ms(), "now"});

  if (was_held_ && !holds()) {
    was_held_ = false;
    if (losses_.handle != nullptr) losses_.add();
    log_warn("the lease was lost", {{"member", id_}});
  }
  const int64_t sent = now();
  auto& db = core_.control;
  CO_TRY(sql::Rows updated, co_await db.run(ctx, render(update, db.dialect())));
  const bool again = updated.affected == 0;
  if (again) {
    // Somebody has given up on us.
    if (std::exchange(was_held_, false) && losses_.handle != nullptr) losses_.add();
    held_until_ = 0;
    caught_up_ = !listening_;
    log_warn("joining the cluster again", {{"member", id_}});
    was_given_up_ = true;
    CO_TRY_STATUS(co_await insert(ctx, bus_position ? bus_position() : 0));
  }
  const int64_t asked = now();
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  if (rows.empty()) co_return fail(lease_lost());
  const int64_t database_now = to_number(rows.cell(0, 5));
  clock_offset_ = database_now - (asked + now()) / 2;
  note(rows);
  renewed_at_ = sent;
  if (!caught_up_) CO_TRY_STATUS(co_await catch_up_again(ctx));
  if (was_given_up_) {
    CO_TRY(bool may, co_await may_return(ctx));
    if (!may) co_return Status{};
    was_given_up_ = false;
  }
  hold_until(sent + ttl().count() - ttl().count() / 8);
  if (renewed) co_await renewed(ctx, database_now);
  co_return Status{};
}

Task<Status> Membership::catch_up_again(const Context& ctx) {
  if (catch_up) CO_TRY_STATUS(co_await catch_up(ctx));
  co_await let_others_see();
  caught_up_ = true;
  co_return Status{};
}

void Membership::on_return(std::function<Task<Result<bool>>(const Context&)> may_return) {
  std::lock_guard lock(mutex_);
  return_asked_ = std::move(may_return);
}

Task<Result<bool>> Membership::may_return(const Context& ctx) {
  std::function<Task<Result<bool>>(const Context&)> ask;
  {
    std::lock_guard lock(mutex_);
    ask = return_asked_;
  }
  if (!ask) co_return true;
  co_return co_await ask(ctx);
}

void Membership::note(const sql::Rows& rows) {
  std::map<std::string, Seen> now_seen;
  const int64_t at = now();
  int64_t live = 0;
  bool company = false;
  bool drain = drain_requested_;
  {
    std::lock_guard lock(mutex_);
    // Who was away, or had no database, saw no renewals for a while because it did not look.
    const bool looked_away = at - noted_at_ > ttl().count() / 2;
    for (size_t i = 0; i < rows.size(); ++i) {
      std::string member(rows.cell(i, 0).text());
      const int64_t until = to_number(rows.cell(i, 1));
      if (until > to_number(rows.cell(i, 5))) ++live;
      if (member == id_) {
        drain = to_flag(rows.cell(i, 2));
        started_ms_ = to_number(rows.cell(i, 3));
        continue;
      }
      Seen seen{until, at, std::string(rows.cell(i, 4).text())};
      company = company || !is_dead_here(seen.process);
      auto it = seen_.find(member);
      if (it != seen_.end() && it->second.lease_until_ms == until && !looked_away) {
        seen.since = it->second.since;
      }
      now_seen.emplace(std::move(member), std::move(seen));
    }
    seen_ = std::move(now_seen);
    noted_at_ = at;
  }
  live_members_ = live;
  has_company_ = company;
  if (drain != drain_requested_) tell_drain(drain);
}

void Membership::tell_drain(bool requested) {
  std::function<void(bool)> callback;
  {
    std::lock_guard lock(mutex_);
    drain_requested_ = requested;
    callback = drain_asked_;
  }
  if (callback) callback(requested);
}

void Membership::on_drain_request(std::function<void(bool)> callback) {
  bool asked = false;
  {
    std::lock_guard lock(mutex_);
    drain_asked_ = callback;
    asked = drain_requested_;
  }
  if (asked) core_.io.post([callback = std::move(callback)] { callback(true); });
}

Task<milliseconds> Membership::step() {
  Within ctx(std::clamp(ttl() / 2, milliseconds(300), milliseconds(10'000)));
  Status status = co_await renew(ctx);
  if (!status) {
    log_warn("the lease could not be renewed",
             {{"code", status.error().id}, {"reason", status.error().internal}});
    co_return std::clamp(ttl() / 40, milliseconds(20), milliseconds(500));
  }
  co_await remove_the_dead(ctx);
  co_return std::min(ttl() / 4, kLongestPause);
}

bool Membership::is_overdue(const std::string& member, int64_t lease_until_ms) {
  std::lock_guard lock(mutex_);
  const int64_t at = now();
  auto [it, fresh] = seen_.try_emplace(member, Seen{lease_until_ms, at, ""});
  Seen& seen = it->second;
  if (is_dead_here(seen.process)) return true;
  if (fresh || seen.lease_until_ms != lease_until_ms) {
    seen.lease_until_ms = lease_until_ms;
    seen.since = at;
  }
  return seen.since + ttl().count() <= at && at - noted_at_ <= ttl().count() / 2;
}

Task<Status> Membership::declare_gone(const Context& ctx, std::string member,
                                      int64_t lease_until_ms) {
  sql::Delete remove;
  remove.table = core_.tables["members"];
  remove.where = sql::all_of({sql::eq(sql::column("t", "id"), text(member)),
                              sql::eq(sql::column("t", "lease_until_ms"), number(lease_until_ms))});
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(remove, core_.control.dialect())));
  if (rows.affected > 0) log_info("a member is gone", {{"member", member}});
  co_return Status{};
}

// Those that nobody waited for, after a while in which `halcyon cluster status` shows them.
Task<void> Membership::remove_the_dead(const Context& ctx) {
  std::vector<std::pair<std::string, int64_t>> dead;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [member, seen] : seen_) {
      if (seen.since + 3 * ttl().count() <= now() || is_dead_here(seen.process))
        dead.emplace_back(member, seen.lease_until_ms);
    }
  }
  for (auto& [member, until] : dead) (void)co_await declare_gone(ctx, member, until);
}

Task<Status> Membership::wait_until_held(const Context& ctx) {
  while (true) {
    const uint64_t seen = held_.version();
    if (holds()) co_return Status{};
    if (ctx.expired()) co_return fail(lease_lost());
    co_await held_.wait(seen, milliseconds(50));
  }
}

sql::Expr Membership::fence() const {
  auto select = std::make_shared<sql::Select>();
  select->from = core_.tables["members"];
  select->from.alias = "fence";
  select->where = sql::eq(sql::column("fence", "id"), text(id_));
  return sql::make(sql::Exists{std::move(select), false});
}

// Asked of the database between looks of the bus, so that it costs no statement of its own.
sql::Expr Membership::others_exist() const {
  auto select = std::make_shared<sql::Select>();
  select->from = core_.tables["members"];
  select->from.alias = "other";
  select->where = sql::negate(sql::eq(sql::column("other", "id"), text(id_)));
  return sql::make(sql::Exists{std::move(select), false});
}

// Who is not seen in two looks has not served between them, if the second was answered while the
// first still counted: he would have had to wait for its end.
void Membership::saw_others(bool others, int64_t sent) {
  if (others || !(now() < alone_until_)) ++alone_;
  alone_until_ = others ? 0 : sent + kAlone.count();
}

Task<void> Membership::let_others_see() {
  const int64_t left = inserted_at_ + kLetOthersSee.count() - now();
  if (has_company_ && left > 0) co_await runtime::sleep_for(milliseconds(left));
}

milliseconds Membership::age() const { return milliseconds(now() - renewed_at_.load()); }

Task<void> Membership::remove(const Context& ctx) {
  held_until_ = 0;
  sql::Delete remove;
  remove.table = core_.tables["members"];
  remove.where = sql::eq(sql::column("t", "id"), text(id_));
  auto done = co_await core_.control.run(ctx, render(remove, core_.control.dialect()));
  if (!done) log_warn("the member row stays", {{"reason", done.error().internal}});
}

Task<Result<std::vector<MemberInfo>>> Membership::members(const Context& ctx) {
  sql::Select select;
  select.from = core_.tables["members"];
  for (const char* name :
       {"id", "host", "version", "worker_mode", "pid", "started_ms", "lease_until_ms",
        "bus_position", "schema_version", "state", "drain_requested"}) {
    select.columns.push_back({sql::column("t", name), name});
  }
  select.columns.push_back({now_ms(), "now"});
  select.order_by = {{sql::column("t", "started_ms"), false}, {sql::column("t", "id"), false}};
  CO_TRY(sql::Rows rows, co_await core_.db.run(ctx, render(select, core_.db.dialect())));
  std::vector<MemberInfo> list;
  for (size_t i = 0; i < rows.size(); ++i) {
    MemberInfo& m = list.emplace_back();
    m.id = rows.cell(i, 0).text();
    m.host = rows.cell(i, 1).text();
    m.version = rows.cell(i, 2).text();
    m.worker_mode = rows.cell(i, 3).text();
    m.pid = to_number(rows.cell(i, 4));
    m.started_ms = to_number(rows.cell(i, 5));
    m.lease_until_ms = to_number(rows.cell(i, 6));
    m.bus_position = to_number(rows.cell(i, 7));
    m.schema_version = to_number(rows.cell(i, 8));
    m.state = state_of(rows.cell(i, 9).text());
    m.drain_requested = to_flag(rows.cell(i, 10));
    m.alive = m.lease_until_ms > to_number(rows.cell(i, 11));
  }
  sql::Select workers;
  workers.from = core_.tables["worker_ids"];
  workers.columns = {{sql::column("t", "worker"), "worker"}, {sql::column("t", "owner"), "owner"}};
  workers.where = sql::is_not_null(sql::column("t", "owner"));
  workers.order_by = {{sql::column("t", "worker"), false}};
  CO_TRY(sql::Rows owned, co_await core_.db.run(ctx, render(workers, core_.db.dialect())));
  for (size_t i = 0; i < owned.size(); ++i) {
    auto it = std::ranges::find(list, owned.cell(i, 1).text(), &MemberInfo::id);
    if (it != list.end()) it->worker_ids.push_back(to_number(owned.cell(i, 0)));
  }
  co_return list;
}

Task<Status> Membership::set_state(const Context& ctx, MemberState state) {
  state_ = state;
  CO_TRY_STATUS(co_await set_row(core_.db, ctx, id_, {"state", state_text(state)}));
  co_return Status{};
}

Task<Status> Membership::request_drain(const Context& ctx, std::string member, bool drain) {
  sql::Assignment wish{"drain_requested", flag(drain)};
  CO_TRY(const int64_t rows, co_await set_row(core_.db, ctx, std::move(member), std::move(wish)));
  if (rows == 0) {
    co_return fail(Code::kNotFound, "MEMBER_NOT_FOUND", "There is no such member of the cluster.");
  }
  core_.db.hint(kMembersHint);
  co_return Status{};
}

}  // namespace halcyon::cluster
