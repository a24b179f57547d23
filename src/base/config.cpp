#include "base/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "base/networks.h"
#include "base/time_zone.h"

extern char** environ;

namespace halcyon {
namespace {

using enum SettingKind;

// Names and defaults are NocoBase's where it has the variable.
constexpr Setting kSettings[] = {
    {"APP_ENV", kText, "production", "production, development or test", ""},
    {"APP_HOST", kText, "0.0.0.0", "Address to listen on", ""},
    {"APP_PORT", kPort, "13000", "Port to listen on", ""},
    {"APP_KEY", kSecret, "", "Secret that signs tokens; made and kept in STORAGE_PATH when empty",
     ""},
    {"APP_AES_SECRET_KEY", kSecret, "",
     "64 hexadecimal digits; encrypts secrets kept in the database", ""},
    {"JWT_EXPIRES_IN", kDuration, "7d", "Life of tokens that have none of their own", ""},
    {"APP_PUBLIC_PATH", kUrlPath, "/", "Prefix of every URL", ""},
    {"API_BASE_PATH", kUrlPath, "/api/", "Prefix of the API", ""},
    {"WS_PATH", kUrlPath, "/ws", "Path of the WebSocket", ""},
    {"APP_LANG", kText, "en-US", "Default language: en-US or zh-CN", ""},
    {"TZ", kTimeZone, "", "Time zone of this process, e.g. Asia/Shanghai", ""},
    {"STORAGE_PATH", kText, "storage", "Folder for local data", ""},
    {"WEB_ROOT", kText, "",
     "Folder of the built web client; none: it is not served; empty: share/halcyon/web or web/dist "
     "near the program",
     ""},
    {"TRUSTED_PROXIES", kNetworks, "loopback",
     "Balancers whose X-Forwarded-For is believed: addresses, networks, loopback, private, none",
     ""},
    {"REQUEST_BODY_LIMIT", kSize, "10mb", "Largest request body", ""},
    {"CORS_ORIGIN_WHITELIST", kList, "",
     "Origins allowed with credentials, separated by commas; empty: any, without", ""},
    {"SERVER_REQUEST_WHITELIST", kList, "",
     "Hosts, *.hosts, addresses and networks that workflows may call; empty: any public one", ""},
    {"DISABLE_ACL_META", kBoolean, "false", "Leave meta.allowedActions out of answers", ""},
    {"INIT_ROOT_EMAIL", kText, "admin@nocobase.com",
     "First administrator, made on an empty database", ""},
    {"INIT_ROOT_USERNAME", kText, "nocobase", "", ""},
    {"INIT_ROOT_NICKNAME", kText, "Super Admin", "", ""},
    {"INIT_ROOT_PASSWORD", kSecret, "admin123", "Change it before others can reach the server", ""},
    {"SIGN_IN_MAX_FAILURES", kInteger, "10",
     "Wrong passwords for an account from one address in SIGN_IN_WINDOW; ten times as many for an "
     "address and for an account; 0: no limit",
     ""},
    {"SIGN_IN_WINDOW", kDuration, "15m", "Time in which wrong passwords are counted", ""},
    {"CLUSTER_MODE", kClusterMode, "",
     "Worker processes on one port: a number, or max for one a processor; empty: one process", ""},
    {"WORKER_MODE", kWorkerMode, "",
     "Empty: everything; ! no background work; * no HTTP; topics: no HTTP, only these; !,topics: "
     "HTTP and these; -: neither",
     ""},
    {"CLUSTER_READY_TIMEOUT", kDuration, "10m",
     "On SIGHUP: how long a new worker process may take to get ready", ""},
    {"CLUSTER_LEASE", kDuration, "10s",
     "How long the others wait for a process that does not answer, at least 1s", ""},
    {"MIGRATION_LEASE", kDuration, "30s",
     "How long others wait for a process that died while it migrated the database", ""},
    {"IO_THREADS", kInteger, "0", "Threads for requests; 0: one a processor", ""},
    {"ADMIN_PORT", kPort, "0", "Port for health and metrics; 0: off", ""},
    {"ADMIN_HOST", kText, "127.0.0.1", "Address of the admin port", ""},
    {"SHUTDOWN_DELAY", kDuration, "0s",
     "On SIGTERM: serve on for so long while balancers look away", ""},
    {"SHUTDOWN_TIMEOUT", kDuration, "30s", "On SIGTERM: how long requests in flight may take", ""},
    {"SHUTDOWN_IDLE", kDuration, "1s",
     "On SIGTERM: how long idle connections may send one more request", ""},
    {"SHUTDOWN_WEBSOCKET_SPREAD", kDuration, "7500ms",
     "On SIGTERM: many WebSockets are closed spread over this time", ""},
    {"HTTP_HEADER_LIMIT", kSize, "16kb", "Largest request head", ""},
    {"HTTP_HEADER_TIMEOUT", kDuration, "10s", "Time for a request head", ""},
    {"HTTP_BODY_TIMEOUT", kDuration, "60s", "Time between two pieces of a body, and for an answer",
     ""},
    {"HTTP_IDLE_TIMEOUT", kDuration, "75s", "Time between two requests of a connection", ""},
    {"HTTP_REQUEST_TIMEOUT", kDuration, "60s", "Time for the work of one request", ""},
    {"HTTP_MAX_CONNECTIONS", kInteger, "10000", "Connections at a time", ""},
    {"HTTP_MAX_REQUESTS", kInteger, "1000", "Requests at a time; more are answered 503", ""},
    {"DB_DIALECT", kChoice, "sqlite", "", "sqlite|postgres|mysql|mariadb"},
    {"DB_STORAGE", kText, "", "SQLite file; default: db/halcyon.sqlite in STORAGE_PATH", ""},
    {"DB_HOST", kText, "localhost", "Host, or a list separated by commas for failover", ""},
    {"DB_PORT", kPort, "0", "0: the usual port of the dialect", ""},
    {"DB_DATABASE", kText, "halcyon", "", ""},
    {"DB_USER", kText, "halcyon", "", ""},
    {"DB_PASSWORD", kSecret, "", "", ""},
    {"DB_SCHEMA", kText, "", "PostgreSQL schema; empty: public", ""},
    {"DB_TABLE_PREFIX", kText, "", "Put before every table name", ""},
    {"DB_UNDERSCORED", kBoolean, "false", "Name columns and tables in snake_case", ""},
    {"DB_LOGGING", kBoolean, "false", "Log every statement", ""},
    {"DB_TIMEZONE", kText, "", "Accepted for compatibility; times are kept in UTC", ""},
    {"DB_DIALECT_OPTIONS_SSL_MODE", kText, "", "disable, prefer, require, verify-ca or verify-full",
     ""},
    {"DB_DIALECT_OPTIONS_SSL_CA", kText, "", "Certificate authority: text or path", ""},
    {"DB_DIALECT_OPTIONS_SSL_KEY", kSecret, "", "Client key: text or path", ""},
    {"DB_DIALECT_OPTIONS_SSL_CERT", kText, "", "Client certificate: text or path", ""},
    {"DB_DIALECT_OPTIONS_SSL_REJECT_UNAUTHORIZED", kBoolean, "true",
     "Check the server's certificate", ""},
    {"DB_POOL_MAX", kInteger, "16", "Connections for transactions and slow statements, a process",
     ""},
    {"DB_POOL_MIN", kInteger, "0", "Connections kept open when idle", ""},
    {"DB_POOL_IDLE", kInteger, "10000", "ms until an idle connection is closed", ""},
    {"DB_POOL_ACQUIRE", kInteger, "60000", "ms to wait for a connection", ""},
    {"DB_POOL_EVICT", kInteger, "1000", "ms between looks for idle connections", ""},
    {"DB_POOL_MAX_USES", kInteger, "0", "Uses after which a connection is replaced; 0: never", ""},
    {"DB_LANES", kInteger, "1", "PostgreSQL: pipelined connections a thread", ""},
    {"DB_LANE_TIMEOUT", kDuration, "5s", "PostgreSQL: longest short statement", ""},
    {"DB_FAILOVER_WAIT", kDuration, "30s", "How long requests wait while no database takes writes",
     ""},
    {"DB_READ_HOSTS", kList, "",
     "Replicas that lists may be read from: hosts, or host:port, separated by commas", ""},
    {"DB_READ_MAX_LAG", kDuration, "5s", "A replica that is further behind is left alone", ""},
    {"LOGGER_LEVEL", kChoice, "info", "", "debug|info|warn|error"},
    {"LOGGER_FORMAT", kChoice, "json", "", "json|console"},
    {"LOGGER_TRANSPORT", kChoice, "console", "console, or file below LOGGER_BASE_PATH",
     "console|file"},
    {"LOGGER_BASE_PATH", kText, "", "Folder of log files; default: logs in STORAGE_PATH", ""},
};

const Setting* find_setting(std::string_view name) {
  auto it = std::ranges::find(kSettings, name, &Setting::name);
  return it == std::end(kSettings) ? nullptr : &*it;
}

std::unexpected<Error> bad(std::string message) {
  return invalid("INVALID_CONFIG", std::move(message));
}

// Number and unit of "10mb" or "30s".
std::optional<int64_t> scaled(std::string_view text,
                              std::initializer_list<std::pair<std::string_view, int64_t>> units) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = to_int64(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string unit = to_lower(trim(text.substr(digits)));
  for (const auto& [name, factor] : units) {
    int64_t result = 0;
    if (unit == name && !__builtin_mul_overflow(*number, factor, &result)) return result;
  }
  return std::nullopt;
}

std::string_view accepted(const Setting& setting) {
  switch (setting.kind) {
    case kInteger:
      return "a whole number from 0 to 2147483647";
    case kPort:
      return "a port from 0 to 65535";
    case kBoolean:
      return "true or false";
    case kSize:
      return "a size such as 10mb";
    case kDuration:
      return "a duration such as 30s or 500ms";
    case kChoice:
      return setting.choices;
    case kUrlPath:
      return "a path that begins with /";
    case kTimeZone:
      return "a time zone such as Asia/Shanghai or +08:00";
    case kClusterMode:
      return "a number of processes from 1 to 512, max, -1 or nothing";
    case kNetworks:
      return "addresses and networks such as 10.0.0.0/8, loopback, private or none";
    case kWorkerMode:
      return "nothing, !, *, - or topics separated by commas, such as !,workflow:process";
    case kText:
    case kSecret:
    case kList:
      break;
  }
  return "text";
}

bool is_between(std::string_view value, int64_t low, int64_t high) {
  const auto number = to_int64(value);
  return number && *number >= low && *number <= high;
}

bool is_topic(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_:.").find(c) != std::string_view::npos;
  });
}

