// `halcyon cluster status|drain|undrain|jobs|retry|cancel|schedules`: looks at the cluster and asks
// things of it, over the database, without being a member.
//
//   ClusterCommand command(cli);
//   ... parse ...
//   if (command.chosen()) return command.run(config);
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/config.h"
#include "base/result.h"
#include "cluster/cluster.h"
#include "runtime/io.h"

namespace halcyon::server {

class ClusterCommand {
 public:
  explicit ClusterCommand(CLI::App& cli);
  bool chosen() const { return command_->parsed(); }
  int run(const Config& config) const;  // exit code

 private:
  struct Session;  // the database, and the cluster seen through it
  Task<Status> act(Session& session) const;
  Task<Status> status(Session& session) const;
  Task<Status> drain(Session& session, bool drain) const;
  Task<Status> jobs(Session& session) const;
  Task<Status> retry(Session& session) const;
  Task<Status> cancel(Session& session) const;
  Task<Status> schedules(Session& session) const;

  CLI::App *command_, *list_, *drain_, *undrain_, *jobs_, *retry_, *cancel_, *schedules_;
  bool json_ = false;
  std::string member_, topic_, state_;
  size_t limit_ = 100;
  int64_t job_ = 0;
};

// "in 8 s", "3 min ago", "now": `ms` from now.
std::string relative_time(int64_t ms);

}  // namespace halcyon::server
