#include "server/app.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>

#include "access/access.h"
#include "api/dispatcher.h"
#include "base/crypto.h"
#include "base/log.h"
#include "cluster/cluster.h"
#include "data/read/count_cache.h"
#include "features/pages/pages.h"
#include "features/realtime/realtime.h"
#include "features/settings/settings.h"
#include "net/server.h"
#include "runtime/blocking_pool.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "runtime/process_metrics.h"
#include "schema/catalog.h"
#include "schema/field_type.h"
#include "server/database_metrics.h"
#include "server/health.h"
#include "server/housekeeping.h"
#include "server/http_root.h"
#include "server/key_check.h"
#include "server/options.h"
#include "server/schema_version.h"
#include "sql/database.h"

namespace halcyon::server {

const std::string kVersion = HALCYON_VERSION;

[[gnu::weak]] bool writes_keep_keys() { return true; }

namespace {

namespace fs = std::filesystem;
using runtime::show_process;
constexpr size_t kHashThreads = 2;
constexpr size_t kHashQueue = 64;

// Ids of snowflakeId fields.
class Ids final : public schema::IdSource {
 public:
  void set(cluster::Cluster* cluster) { cluster_ = cluster; }
  Result<int64_t> next() override {
    cluster::Cluster* cluster = cluster_.load();
    if (cluster == nullptr) return fail(cluster::lease_lost());
    return cluster->next_id();
  }

 private:
  std::atomic<cluster::Cluster*> cluster_{nullptr};
};

class Hasher final : public schema::PasswordHasher {
 public:
  explicit Hasher(runtime::BlockingPool& pool) : pool_(pool) {}
  Task<Result<std::string>> hash(const Context&, std::string password) override {
    auto work = [&password] { return hash_password(password); };
    co_return co_await pool_.run(std::move(work));
  }

 private:
  runtime::BlockingPool& pool_;
};

// Migrations of a large database may take long.
constexpr std::chrono::minutes kStartTime{10};
constexpr std::chrono::seconds kTellTime{2};
constexpr std::chrono::seconds kLeaveTime{5}, kHurriedLeaveTime{1};

std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

// Members are made in this order and destroyed in the opposite one.
struct App::Impl {
  Impl(const Config& c, Purpose why, Inherited from, std::string secret)
      : config(c),
        purpose(why),
        inherited(from),
        io(c.number("IO_THREADS") > 0 ? static_cast<size_t>(c.number("IO_THREADS"))
                                      : runtime::usable_cpus()),
        hashing("hash", kHashThreads, kHashQueue),
        hasher(hashing),
        jwt_secret(std::move(secret)) {}

  Config config;
  const Purpose purpose;
  const Inherited inherited;
  const WorkerMode mode = WorkerMode::parse(config.get("WORKER_MODE"));
  runtime::Metrics metrics;
  Health health{metrics};
  runtime::IoPool io;
  runtime::BlockingPool hashing;
  Hasher hasher;
  Ids ids;
  std::string jwt_secret;
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<DatabaseMetrics> database_metrics;
  std::unique_ptr<sql::Replicas> replicas;  // none without DB_READ_HOSTS
  std::unique_ptr<cluster::Cluster> cluster;
  data::CountCache counts{count_options()};
  data::Writer writer;
  std::unique_ptr<schema::Catalog> catalog;
  std::unique_ptr<access::Access> access;
  std::unique_ptr<sql::Migrations> migrations;
  std::unique_ptr<Housekeeping> housekeeping;
  std::unique_ptr<features::realtime::Realtime> realtime;
  std::unique_ptr<api::Dispatcher> dispatcher;
  std::unique_ptr<HttpRoot> root;
  std::unique_ptr<net::Server> http, admin;
  std::atomic<bool> serving{false};
  bool stopped = false;
  std::mutex mutex;
  std::condition_variable hurried;
  std::atomic<bool> hurry{false};
  Context jobs_time;  // of the end of jobs; cancelled by hurry

  data::CountCache::Options count_options() {
    data::CountCache::Options options;
    options.alone = [this] { return cluster ? cluster->alone() : 0; };
    return options;
  }

  // The model is loaded when it is true.
  Task<Result<bool>> is_installed(const Context& ctx) {
    CO_TRY(bool installed, co_await catalog->is_installed(ctx));
    if (installed) CO_TRY_STATUS(co_await catalog->refresh(ctx));
    co_return installed;
  }

