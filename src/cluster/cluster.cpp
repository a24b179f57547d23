#include "cluster/cluster.h"

#include "base/log.h"
#include "cluster/bus_impl.h"
#include "cluster/idempotency_store.h"
#include "cluster/interests_impl.h"
#include "cluster/jobs_internal.h"
#include "cluster/locks_impl.h"
#include "cluster/membership.h"
#include "cluster/worker_ids.h"

namespace halcyon::cluster {

using std::chrono::milliseconds;

namespace {

constexpr int64_t kPurgeAtATime = 1000;

}  // namespace

// Members are made in this order and destroyed in the opposite one.
class ClusterImpl final : public Cluster {
 public:
  ClusterImpl(sql::Database& db, runtime::IoPool& requests, Options options)
      : own_(1), db_(db), requests_(requests), options_(std::move(options)) {}
  ~ClusterImpl() override { runtime::run(own_.thread(0), shut_down()); }

  Task<Status> join(const Context& ctx);
  Task<Status> start(const Context& ctx) override;
  Task<void> stop_jobs(const Context& ctx) override { co_await jobs_->stop(ctx); }
  Task<void> leave(const Context& ctx) override;

  Lease& lease() override { return *member_; }
  Bus& bus() override { return *bus_; }
  Interests& interests() override { return *interests_; }
  Locks& locks() override { return *locks_; }
  Jobs& jobs() override { return *jobs_; }
  Schedules& schedules() override { return jobs_->schedules(); }
  Idempotency& idempotency() override { return *idempotency_; }
  Result<int64_t> next_id() override { return workers_->next(); }
  uint64_t alone() const override { return member_->alone(); }

  Task<Status> purge(const Context& ctx) override;
  Task<Result<std::vector<MemberInfo>>> members(const Context& ctx) override {
    return member_->members(ctx);
  }
  Task<Status> set_state(const Context& ctx, MemberState state) override {
    return member_->set_state(ctx, state);
  }
  Task<Status> request_drain(const Context& ctx, std::string member, bool drain) override {
    return member_->request_drain(ctx, std::move(member), drain);
  }
  void on_drain_request(std::function<void(bool drain)> callback) override {
    member_->on_drain_request([this, callback = std::move(callback)](bool drain) {
      jobs_->set_accepting(!drain);
      callback(drain);
    });
  }
  void on_return(std::function<Task<Result<bool>>(const Context&)> may_return) override {
    member_->on_return(std::move(may_return));
  }

 private:
  std::unique_ptr<JobsEngine> new_jobs();
  Task<void> shut_down();
  void show_metrics();