bool is_worker_mode(std::string_view value) {
  if (value.empty() || value == "!" || value == "*" || value == "-") return true;
  if (value.starts_with("!,")) value.remove_prefix(2);
  return std::ranges::all_of(split(value, ','), [](auto part) { return is_topic(trim(part)); });
}

std::vector<std::string> items_of(std::string_view list) {
  std::vector<std::string> items;
  for (std::string_view part : split(list, ',')) {
    if (auto item = trim(part); !item.empty()) items.emplace_back(item);
  }
  return items;
}

bool is_good(const Setting& setting, std::string_view value) {
  switch (setting.kind) {
    case kInteger:
      return is_between(value, 0, std::numeric_limits<int32_t>::max());
    case kPort:
      return is_between(value, 0, 65535);
    case kBoolean:
      return value == "true" || value == "false" || value == "on" || value == "off" ||
             value == "1" || value == "0";
    case kSize:
      return parse_size(value).has_value();
    case kDuration:
      return parse_duration_ms(value).has_value();
    case kChoice:
      return std::ranges::count(split(setting.choices, '|'), value) > 0;
    case kUrlPath:
      return value.starts_with('/');
    case kTimeZone:
      return value.empty() || TimeZone::find(value);
    case kClusterMode:
      return value.empty() || value == "max" || value == "-1" || is_between(value, 1, 512);
    case kNetworks:
      return Networks::parse_with_words(items_of(value)).has_value();
    case kWorkerMode:
      return is_worker_mode(value);
    case kText:
    case kSecret:
    case kList:
      return true;
  }
  return true;
}

