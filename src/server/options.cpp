#include "server/options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "base/text.h"
#include "server/app.h"

namespace halcyon::server {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> cannot_keep(const fs::path& path) {
  return invalid("INVALID_CONFIG", fmt::format("APP_KEY is not set and {} cannot be written: {}",
                                               path.string(), std::strerror(errno)));
}

}  // namespace

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

sql::ReplicaOptions replica_options(const Config& config) {
  sql::ReplicaOptions o;
  o.hosts = config.list("DB_READ_HOSTS");
  o.max_lag = config.milliseconds("DB_READ_MAX_LAG");
  return o;
}

schema::Settings schema_settings(const Config& config) {
  schema::Settings s;
  s.table_prefix = config.get("DB_TABLE_PREFIX");
  s.underscored = config.flag("DB_UNDERSCORED");
  s.db_schema = config.get("DB_SCHEMA");
  return s;
}

access::Settings access_settings(const Config& config, std::string jwt_secret) {
  access::Settings s;
  s.jwt_secret = std::move(jwt_secret);
  s.root_email = config.get("INIT_ROOT_EMAIL");
  s.root_username = config.get("INIT_ROOT_USERNAME");
  s.root_nickname = config.get("INIT_ROOT_NICKNAME");
  s.root_password = config.get("INIT_ROOT_PASSWORD");
  s.sign_in_max_failures = config.number("SIGN_IN_MAX_FAILURES");
  s.sign_in_window = config.milliseconds("SIGN_IN_WINDOW");
  return s;
}

api::Settings api_settings(const Config& config) {
  api::Settings s;
  s.version = kVersion;
  s.base_path = config.get("API_BASE_PATH");
  s.language = config.get("APP_LANG");
  s.request_timeout = config.milliseconds("HTTP_REQUEST_TIMEOUT");
  s.cors_whitelist = config.list("CORS_ORIGIN_WHITELIST");
  s.acl_meta = !config.flag("DISABLE_ACL_META");
  return s;
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
  o.never_shed = "/healthz/";
  o.drain_idle = config.milliseconds("SHUTDOWN_IDLE");
  o.websocket_spread = std::min(config.milliseconds("SHUTDOWN_WEBSOCKET_SPREAD"),
                                config.milliseconds("SHUTDOWN_TIMEOUT") / 2);
  return o;
}

net::ServerOptions admin_options(const Config& config) {
  net::ServerOptions o;
  o.host = config.get("ADMIN_HOST");
  o.port = static_cast<int>(config.number("ADMIN_PORT"));
  return o;
}

std::string web_root(const Config& config) {
  const std::string& given = config.get("WEB_ROOT");
  if (!given.empty()) return given == "none" ? "" : given;
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* near : {"../share/halcyon/web", "../../web/dist"}) {
    const fs::path root = (folder / near).lexically_normal();
    if (fs::is_regular_file(root / "index.html", error)) return root.string();
  }
  return "";
}

HttpRootOptions root_options(const Config& config) {
  HttpRootOptions o;
  const std::vector<std::string> trusted = config.list("TRUSTED_PROXIES");
  o.trusted_proxies = Networks::parse_with_words(trusted).value();  // the configuration is checked
  o.web_root = web_root(config);
  std::string api = config.get("API_BASE_PATH");
  while (api.size() > 1 && api.ends_with('/')) api.pop_back();
  o.never_a_page = {api, config.get("WS_PATH"), "/healthz", "/metrics"};
  o.max_requests = static_cast<size_t>(config.number("HTTP_MAX_REQUESTS"));
  return o;
}

Result<std::string> token_secret(const Config& config) {
  if (config.is_set("APP_KEY")) return config.get("APP_KEY");
  const fs::path path = fs::path(config.get("STORAGE_PATH")) / "app_key";
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const auto stored = [&]() {
    std::string key;
    std::ifstream(path) >> key;
    return key;
  };
  if (std::string key = stored(); !key.empty()) return key;
  // Written whole beside it and linked into place: whoever is first wins, nobody reads half a key.
  const std::string made = fmt::format("{}.{}", path.string(), hex_encode(random_bytes(8)));
  const std::string line = hex_encode(random_bytes(32)) + "\n";
  const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return cannot_keep(path);
  const bool written =
      ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  ::close(fd);
  // A file without a key in it is of no use to anybody.
  if (fs::exists(path, error) && fs::file_size(path, error) == 0) fs::remove(path, error);
  const bool linked = written && (::link(made.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int why = errno;
  ::unlink(made.c_str());
  errno = why;
  if (!linked) return cannot_keep(path);
  std::string key = stored();
  if (key.empty()) return cannot_keep(path);
  return key;
}

WorkerMode WorkerMode::parse(std::string_view text) {
  WorkerMode mode;
  if (text.empty()) return mode;
  mode.http = text.starts_with('!');
  mode.every_topic = text == "*";
  if (text == "!" || text == "*" || text == "-") return mode;
  if (mode.http) text.remove_prefix(text.find(',') + 1);
  for (std::string_view topic : split(text, ',')) mode.topics.emplace_back(trim(topic));
  return mode;
}

bool WorkerMode::serves_topic(std::string_view topic) const {
  return every_topic || std::ranges::find(topics, topic) != topics.end();
}

cluster::Options cluster_options(const Config& config, const WorkerMode& mode,
                                 std::string version) {
  cluster::Options o;
  o.tables = schema_settings(config);
  o.lease_ttl = std::max(config.milliseconds("CLUSTER_LEASE"), std::chrono::milliseconds(1000));
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) == 0) o.host = name.data();
  o.version = std::move(version);
  o.worker_mode = config.get("WORKER_MODE");
  o.serves_topic = [mode](std::string_view topic) { return mode.serves_topic(topic); };
  return o;
}

}  // namespace halcyon::server
