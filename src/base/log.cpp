#include "base/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>

#include "base/text.h"

namespace halcyon {
namespace {

std::shared_ptr<spdlog::logger> make_logger(const std::string& file) {
  spdlog::sink_ptr output;
  if (file.empty())
    output = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  else
    output = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
  auto logger = std::make_shared<spdlog::logger>("halcyon", std::move(output));
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  return logger;
}

struct Sink {
  std::shared_ptr<spdlog::logger> logger = make_logger("");
  bool json = true;
};

Sink& sink() {
  static Sink instance;
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

// One event is one line, whatever is in it.
void append_plain(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
}

void append_value(std::string& out, const LogField& field, bool json) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          if (json)
            append_json_string(out, value);
          else
            append_plain(out, value);
        } else if constexpr (std::is_same_v<T, double>) {
          out += std::isfinite(value) ? fmt::format("{}", value) : "null";
        } else {
          fmt::format_to(std::back_inserter(out), "{}", value);
        }
      },
      field.value);
}

}  // namespace

void configure_log(LogLevel level, std::string_view format, const std::string& file) {
  Sink& s = sink();
  s.logger = make_logger(file);
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
    line = fmt::format("{} {:<5} ", time_now(), level_name(level));
    append_plain(line, message);
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
