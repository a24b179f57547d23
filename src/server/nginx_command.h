// `halcyon nginx-conf`: the options of the command line and what they mean for server/nginx_conf.h.
//
//   NginxCommand nginx(cli);        // adds the subcommand
//   ... parse, load the configuration ...
//   if (nginx.chosen()) return nginx.run(config);
#pragma once

#include <memory>

#include "base/config.h"

namespace CLI {
class App;
}

namespace halcyon::server {

class NginxCommand {
 public:
  explicit NginxCommand(CLI::App& cli);
  ~NginxCommand();
  bool chosen() const;
  int run(const Config& config);  // exit code

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::server
