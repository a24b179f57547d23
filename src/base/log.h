// The process log: one JSON object (or one readable line) an event, on standard error or in a file.
//
//   log_info("listening", {{"port", 13000}});
//   -> {"time":"2026-01-31T10:00:00.000Z","level":"info","message":"listening","port":13000}
//
// The sink is set once at start by server; logging is the one thing that is process-wide. Safe from
// any thread. Never log passwords, tokens or bodies.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace halcyon {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

struct LogField {
  std::string_view name;
  std::variant<std::string, int64_t, double, bool> value;
  LogField(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(v) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, bool v) : name(n), value(v) {}
  LogField(std::string_view n, double v) : name(n), value(v) {}
  template <class T>
    requires std::is_integral_v<T>
  LogField(std::string_view n, T v) : name(n), value(static_cast<int64_t>(v)) {}
};
using LogFields = std::initializer_list<LogField>;

// `format`: "json" or "console". `file`: path, or empty for standard error.
void configure_log(LogLevel level, std::string_view format, const std::string& file = "");
bool log_enabled(LogLevel level);
void log_event(LogLevel level, std::string_view message, LogFields fields);

inline void log_debug(std::string_view message, LogFields fields = {}) {
  log_event(LogLevel::kDebug, message, fields);
}
inline void log_info(std::string_view message, LogFields fields = {}) {
  log_event(LogLevel::kInfo, message, fields);
}
inline void log_warn(std::string_view message, LogFields fields = {}) {
  log_event(LogLevel::kWarn, message, fields);
}
inline void log_error(std::string_view message, LogFields fields = {}) {
  log_event(LogLevel::kError, message, fields);
}

}  // namespace halcyon
