// The reading half of the bus.
#include <algorithm>

#include "base/log.h"
#include "cluster/build.h"
#include "cluster/bus_impl.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

constexpr int64_t kAtATime = 200;
constexpr milliseconds kStatementTime{5000};
constexpr milliseconds kOftenPoll{20};
constexpr milliseconds kLongestPoll{150};
constexpr int64_t kGapPatienceMs = 1000;
constexpr int64_t kTellPositionMs = 5000;
constexpr int64_t kPurgeAtATime = 2000;

}  // namespace

Task<Result<BusImpl::State>> BusImpl::look(sql::Executor& db, const Context& ctx) {
  auto unordered = std::make_shared<sql::Select>();
  unordered->from = core_.tables["messages"];
  unordered->from.alias = "m";
  unordered->where = sql::is_null(sql::column("m", "seq"));
  sql::Select select;
  select.from = core_.tables["counter"];
  select.columns = {{sql::column("t", "seq"), "seq"},
                    {sql::make(sql::Exists{std::move(unordered), false}), "unordered"},
                    {member_.others_exist(), "others"}};
  select.where = sql::eq(sql::column("t", "id"), number(1));
  CO_TRY(sql::Rows rows, co_await db.run(ctx, render(select, db.dialect())));
  State state;
  if (!rows.empty()) {
    state.end = to_number(rows.cell(0, 0));
    state.unordered = to_flag(rows.cell(0, 1));
    state.others = to_flag(rows.cell(0, 2));
  }
  co_return state;
}

Task<milliseconds> BusImpl::reader_step() {
  Status status = co_await read();
  if (!status) {
    ++failures_;
    if (failures_ == 1) {
      log_warn("the bus could not be read",
               {{"code", status.error().id}, {"reason", status.error().internal}});
    }
    co_return milliseconds(std::min(20 << std::min(failures_, 6), 1000));
  }
  failures_ = 0;
  if (boot_ms() < busy_until_) co_return kOftenPoll;
  co_return std::min(core_.options.poll_interval, kLongestPoll);
}

Task<Status> BusImpl::read() {
  Within ctx(kStatementTime);
  const int64_t sent = member_.now();
  CO_TRY(const State state, co_await look(core_.control, ctx));
  member_.saw_others(state.others, sent);
  end_seen_ = state.end;
  if (state.unordered) {  // by a publisher that is at it, or that died before it was
    order_wanted_.fetch_add(1);
    sequencer_->wake();
    busy_until_ = boot_ms() + kOftenForMs;
  }
  if (state.end < position()) CO_TRY_STATUS(co_await skip_to(state.end));
  bool confirmed = false;
  while (position() < state.end && !reader_->stopping()) {
    busy_until_ = boot_ms() + kOftenForMs;
    Within time(kStatementTime);
    Status status = co_await read_some(time, state.end, confirmed);
    if (!status) {
      if (confirmed) (void)co_await confirm(time);
      co_return status;
    }
    if (gap_since_ != 0) break;
  }
  const bool stale = told_position_ != position() && told_at_ + kTellPositionMs < boot_ms();
  if (confirmed || stale) CO_TRY_STATUS(co_await confirm(ctx));
  co_return Status{};
}

Task<Status> BusImpl::read_some(const Context& ctx, int64_t end, bool& confirmed) {
  sql::Select select;
  select.from = core_.tables["messages"];
  for (const char* name : {"seq", "topic", "payload", "sender", "created_ms", "confirmed"}) {
    select.columns.push_back({sql::column("t", name), name});
  }
  select.where = greater(sql::column("t", "seq"), number(position()));
  select.order_by = {{sql::column("t", "seq"), false, sql::Nulls::kDefault}};
  select.limit = kAtATime;
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(select, core_.control.dialect())));
  for (size_t i = 0; i < rows.size() && !reader_->stopping(); ++i) {
    Message message;
    message.seq = to_number(rows.cell(i, 0));
    if (message.seq != position() + 1) break;
    gap_since_ = 0;
    message.topic = rows.cell(i, 1).text();
    auto payload = json::parse(rows.cell(i, 2).text(), 256);
    if (payload) message.payload = std::move(*payload);
    message.sender = rows.cell(i, 3).text();
    message.created_ms = to_number(rows.cell(i, 4));
    const bool wants_confirmation = to_flag(rows.cell(i, 5));
    CO_TRY_STATUS(co_await handle(message));
    confirmed = confirmed || wants_confirmation;
    moved_to(message.seq);
  }
  const int64_t next = rows.empty() ? end + 1 : to_number(rows.cell(0, 0));
  if (next <= position() + 1 && !rows.empty()) co_return Status{};
  // The order has no gaps, so what is missing was purged. A moment's patience costs nothing.
  if (gap_since_ == 0) gap_since_ = boot_ms();
  if (boot_ms() - gap_since_ < kGapPatienceMs) co_return Status{};
  gap_since_ = 0;
  confirmed = true;
  co_return co_await skip_to(next - 1);
}