  Task<Status> seed_settings(const Context& ctx) {
    data::Caller nobody;
    const data::Call call{ctx, catalog->snapshot(), *db, nobody, data::unrestricted()};
    features::settings::Defaults defaults;
    defaults.language = config.get("APP_LANG");
    co_return co_await features::settings::install(call, writer, defaults);
  }

  void make_parts() {
    std::vector<json::Object> builtin = access::Access::builtin_collections();
    for (auto& item : features::settings::builtin_collections()) builtin.push_back(std::move(item));
    features::pages::add_collections(builtin);
    catalog = std::make_unique<schema::Catalog>(*db, schema_settings(config), std::move(builtin),
                                                schema_version());
    access = std::make_unique<access::Access>(*db, *catalog, writer, hashing,
                                              access_settings(config, jwt_secret));
    writer.listeners.push_back(&access->listener());
    make_migrations();
  }

  Task<Result<int64_t>> oldest_member_version(const Context& ctx) {
    CO_TRY(auto members, co_await cluster->members(ctx));
    int64_t oldest = schema_version();
    for (const cluster::MemberInfo& member : members) {
      oldest = std::min(oldest, member.schema_version);
    }
    co_return oldest;
  }

  void make_migrations() {
    const schema::Settings tables = schema_settings(config);
    sql::MigrationOptions options;
    options.table_prefix = tables.table_prefix;
    options.schema = tables.db_schema;
    options.version = kVersion;
    options.host = host_name();
    options.lock_ttl =
        std::max(config.milliseconds("MIGRATION_LEASE"), std::chrono::milliseconds(1000));
    options.base_fits = [this](const Context& ctx) { return is_installed(ctx); };
    options.oldest_member_version = [this](const Context& ctx) {
      return oldest_member_version(ctx);
    };
    options.make_base = [this](const Context& ctx) { return catalog->install(ctx); };
    const MigrationParts parts{*catalog,
                               [this](const Context& ctx) { return access->install(ctx); },
                               [this](const Context& ctx) { return seed_settings(ctx); }};
    migrations =
        std::make_unique<sql::Migrations>(*db, server::migrations(parts), std::move(options));
  }

  Status start() {
    schema::set_id_source(ids);
    schema::set_password_hasher(hasher);
    TRY_STATUS(open_admin());
    TRY_STATUS(open_database());
    TRY_STATUS(join_cluster());
    make_parts();
    tell_others();
    cluster->on_return([this](const Context& ctx) { return migrations->may_return(ctx); });
    make_realtime();
    health.add_check([this] { return migrations->fit().reason; });

    Context ctx;
    ctx.deadline = runtime::Clock::now() + kStartTime;
    TRY_STATUS(runtime::run(io.thread(0), migrations->start(ctx)));
    if (purpose == Purpose::kServe) TRY_STATUS(start_work(ctx));

    dispatcher = std::make_unique<api::Dispatcher>(api::Services{
        api_settings(config), *db, *catalog, *access, writer, &counts,
        [this] { return health.ready(); }, writes_keep_keys() ? &cluster->idempotency() : nullptr,
        &cluster->lease(), &cluster->bus(), cluster.get(), replicas.get()});
    root = std::make_unique<HttpRoot>(*dispatcher, health, metrics, root_options(config));
    root->serve_sockets(config.get("WS_PATH"), *realtime);
    return {};
  }

  Status start_work(const Context& ctx) {
    std::vector<Chore> chores;
    chores.push_back({"expired", "* * * * *", [this](const Context& time) -> Task<Status> {
                        co_return co_await cluster->purge(time);
                      }});
    chores.push_back({"sessions", "17 * * * *", [this](const Context& time) -> Task<Status> {
                        co_return co_await access->purge(time);
                      }});
    housekeeping = std::make_unique<Housekeeping>(std::move(chores));
    housekeeping->handle(cluster->jobs());
    TRY_STATUS(runtime::run(io.thread(0), cluster->start(ctx)));
    TRY_STATUS(runtime::run(io.thread(0), raise_floor()));
    return runtime::run(io.thread(0), housekeeping->put(ctx, cluster->schedules()));
  }

  // First of all, so that a process that migrates a large database is seen to live.
  Status open_admin() {
    if (purpose != Purpose::kServe || config.number("ADMIN_PORT") == 0) return {};
    net::ServerOptions options = admin_options(config);
    if (inherited.private_admin) {
      options.host = "127.0.0.1";
      options.port = 0;
    }
    show_process(metrics);
    metrics.gauge("halcyon_build_info", "1, with the version as a label", {{"version", kVersion}})
        .set(1);
    metrics.gauge("halcyon_hash_queue", "Passwords that wait to be hashed or checked", {},
                  [this] { return static_cast<double>(hashing.queued()); });
    admin = std::make_unique<net::Server>(
        io, options, [this](net::Request& request) { return answer_admin(request); });
    return admin->listen();
  }

