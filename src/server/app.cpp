#include "server/app.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include "access/access.h"
#include "api/dispatcher.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/snowflake.h"
#include "data/read/count_cache.h"
#include "features/settings/settings.h"
#include "net/server.h"
#include "runtime/blocking_pool.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "schema/catalog.h"
#include "schema/field_type.h"
#include "server/http_root.h"
#include "sql/database.h"

namespace halcyon::server {

const std::string kVersion = HALCYON_VERSION;

namespace {

namespace fs = std::filesystem;
constexpr size_t kHashThreads = 2;
constexpr size_t kHashQueue = 64;

sql::Options database_options(const Config& config) {
  sql::Options o;
  const std::string& dialect = config.get("DB_DIALECT");
  o.dialect = dialect == "postgres"  ? sql::DialectKind::kPostgres
              : dialect == "mysql"   ? sql::DialectKind::kMysql
              : dialect == "mariadb" ? sql::DialectKind::kMariadb
                                     : sql::DialectKind::kSqlite;
  o.storage = config.is_set("DB_STORAGE") ? config.get("DB_STORAGE")
                                          : config.get("STORAGE_PATH") + "/db/halcyon.sqlite";
  o.host = config.get("DB_HOST");
  o.port = static_cast<int>(config.number("DB_PORT"));
  o.database = config.get("DB_DATABASE");
  o.user = config.get("DB_USER");
  o.password = config.get("DB_PASSWORD");
  o.schema = config.get("DB_SCHEMA");
  o.ssl_mode = config.get("DB_DIALECT_OPTIONS_SSL_MODE");
  o.ssl_ca = config.get("DB_DIALECT_OPTIONS_SSL_CA");
  o.ssl_key = config.get("DB_DIALECT_OPTIONS_SSL_KEY");
  o.ssl_cert = config.get("DB_DIALECT_OPTIONS_SSL_CERT");
  o.ssl_reject_unauthorized = config.flag("DB_DIALECT_OPTIONS_SSL_REJECT_UNAUTHORIZED");
  o.pool_max = static_cast<int>(config.number("DB_POOL_MAX"));
  o.pool_min = static_cast<int>(config.number("DB_POOL_MIN"));
  o.pool_idle_ms = static_cast<int>(config.number("DB_POOL_IDLE"));
  o.pool_acquire_ms = static_cast<int>(config.number("DB_POOL_ACQUIRE"));
  o.pool_evict_ms = static_cast<int>(config.number("DB_POOL_EVICT"));
  o.pool_max_uses = static_cast<int>(config.number("DB_POOL_MAX_USES"));
  o.lanes_per_thread = static_cast<int>(config.number("DB_LANES"));
  o.lane_timeout_ms = static_cast<int>(config.milliseconds("DB_LANE_TIMEOUT").count());
  o.failover_wait_ms = static_cast<int>(config.milliseconds("DB_FAILOVER_WAIT").count());
  o.log_statements = config.flag("DB_LOGGING");
  return o;
}

// APP_KEY, or a key made once and kept, so that sessions survive a restart.
Result<std::string> token_secret(const Config& config) {
  if (config.is_set("APP_KEY")) return config.get("APP_KEY");
  const fs::path path = fs::path(config.get("STORAGE_PATH")) / "app_key";
  std::string key;
  if (std::ifstream file(path); file >> key) return key;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  key = hex_encode(random_bytes(32));
  const mode_t old_mask = umask(0077);
  std::ofstream file(path);
  umask(old_mask);
  if (!(file << key << '\n')) {
    return invalid("INVALID_CONFIG",
                   "APP_KEY is not set and " + path.string() + " cannot be written");
  }
  return key;
}

net::ServerOptions http_options(const Config& config) {
  net::ServerOptions o;
  o.host = config.get("APP_HOST");
  o.port = static_cast<int>(config.number("APP_PORT"));
  o.header_limit = config.bytes("HTTP_HEADER_LIMIT");
  o.body_limit = config.bytes("REQUEST_BODY_LIMIT");
  o.header_timeout = config.milliseconds("HTTP_HEADER_TIMEOUT");
  o.body_timeout = config.milliseconds("HTTP_BODY_TIMEOUT");
  o.idle_timeout = config.milliseconds("HTTP_IDLE_TIMEOUT");
  o.max_connections = static_cast<size_t>(config.number("HTTP_MAX_CONNECTIONS"));
  o.max_requests = static_cast<size_t>(config.number("HTTP_MAX_REQUESTS"));
  return o;
}

// Ids of snowflakeId fields. Until workers are leased from the cluster, a process takes one of
// sixteen blocks of worker ids at random: enough ids for bulk loads, and one process a database is
// the rule.
class Ids final : public schema::IdSource {
 public:
  Ids() : generator_(random_block(), 0) {}
  int64_t next() override { return generator_.next(); }

 private:
  static std::vector<int64_t> random_block() {
    constexpr int64_t kBlock = 64;
    const int64_t block =
        static_cast<unsigned char>(random_bytes(1)[0]) % (Snowflake::kWorkers / kBlock);
    std::vector<int64_t> workers(kBlock);
    std::iota(workers.begin(), workers.end(), block * kBlock);
    return workers;
  }
  Snowflake generator_;
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

}  // namespace

// Members are made in this order and destroyed in the opposite one.
struct App::Impl {
  Impl(const Config& c, std::string secret)
      : config(c),
        io(c.number("IO_THREADS") > 0 ? static_cast<size_t>(c.number("IO_THREADS"))
                                      : runtime::usable_cpus()),
        hashing("hash", kHashThreads, kHashQueue),
        hasher(hashing),
        jwt_secret(std::move(secret)) {}