// Calls the subscribers of the topic, each until it succeeds.
Task<Status> BusImpl::handle(const Message& message) {
  auto it = handlers_.find(message.topic);
  if (it == handlers_.end()) co_return Status{};
  while (next_handler_ < it->second.size()) {
    Status status = co_await it->second[next_handler_](message);
    if (!status) {
      log_error("a message could not be handled", {{"topic", message.topic},
                                                   {"seq", message.seq},
                                                   {"code", status.error().id},
                                                   {"reason", status.error().internal}});
      co_return status;
    }
    ++next_handler_;
  }
  next_handler_ = 0;
  co_return Status{};
}

Task<Status> BusImpl::skip_to(int64_t seq) {
  log_warn("messages were missed", {{"from", position()}, {"to", seq}});
  for (const auto& [topic, list] : handlers_) {
    Message message;
    message.missed = true;
    message.topic = topic;
    message.seq = seq;
    for (const Handler& handler : list) CO_TRY_STATUS(co_await handler(message));
  }
  next_handler_ = 0;
  moved_to(seq);
  co_return Status{};
}

void BusImpl::moved_to(int64_t seq) {
  position_.store(seq, std::memory_order_release);
  if (handled_.handle != nullptr) handled_.add();
  progress_.notify();
}

Task<Status> BusImpl::confirm(const Context& ctx) {
  const int64_t reached = position();
  sql::Update update;
  update.table = core_.tables["members"];
  update.set = {{"bus_position", number(reached)}};
  update.where = sql::eq(col("id"), text(member_.holder()));
  CO_TRY(sql::Rows rows, co_await core_.control.run(ctx, render(update, core_.control.dialect())));
  told_position_ = reached;
  told_at_ = boot_ms();
  core_.db.hint(kConfirmedHint);
  co_return Status{};
}

Task<Status> BusImpl::catch_up(const Context& ctx) {
  CO_TRY(const State state, co_await look(core_.control, ctx));
  reader_->wake();
  while (true) {
    const uint64_t seen = progress_.version();
    if (position() >= state.end) break;
    if (ctx.expired() || reader_->stopping()) co_return fail(lease_lost());
    co_await progress_.wait(seen, milliseconds(50));
  }
  co_return co_await confirm(ctx);
}

// Always a beginning of the order, so that who reads on can tell what is missing.
Task<Status> BusImpl::purge(const Context& ctx) {
  auto& db = core_.db;  // there may be many, and nobody waits for it
  sql::Select oldest;
  oldest.from = core_.tables["messages"];
  oldest.columns = {{sql::call(sql::Fn::kMin, {sql::column("t", "seq")}), "seq"},
                    {now_ms(), "now"}};
  while (true) {
    CO_TRY(sql::Rows first, co_await db.run(ctx, render(oldest, db.dialect())));
    if (first.empty() || first.cell(0, 0).is_null()) co_return Status{};
    const int64_t before = to_number(first.cell(0, 1)) - core_.options.message_life.count();
    const int64_t end = to_number(first.cell(0, 0)) + kPurgeAtATime;
    sql::Select young;
    young.from = core_.tables["messages"];
    young.columns = {{sql::call(sql::Fn::kMin, {sql::column("t", "seq")}), "seq"}};
    young.where = sql::all_of({less(sql::column("t", "seq"), number(end)),
                               sql::negate(less(sql::column("t", "created_ms"), number(before)))});
    CO_TRY(sql::Rows kept, co_await db.run(ctx, render(young, db.dialect())));
    const bool all = kept.empty() || kept.cell(0, 0).is_null();
    sql::Delete remove;
    remove.table = core_.tables["messages"];
    remove.where = less(sql::column("t", "seq"), number(all ? end : to_number(kept.cell(0, 0))));
    CO_TRY(sql::Rows gone, co_await db.run(ctx, render(remove, db.dialect())));
    if (!all || gone.affected < kPurgeAtATime) co_return Status{};
  }
}

}  // namespace halcyon::cluster