bool is_ours(std::string_view name) {
  for (std::string_view prefix : {"APP_", "DB_", "HTTP_", "LOGGER_", "INIT_"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

// Reads a .env file entry by entry.
class EnvFile {
 public:
  explicit EnvFile(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }

  // The next line, and those its quotes run over; nullopt: blank or a comment.
  Result<std::optional<std::pair<std::string, std::string>>> line() {
    const int number = ++number_;
    std::string_view head = trim(rest_.substr(0, rest_.find('\n')));
    if (head.empty() || head.starts_with('#')) {
      skip_line();
      return std::nullopt;
    }
    const size_t equals = rest_.find('=');
    std::string_view name = trim(rest_.substr(0, equals));
    if (name.starts_with("export ")) name = trim(name.substr(7));
    if (head.find('=') == std::string_view::npos || !is_name(name))
      return bad(fmt::format(".env line {}: expected NAME=value", number));
    rest_.remove_prefix(equals + 1);
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
    std::string value;
    if (rest_.starts_with('"') || rest_.starts_with('\'')) {
      if (!quoted(value)) return bad(fmt::format(".env line {}: the quotes do not end", number));
      const std::string_view after = trim(skip_line());
      if (!after.empty() && !after.starts_with('#'))
        return bad(fmt::format(".env line {}: there is more after the quotes", number));
    } else {
      std::string_view plain = skip_line();
      if (plain.starts_with('#')) plain = {};
      value = trim(plain.substr(0, plain.find(" #")));
    }
    return std::pair(std::string(name), std::move(value));
  }

 private:
  static bool is_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
  }
  // Takes the rest of the line.
  std::string_view skip_line() {
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return line;
  }
  // Takes a value in quotes; false: they do not end.
  bool quoted(std::string& value) {
    constexpr std::string_view kEscapes = "nrt\"\\", kMeanings = "\n\r\t\"\\";
    const char quote = rest_.front();
    for (size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == quote) {
        rest_.remove_prefix(i + 1);
        return true;
      }
      if (c == '\n') ++number_;
      if (c == '\\' && quote == '"' && i + 1 < rest_.size()) {
        const size_t known = kEscapes.find(rest_[i + 1]);
        if (known != std::string_view::npos) {
          c = kMeanings[known];
          ++i;
        }
      }
      value += c;
    }
    return false;
  }

  std::string_view rest_;
  int number_ = 0;
};

Result<std::string> read_file(const std::string& path, std::string_view variable) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return bad(fmt::format("{}: cannot read \"{}\"", variable, path));
  return std::string(trim(text.str()));
}