  Config config;
  runtime::Metrics metrics;
  runtime::IoPool io;
  runtime::BlockingPool hashing;
  Hasher hasher;
  Ids ids;
  std::string jwt_secret;
  std::unique_ptr<sql::Database> db;
  data::CountCache counts;
  data::Writer writer;
  std::unique_ptr<schema::Catalog> catalog;
  std::unique_ptr<access::Access> access;
  std::unique_ptr<api::Dispatcher> dispatcher;
  std::unique_ptr<HttpRoot> root;
  std::unique_ptr<net::Server> http, admin;
  bool stopped = false;

  Task<Status> install(const Context& ctx) {
    CO_TRY_STATUS(co_await catalog->install(ctx));
    CO_TRY_STATUS(co_await access->install(ctx));
    data::Caller nobody;
    const data::Call call{ctx, catalog->snapshot(), *db, nobody, data::unrestricted()};
    features::settings::Defaults defaults;
    defaults.language = config.get("APP_LANG");
    co_return co_await features::settings::install(call, writer, defaults);
  }

  Status start() {
    schema::set_id_source(ids);
    schema::set_password_hasher(hasher);
    const sql::Options options = database_options(config);
    if (options.dialect == sql::DialectKind::kSqlite) {
      std::error_code error;
      fs::create_directories(fs::path(options.storage).parent_path(), error);
    }
    TRY(db, runtime::run(io.thread(0), sql::open(options, io)));

    std::vector<json::Object> builtin = access::Access::builtin_collections();
    for (auto& item : features::settings::builtin_collections()) builtin.push_back(std::move(item));
    schema::Settings settings;
    settings.table_prefix = config.get("DB_TABLE_PREFIX");
    settings.underscored = config.flag("DB_UNDERSCORED");
    settings.db_schema = config.get("DB_SCHEMA");
    catalog = std::make_unique<schema::Catalog>(*db, std::move(settings), std::move(builtin));

    access::Settings who;
    who.jwt_secret = jwt_secret;
    who.root_email = config.get("INIT_ROOT_EMAIL");
    who.root_username = config.get("INIT_ROOT_USERNAME");
    who.root_nickname = config.get("INIT_ROOT_NICKNAME");
    who.root_password = config.get("INIT_ROOT_PASSWORD");
    access = std::make_unique<access::Access>(*db, *catalog, writer, hashing, std::move(who));
    writer.listeners.push_back(&access->listener());

    Context ctx;
    ctx.deadline = runtime::Clock::now() + kStartTime;
    TRY_STATUS(runtime::run(io.thread(0), install(ctx)));

    api::Settings api_settings;
    api_settings.version = kVersion;
    api_settings.base_path = config.get("API_BASE_PATH");
    api_settings.language = config.get("APP_LANG");
    api_settings.request_timeout = config.milliseconds("HTTP_REQUEST_TIMEOUT");
    api_settings.cors_whitelist = config.list("CORS_ORIGIN_WHITELIST");
    api_settings.acl_meta = !config.flag("DISABLE_ACL_META");
    dispatcher = std::make_unique<api::Dispatcher>(
        api::Services{std::move(api_settings), *db, *catalog, *access, writer, &counts});
    root = std::make_unique<HttpRoot>(*dispatcher, *db, metrics);
    return {};
  }
};

App::App(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<App>> App::open(const Config& config) {
  TRY(std::string secret, token_secret(config));
  auto app = std::unique_ptr<App>(new App(std::make_unique<Impl>(config, std::move(secret))));
  TRY_STATUS(app->impl_->start());
  return app;
}

App::~App() {
  impl_->http.reset();
  impl_->admin.reset();
  if (impl_->db) runtime::run(impl_->io.thread(0), impl_->db->close());
  impl_->io.stop();
}

Status App::listen() {
  HttpRoot& root = *impl_->root;
  impl_->http = std::make_unique<net::Server>(
      impl_->io, http_options(impl_->config),
      [&root](net::Request& request) { return root.handle(request); });
  TRY_STATUS(impl_->http->listen());
  root.watch(*impl_->http);
  if (impl_->config.number("ADMIN_PORT") > 0) {
    net::ServerOptions options;
    options.host = impl_->config.get("ADMIN_HOST");
    options.port = static_cast<int>(impl_->config.number("ADMIN_PORT"));
    impl_->admin = std::make_unique<net::Server>(
        impl_->io, options, [&root](net::Request& request) { return root.handle_admin(request); });
    TRY_STATUS(impl_->admin->listen());
  }
  return {};
}

int App::port() const { return impl_->http->port(); }
int App::admin_port() const { return impl_->admin ? impl_->admin->port() : 0; }

void App::drain_and_stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->root->set_ready(false);
  impl_->http->announce_drain();
  std::this_thread::sleep_for(impl_->config.milliseconds("SHUTDOWN_DELAY"));
  impl_->http->drain();
  if (!impl_->http->wait_idle(impl_->config.milliseconds("SHUTDOWN_TIMEOUT"))) {
    log_warn("requests in flight were cut off",
             {{"requests", impl_->http->stats().requests_in_flight}});
  }
  impl_->http->stop();
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
