// `halcyon health`: asks the process on this machine how it is, for container engines and scripts
// that have neither a shell nor curl. It opens no database.
//
//   const HealthCommand health(cli);
//   ... parse, load the configuration ...
//   if (health.chosen()) return health.run(config);   // 0: healthy, 1: not, or nobody answers
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/config.h"

namespace halcyon::server {

class HealthCommand {
 public:
  explicit HealthCommand(CLI::App& cli);
  bool chosen() const { return command_->parsed(); }
  int run(const Config& config) const;  // exit code

 private:
  CLI::App* command_;
  std::string what_ = "ready";
  int64_t seconds_ = 3;
};

// Where the process of these settings answers: its admin port if it has one, else the main port.
std::string health_url(const Config& config, const std::string& what);

}  // namespace halcyon::server