// The value a source gives to a setting, itself or as the name of a file; nullopt: none.
Result<std::optional<std::string>> given_value(const Environment& source, std::string_view name) {
  if (const auto it = source.find(name); it != source.end() && !it->second.empty())
    return it->second;
  const auto file = source.find(std::string(name) + "_FILE");
  if (file == source.end() || file->second.empty()) return std::nullopt;
  TRY(std::string text, read_file(file->second, file->first));
  return text;
}

bool is_known(std::string_view name) {
  if (find_setting(name) != nullptr) return true;
  return name.ends_with("_FILE") && find_setting(name.substr(0, name.size() - 5)) != nullptr;
}

}  // namespace

std::span<const Setting> settings() { return kSettings; }

Environment process_environment() {
  Environment result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

std::optional<int64_t> parse_size(std::string_view text) {
  return scaled(text,
                {{"", 1}, {"b", 1}, {"kb", 1024}, {"mb", 1024 * 1024}, {"gb", 1024 * 1024 * 1024}});
}

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  return scaled(
      text, {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});
}

Result<Environment> parse_env_file(std::string_view text) {
  Environment result;
  EnvFile file(text);
  while (!file.at_end()) {
    TRY(auto entry, file.line());
    if (entry) result.insert_or_assign(std::move(entry->first), std::move(entry->second));
  }
  return result;
}

Result<Config> Config::load(const Environment& environment, const std::string& env_file) {
  Environment file;
  if (std::ifstream probe(env_file); probe) {
    TRY(const std::string text, read_file(env_file, ".env"));
    TRY(file, parse_env_file(text));
    for (const auto& [name, value] : file) {
      if (is_ours(name) && !is_known(name))
        return bad(fmt::format("{}: there is no such setting (see .env.example)", name));
    }
  }
  Config config;
  for (const auto& [name, value] : environment) {
    if ((name.starts_with("DB_") || name.starts_with("LOGGER_")) && !is_known(name))
      config.warnings_.push_back(fmt::format("{}: there is no such setting; it is ignored", name));
  }
  for (const Setting& setting : kSettings) {
    TRY(std::optional<std::string> value, given_value(environment, setting.name));
    // A setting that the environment has but leaves empty is not looked for in the file.
    if (!value && !environment.contains(setting.name)) {
      TRY(value, given_value(file, setting.name));
    }
    config.given_.emplace(setting.name, value.has_value());
    if (!value) value = std::string(setting.fallback);
    if (!is_good(setting, *value)) {
      const std::string shown = setting.kind == kSecret ? "(hidden)" : *value;
      return bad(fmt::format("{}: \"{}\" is not accepted; expected {}", setting.name, shown,
                             accepted(setting)));
    }
    config.values_.emplace(setting.name, *std::move(value));
  }
  return config;
}

const std::string& Config::get(std::string_view name) const {
  auto it = values_.find(name);
  if (it == values_.end()) throw std::logic_error("no setting " + std::string(name));
  return it->second;
}
bool Config::is_set(std::string_view name) const { return given_.find(name)->second; }
int64_t Config::number(std::string_view name) const { return to_int64(get(name)).value_or(0); }
bool Config::flag(std::string_view name) const {
  const std::string& value = get(name);
  return value == "true" || value == "on" || value == "1";
}
size_t Config::bytes(std::string_view name) const {
  return static_cast<size_t>(parse_size(get(name)).value_or(0));
}
std::chrono::milliseconds Config::milliseconds(std::string_view name) const {
  return std::chrono::milliseconds(parse_duration_ms(get(name)).value_or(0));
}
std::vector<std::string> Config::list(std::string_view name) const { return items_of(get(name)); }

std::string example_env() {
  std::string text =
      "# Every setting with its default. Copy to .env and change what you need; environment "
      "variables win.\n"
      "# NAME_FILE=/path reads the value of NAME from a file.\n";
  for (const Setting& setting : kSettings) {
    text += '\n';
    std::string about(setting.about);
    if (setting.kind == kChoice)
      about += (about.empty() ? "" : ": ") + std::string(setting.choices);
    if (!about.empty()) text += "# " + about + "\n";
    text += fmt::format("# {}={}\n", setting.name, setting.fallback);
  }
  return text;
}

}  // namespace halcyon