  // Health and figures, nothing else.
  Task<net::Response> answer_admin(const net::Request& request) {
    if (request.path != "/metrics") co_return health.answer(request.path);
    if (serving) co_await database_metrics->refresh();
    co_return metrics_text(metrics.render());
  }

  Status open_database() {
    const sql::Options options = database_options(config);
    if (options.dialect == sql::DialectKind::kSqlite) {
      std::error_code error;
      fs::create_directories(fs::path(options.storage).parent_path(), error);
    }
    TRY(db, runtime::run(io.thread(0), sql::open(options, io)));
    database_metrics = std::make_unique<DatabaseMetrics>(*db, metrics);
    if (purpose == Purpose::kServe) open_replicas();
    return {};
  }

  void open_replicas() {
    sql::ReplicaOptions options = replica_options(config);
    if (options.hosts.empty()) return;
    replicas = std::make_unique<sql::Replicas>(*db, io, std::move(options));
    replicas->show(metrics);
  }

  // Before a change of the model or of rights is confirmed here: no read misses it any more.
  Task<Status> raise_floor() {
    if (!replicas) co_return Status{};
    Context ctx;
    co_return co_await replicas->raise_floor(ctx);
  }

  // Before the model is loaded: the bus tells what changes from then on.
  Status join_cluster() {
    Context ctx;
    ctx.deadline = runtime::Clock::now() + kStartTime;
    cluster::Options options = cluster_options(config, mode, kVersion);
    const std::string& own = config.get("APP_AES_SECRET_KEY");
    options.seal_key = hmac_sha256(own.empty() ? jwt_secret : own, "stored answers");
    options.lease_ttl = std::max(options.lease_ttl, db->longest_stall());
    options.schema_version = schema_version();
    options.metrics = purpose == Purpose::kServe ? &metrics : nullptr;
    TRY(cluster,
        runtime::run(io.thread(0), cluster::Cluster::join(*db, io, std::move(options), ctx)));
    ids.set(cluster.get());
    health.add_check([this]() -> std::string {
      return cluster->lease().holds() ? "" : "the lease has run out";
    });
    cluster->on_drain_request([this](bool drain) { health.set_drain_requested(drain); });
    return agree_on_key();
  }

  Status agree_on_key() {
    if (purpose != Purpose::kServe) return {};
    Context ctx;
    ctx.deadline = runtime::Clock::now() + kStartTime;
    KeyCheck key{jwt_secret, !config.is_set("APP_KEY")};
    return runtime::run(io.thread(0),
                        check_key(*db, *cluster, schema_settings(config), ctx, std::move(key)));
  }

  // Changes of the model and of rights are in force on every member when their call returns.
  void tell_others() {
    cluster::Bus& bus = cluster->bus();
    access->join(bus);
    catalog->on_change([&bus](const Context& ctx, sql::Transaction& tx, const schema::Snapshot&,
                              const schema::Snapshot& after) -> Task<Status> {
      json::Object payload{{"generation", after.generation}};
      return bus.publish(ctx, tx, "model", std::move(payload), cluster::Delivery::kConfirmed);
    });
    catalog->on_restore([this](const Context& ctx, sql::Transaction& tx, std::string note) {
      return cluster->idempotency().restore(ctx, tx, std::move(note));
    });
    bus.subscribe("model", [this](const cluster::Message&) -> Task<Status> {
      Context ctx;
      CO_TRY_STATUS(co_await catalog->refresh(ctx));
      co_return co_await raise_floor();
    });
    bus.subscribe("access", [this](const cluster::Message&) { return raise_floor(); });
  }

  // Takes no more jobs and waits for those that run, beside the requests in flight.
  std::future<void> end_jobs() {
    jobs_time.deadline = runtime::Clock::now() + config.milliseconds("SHUTDOWN_DELAY") +
                         config.milliseconds("SHUTDOWN_TIMEOUT");
    auto ended = std::make_shared<std::promise<void>>();
    runtime::start(io.thread(0), cluster->stop_jobs(jobs_time), [ended] { ended->set_value(); });
    return ended->get_future();
  }

  // After the others: what they keep is dropped before sockets are looked at again.
  void make_realtime() {
    features::realtime::Parts parts{
        *db, *catalog, *access, cluster->bus(), cluster->interests(), io.thread(io.size() - 1)};
    parts.metrics = purpose == Purpose::kServe ? &metrics : nullptr;
    realtime = std::make_unique<features::realtime::Realtime>(parts);
    writer.listeners.push_back(&realtime->listener());
  }

