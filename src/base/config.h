// Configuration: environment variables, and a .env file whose values the environment overrides.
//
//   TRY(Config config, Config::load(environment_of_process(), ".env"));
//   config.get("APP_HOST"); config.number("APP_PORT"); config.milliseconds("HTTP_IDLE_TIMEOUT");
//
// One table (settings()) holds every variable with its default, kind and explanation; parsing,
// checks and .env.example come from it. Any variable X may be given as X_FILE, the path of a file
// that holds the value. A bad value is one line naming the variable, what was given and what is
// accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace halcyon {

enum class SettingKind {
  kText,
  kSecret,
  kInteger,  // 0 to 2^31 - 1
  kPort,
  kBoolean,
  kSize,
  kDuration,
  kChoice,
  kList,
  kNetworks,     // addresses and networks, also loopback, private and none
  kUrlPath,      // begins with /
  kTimeZone,     // empty: the system's
  kClusterMode,  // empty, a number of processes, max or -1
  kWorkerMode,   // docs/design.md §2: empty, !, *, -, or a list of topics that may begin with !
};

struct Setting {
  std::string_view name;
  SettingKind kind;
  std::string_view fallback;
  std::string_view about;    // one line for .env.example
  std::string_view choices;  // kChoice: separated by |
};

std::span<const Setting> settings();

using Environment = std::map<std::string, std::string, std::less<>>;
Environment process_environment();

class Config {
 public:
  // Error INVALID_CONFIG. `env_file` may be absent. Unknown APP_/DB_/HTTP_/INIT_/LOGGER_ names in
  // the file are errors (a typing mistake must not be silent); in the environment they may belong
  // to others. A variable that is set but empty has its default.
  static Result<Config> load(const Environment& environment, const std::string& env_file);

  const std::string& get(std::string_view name) const;  // name must be in settings()
  bool is_set(std::string_view name) const;             // given, not the default
  int64_t number(std::string_view name) const;
  bool flag(std::string_view name) const;
  size_t bytes(std::string_view name) const;
  std::chrono::milliseconds milliseconds(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;
  // Lines for the log: names in the environment that look like ours and are not (DB_, LOGGER_).
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::map<std::string, bool, std::less<>> given_;
  std::vector<std::string> warnings_;
};

// The text of .env.example.
std::string example_env();

// "10mb", "512kb", "100" -> bytes; "30s", "500ms", "1d", "250" (ms) -> milliseconds; nullopt:
// neither.
std::optional<int64_t> parse_size(std::string_view text);
std::optional<int64_t> parse_duration_ms(std::string_view text);
// KEY=value lines with comments and `export`. Quoted values may hold # and line ends; in double
// quotes \n, \r, \t, \" and \\ are escapes. Error INVALID_CONFIG with the line.
Result<Environment> parse_env_file(std::string_view text);

}  // namespace halcyon
