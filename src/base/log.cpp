#include "base/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "base/text.h"

namespace halcyon {
namespace {

struct Sink {
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>(
      "halcyon", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  bool json = true;
};

Sink& sink() {
  static Sink instance = [] {
    Sink s;
    s.logger->set_pattern("%v");
    return s;
  }();
  return instance;
}

std::atomic<LogLevel> threshold{LogLevel::kInfo};

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      break;
  }
  return "off";
}

std::string time_now() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const auto ms = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(now)), ms);
}

void append_value(std::string& out, const LogField& field, bool json) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          if (json)
            append_json_string(out, value);
          else
            out += value;
        } else {
          fmt::format_to(std::back_inserter(out), "{}", value);
        }
      },
      field.value);
}

}  // namespace

void configure_log(LogLevel level, std::string_view format, const std::string& file) {
  Sink& s = sink();
  if (!file.empty()) {
    s.logger = std::make_shared<spdlog::logger>(
        "halcyon", std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
    s.logger->set_pattern("%v");
    s.logger->flush_on(spdlog::level::info);
  }
  s.json = format != "console";
  threshold.store(level);
}

bool log_enabled(LogLevel level) {
  return level >= threshold.load(std::memory_order_relaxed) && level != LogLevel::kOff;
}

void log_event(LogLevel level, std::string_view message, LogFields fields) {
  if (!log_enabled(level)) return;
  Sink& s = sink();
  std::string line;
  if (s.json) {
    line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"message\":", time_now(),
                       level_name(level));
    append_json_string(line, message);
  } else {
    line = fmt::format("{} {:<5} {}", time_now(), level_name(level), message);
  }
  for (const LogField& field : fields) {
    if (s.json) {
      line += ',';
      append_json_string(line, field.name);
      line += ':';
    } else {
      line += ' ';
      line += field.name;
      line += '=';
    }
    append_value(line, field, s.json);
  }
  if (s.json) line += '}';
  s.logger->info(line);
}

}  // namespace halcyon
