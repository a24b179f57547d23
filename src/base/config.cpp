#include "base/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

extern char** environ;

namespace halcyon {
namespace {

using enum SettingKind;

// Names and defaults are NocoBase's where it has the variable.
constexpr Setting kSettings[] = {
    {"APP_ENV", kText, "production", "production, development or test", ""},
    {"APP_HOST", kText, "0.0.0.0", "Address to listen on", ""},
    {"APP_PORT", kInteger, "13000", "Port to listen on", ""},
    {"APP_KEY", kSecret, "", "Secret that signs tokens; made and kept in STORAGE_PATH when empty",
     ""},
    {"APP_PUBLIC_PATH", kText, "/", "Prefix of every URL", ""},
    {"API_BASE_PATH", kText, "/api/", "Prefix of the API", ""},
    {"APP_LANG", kText, "en-US", "Default language: en-US or zh-CN", ""},
    {"TZ", kText, "", "Time zone of this process", ""},
    {"STORAGE_PATH", kText, "storage", "Folder for local data", ""},
    {"WEB_ROOT", kText, "", "Folder of the built web client; empty: none is served", ""},
    {"REQUEST_BODY_LIMIT", kSize, "10mb", "Largest request body", ""},
    {"CORS_ORIGIN_WHITELIST", kList, "",
     "Origins allowed with credentials, separated by commas; empty: any, without", ""},
    {"DISABLE_ACL_META", kBoolean, "false", "Leave meta.allowedActions out of answers", ""},
    {"INIT_ROOT_EMAIL", kText, "admin@nocobase.com",
     "First administrator, made on an empty database", ""},
    {"INIT_ROOT_USERNAME", kText, "nocobase", "", ""},
    {"INIT_ROOT_NICKNAME", kText, "Super Admin", "", ""},
    {"INIT_ROOT_PASSWORD", kSecret, "admin123", "Change it before others can reach the server", ""},
    {"IO_THREADS", kInteger, "0", "Threads for requests; 0: one a processor", ""},
    {"ADMIN_PORT", kInteger, "0", "Port for health and metrics; 0: off", ""},
    {"ADMIN_HOST", kText, "127.0.0.1", "Address of the admin port", ""},
    {"SHUTDOWN_DELAY", kDuration, "0s",
     "On SIGTERM: serve on for so long while balancers look away", ""},
    {"SHUTDOWN_TIMEOUT", kDuration, "30s", "On SIGTERM: how long requests in flight may take", ""},
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
    {"DB_PORT", kInteger, "0", "0: the usual port of the dialect", ""},
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
    {"DB_POOL_MAX", kInteger, "5", "Connections for transactions, a process", ""},
    {"DB_POOL_MIN", kInteger, "0", "Connections kept open when idle", ""},
    {"DB_POOL_IDLE", kInteger, "10000", "ms until an idle connection is closed", ""},
    {"DB_POOL_ACQUIRE", kInteger, "60000", "ms to wait for a connection", ""},
    {"DB_POOL_EVICT", kInteger, "1000", "ms between looks for idle connections", ""},
    {"DB_POOL_MAX_USES", kInteger, "0", "Uses after which a connection is replaced; 0: never", ""},
    {"DB_LANES", kInteger, "1", "PostgreSQL: pipelined connections a thread", ""},
    {"DB_LANE_TIMEOUT", kDuration, "5s", "PostgreSQL: longest short statement", ""},
    {"DB_FAILOVER_WAIT", kDuration, "30s", "How long requests wait while no database takes writes",
     ""},
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
  if (!number || *number > 1'000'000'000'000) return std::nullopt;
  const std::string unit = to_lower(trim(text.substr(digits)));
  for (const auto& [name, factor] : units) {
    if (unit == name) return *number * factor;
  }
  return std::nullopt;
}

std::string_view accepted(const Setting& setting) {
  switch (setting.kind) {
    case kInteger:
      return "a whole number";
    case kBoolean:
      return "true or false";
    case kSize:
      return "a size such as 10mb";
    case kDuration:
      return "a duration such as 30s or 500ms";
    case kChoice:
      return setting.choices;
    case kText:
    case kSecret:
    case kList:
      break;
  }
  return "text";
}

bool is_good(const Setting& setting, std::string_view value) {
  switch (setting.kind) {
    case kInteger:
      return to_int64(value).value_or(-1) >= 0;
    case kBoolean:
      return value == "true" || value == "false" || value == "on" || value == "off" ||
             value == "1" || value == "0";
    case kSize:
      return parse_size(value).has_value();
    case kDuration:
      return parse_duration_ms(value).has_value();
    case kChoice:
      return std::ranges::count(split(setting.choices, '|'), value) > 0;
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

Result<std::string> read_file(const std::string& path, std::string_view variable) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return bad(fmt::format("{}: cannot read \"{}\"", variable, path));
  return std::string(trim(text.str()));
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
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with("export ")) line = trim(line.substr(7));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return bad(fmt::format(".env line {}: expected NAME=value", number));
    const std::string_view name = trim(line.substr(0, equals));
    std::string_view value = trim(line.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.find(value.front(), 1) != std::string_view::npos) {
      value = value.substr(1, value.find(value.front(), 1) - 1);
    } else if (const auto comment = value.find(" #"); comment != std::string_view::npos) {
      value = trim(value.substr(0, comment));
    }
    result.insert_or_assign(std::string(name), std::string(value));
  }
  return result;
}

Result<Config> Config::load(const Environment& environment, const std::string& env_file) {
  Environment all;
  if (std::ifstream probe(env_file); probe) {
    TRY(std::string text, read_file(env_file, ".env"));
    TRY(all, parse_env_file(text));
    for (const auto& [name, value] : all) {
      const std::string_view plain =
          name.ends_with("_FILE") ? std::string_view(name).substr(0, name.size() - 5) : name;
      if (is_ours(name) && find_setting(name) == nullptr && find_setting(plain) == nullptr) {
        return bad(fmt::format("{}: there is no such setting (see .env.example)", name));
      }
    }
  }
  for (const auto& [name, value] : environment) all.insert_or_assign(name, value);

  Config config;
  for (const Setting& setting : kSettings) {
    std::string value(setting.fallback);
    bool given = false;
    if (auto it = all.find(setting.name); it != all.end() && !it->second.empty()) {
      value = it->second;
      given = true;
    } else if (auto file = all.find(std::string(setting.name) + "_FILE");
               file != all.end() && !file->second.empty()) {
      TRY(value, read_file(file->second, file->first));
      given = true;
    }
    if (!is_good(setting, value)) {
      const std::string shown = setting.kind == kSecret ? "(hidden)" : value;
      return bad(fmt::format("{}: \"{}\" is not accepted; expected {}", setting.name, shown,
                             accepted(setting)));
    }
    config.values_.emplace(setting.name, std::move(value));
    config.given_.emplace(setting.name, given);
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
std::vector<std::string> Config::list(std::string_view name) const {
  std::vector<std::string> items;
  for (std::string_view part : split(get(name), ',')) {
    if (auto item = trim(part); !item.empty()) items.emplace_back(item);
  }
  return items;
}

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