  void leave_cluster() {
    if (migrations) runtime::run(io.thread(0), migrations->stop_watching());
    if (!cluster) return;
    if (realtime) runtime::run(io.thread(io.size() - 1), realtime->stop());
    Context ctx;
    ctx.deadline = runtime::Clock::now() + (hurry ? kHurriedLeaveTime : kLeaveTime);
    runtime::run(io.thread(0), cluster->leave(ctx));
  }

  void tell_state(cluster::MemberState state) {
    Context ctx;
    ctx.deadline = runtime::Clock::now() + kTellTime;
    Status status = runtime::run(io.thread(0), cluster->set_state(ctx, state));
    if (!status) log_warn("the state was not told", {{"code", status.error().id}});
  }

  // Waits, unless somebody is in a hurry.
  void pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    hurried.wait_for(lock, time, [this] { return hurry.load(); });
  }
};

App::App(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<App>> App::open(const Config& config, Purpose purpose, Inherited inherited) {
  TRY(std::string secret, token_secret(config));
  auto app = std::unique_ptr<App>(
      new App(std::make_unique<Impl>(config, purpose, inherited, std::move(secret))));
  TRY_STATUS(app->impl_->start());
  return app;
}

Result<std::vector<sql::MigrationInfo>> App::migration_status(const Config& config) {
  App app(std::make_unique<Impl>(config, Purpose::kCommand, Inherited{}, ""));
  Impl& impl = *app.impl_;
  TRY_STATUS(impl.open_database());
  impl.make_parts();
  Context ctx;
  return runtime::run(impl.io.thread(0), impl.migrations->status(ctx));
}

App::~App() {
  impl_->http.reset();
  impl_->admin.reset();
  impl_->health.stop();
  impl_->leave_cluster();
  impl_->ids.set(nullptr);
  impl_->cluster.reset();
  if (impl_->replicas) runtime::run(impl_->io.thread(0), impl_->replicas->close());
  if (impl_->db) runtime::run(impl_->io.thread(0), impl_->db->close());
  impl_->io.stop();
}

Status App::listen() {
  TRY_STATUS(impl_->agree_on_key());  // another one may have started beside us
  HttpRoot& root = *impl_->root;
  if (impl_->mode.http) {
    net::ServerOptions options = http_options(impl_->config);
    options.inherited_fd = impl_->inherited.listener;
    impl_->http = std::make_unique<net::Server>(
        impl_->io, options, [&root](net::Request& request) { return root.handle(request); });
    TRY_STATUS(impl_->http->listen());
    root.watch(*impl_->http);
  }
  impl_->health.start(*impl_->db, impl_->io.thread(0));
  impl_->serving = true;
  impl_->migrations->watch(impl_->io.thread(0));
  impl_->tell_state(cluster::MemberState::kReady);
  return {};
}

int App::port() const { return impl_->http ? impl_->http->port() : 0; }
int App::admin_port() const { return impl_->admin ? impl_->admin->port() : 0; }

void App::hurry() {
  std::lock_guard lock(impl_->mutex);
  impl_->hurry = true;
  impl_->jobs_time.cancelled = true;
  impl_->hurried.notify_all();
}

void App::drain_and_stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->health.begin_drain();
  if (impl_->http) impl_->http->announce_drain();
  const std::future<void> jobs_end = impl_->end_jobs();
  impl_->tell_state(cluster::MemberState::kDraining);
  impl_->pause(impl_->config.milliseconds("SHUTDOWN_DELAY"));
  if (impl_->http) {
    impl_->http->drain();
    if (!impl_->http->wait_idle(impl_->config.milliseconds("SHUTDOWN_TIMEOUT"),
                                [this] { return impl_->hurry.load(); })) {
      log_warn("requests in flight were cut off",
               {{"requests", impl_->http->stats().requests_in_flight}});
    }
    impl_->http->stop();
  }
  jobs_end.wait();
  impl_->leave_cluster();
  if (impl_->admin) impl_->admin->stop();
}

Status App::create_or_reset_admin(const std::string& username, const std::string& email,
                                  const std::string& password) {
  Context ctx;
  ctx.deadline = runtime::Clock::now() + kStartTime;
  return runtime::run(impl_->io.thread(0),
                      impl_->access->create_or_reset_admin(ctx, username, email, password));
}

}  // namespace halcyon::server