  runtime::IoPool own_;
  sql::Database& db_;
  runtime::IoPool& requests_;  // of the handlers of jobs
  Options options_;
  std::unique_ptr<sql::Database> control_;
  std::unique_ptr<Core> core_;
  std::shared_ptr<Membership> member_;
  std::shared_ptr<BusImpl> bus_;
  std::shared_ptr<InterestsImpl> interests_;
  std::shared_ptr<LocksImpl> locks_;
  std::shared_ptr<WorkerIds> workers_;
  std::unique_ptr<Idempotency> idempotency_;
  std::unique_ptr<JobsEngine> jobs_;
  bool stopped_ = false;
};

Task<Status> ClusterImpl::join(const Context& ctx) {
  CO_TRY(control_, co_await db_.open_beside(own_));
  core_ = std::make_unique<Core>(
      Core{db_, control_ ? *control_ : db_, Tables(options_.tables), own_.thread(0), options_});
  if (options_.joins) {
    CO_TRY_STATUS(co_await core_->tables.create(db_, ctx));
  }
  member_ = std::make_shared<Membership>(*core_);
  bus_ = std::make_shared<BusImpl>(*core_, *member_);
  interests_ = std::make_shared<InterestsImpl>(*core_, *bus_);
  interests_->listen();
  locks_ = std::make_shared<LocksImpl>(*core_, *member_);
  workers_ = std::make_shared<WorkerIds>(*core_, *member_);
  idempotency_ = make_idempotency(db_, options_.tables, member_.get(), options_.seal_key);
  jobs_ = new_jobs();

  if (!options_.joins) {
    stopped_ = true;
    co_return Status{};
  }
  CO_TRY(const int64_t position, co_await bus_->begin(ctx));
  CO_TRY_STATUS(co_await interests_->load(ctx));
  CO_TRY_STATUS(co_await member_->join(ctx, position));
  CO_TRY_STATUS(co_await workers_->begin(ctx));
  member_->bus_position = [this] { return bus_->position(); };
  member_->catch_up = [this](const Context& time) { return bus_->catch_up(time); };
  member_->renewed = [this](const Context& time, int64_t database_now_ms) -> Task<void> {
    workers_->renewed(database_now_ms);
    co_await locks_->verify(time);
  };
  if (options_.metrics != nullptr) show_metrics();
  bus_->start_ordering();
  workers_->start();
  locks_->start();
  member_->start_renewing();
  core_->db.on_hint(kMembersHint, [weak = std::weak_ptr(member_)] {
    if (auto member = weak.lock()) member->wake();
  });
  on_drain_request([](bool) {});
  co_return Status{};
}

std::unique_ptr<JobsEngine> ClusterImpl::new_jobs() {
  JobsSetup setup(db_, requests_, options_.tables, *member_);
  setup.poll_interval = options_.poll_interval;
  setup.serves_topic = options_.serves_topic;
  setup.metrics = options_.metrics;
  return make_jobs(std::move(setup));
}

Task<Status> ClusterImpl::start(const Context& ctx) {
  // First let the others wait for us, then read to the end: nothing falls between.
  CO_TRY_STATUS(co_await member_->listen(ctx));
  CO_TRY_STATUS(co_await bus_->start(ctx));
  co_await member_->let_others_see();
  CO_TRY_STATUS(co_await jobs_->start(ctx));
  co_return Status{};
}

Task<void> ClusterImpl::leave(const Context& ctx) {
  if (std::exchange(stopped_, true)) co_return;
  // While the lease stands: running jobs may still write. Some of the time is for the rest.
  Context jobs_time;
  jobs_time.deadline =
      ctx.deadline - std::min<runtime::Clock::duration>(ctx.remaining() / 4, milliseconds(2'000));
  co_await jobs_->stop(jobs_time);
  co_await bus_->stop();
  co_await locks_->stop();
  co_await workers_->stop();
  co_await member_->stop_renewing();
  co_await workers_->release(ctx);
  co_await member_->remove(ctx);
}

// Without leave: as if the process had died. Rows stay until others find them.
Task<void> ClusterImpl::shut_down() {
  if (member_ && !std::exchange(stopped_, true)) {
    if (jobs_) co_await jobs_->abandon();
    co_await bus_->stop();
    co_await locks_->abandon();
    co_await workers_->stop();
    co_await member_->stop_renewing();
  }
  if (control_) co_await control_->close();
}

Task<Status> ClusterImpl::purge(const Context& ctx) {
  CO_TRY_STATUS(co_await bus_->purge(ctx));
  while (!ctx.expired()) {
    CO_TRY(const int64_t purged, co_await idempotency_->purge(ctx, kPurgeAtATime));
    if (purged < kPurgeAtATime) break;
  }
  co_return Status{};
}

void ClusterImpl::show_metrics() {
  runtime::Metrics& metrics = *options_.metrics;
  member_->count_losses(
      metrics.counter("halcyon_lease_losses_total", "Times this process lost its lease"));
  bus_->count_messages(
      metrics.counter("halcyon_bus_messages_total", "Messages of the bus read by this process"));
  const auto show = [&](const char* name, const char* help, auto read) {
    metrics.gauge(name, help, {}, [read] { return static_cast<double>(read()); });
  };
  // The metrics may outlive the cluster.
  std::weak_ptr member = member_;
  std::weak_ptr bus = bus_;
  std::weak_ptr workers = workers_;
  show("halcyon_lease_age_seconds", "Time since the lease was last renewed", [member] {
    auto m = member.lock();
    return m ? static_cast<double>(m->age().count()) / 1000 : 0.0;
  });
  show("halcyon_lease_held", "1 while this process may serve", [member] {
    auto m = member.lock();
    return m && m->holds() ? 1 : 0;
  });
  metrics.gauge("halcyon_lease_ttl_seconds", "Life of a lease that is not renewed")
      .set(static_cast<double>(options_.lease_ttl.count()) / 1000);
  show("halcyon_bus_lag_messages", "Messages of the bus that this process has yet to read", [bus] {
    auto b = bus.lock();
    return b ? b->lag() : 0;
  });
  show("halcyon_members", "Processes whose lease stands", [member] {
    auto m = member.lock();
    return m ? m->live_members() : 0;
  });
  show("halcyon_worker_ids", "Worker ids that this process holds", [workers] {
    auto w = workers.lock();
    return w ? w->held() : 0;
  });
}

Task<Result<std::unique_ptr<Cluster>>> Cluster::join(sql::Database& db, runtime::IoPool& io,
                                                     Options options, const Context& ctx) {
  auto cluster = std::make_unique<ClusterImpl>(db, io, std::move(options));
  CO_TRY_STATUS(co_await cluster->join(ctx));
  co_return std::move(cluster);
}

}  // namespace halcyon::cluster
