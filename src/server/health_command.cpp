#include "server/health_command.h"

#include <fmt/format.h>

#include <iostream>

#include "net/client.h"
#include "runtime/io.h"

namespace halcyon::server {

std::string health_url(const Config& config, const std::string& what) {
  const bool admin = config.number("ADMIN_PORT") > 0;
  std::string host = config.get(admin ? "ADMIN_HOST" : "APP_HOST");
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("http://{}:{}/healthz/{}", host,
                     config.number(admin ? "ADMIN_PORT" : "APP_PORT"), what);
}

HealthCommand::HealthCommand(CLI::App& cli) {
  command_ = cli.add_subcommand("health", "Ask the server on this machine whether it is healthy");
  command_
      ->add_option("what", what_,
                   "ready: requests sent there will succeed; live: it answers; startup: it has "
                   "started")
      ->check(CLI::IsMember({"ready", "live", "startup"}))
      ->capture_default_str();
  command_->add_option("--timeout", seconds_, "Seconds to wait for the answer")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
}

int HealthCommand::run(const Config& config) const {
  net::ClientRequest request("GET", health_url(config, what_));
  request.timeout = std::chrono::seconds(seconds_);
  const net::Client client;
  runtime::IoPool io(1);
  const auto answer = runtime::run(io.thread(0), client.send(request));
  if (!answer) {
    std::cout << request.url << ": " << answer.error().message << '\n';
    return 1;
  }
  std::cout << answer->body << '\n';
  return answer->status == 200 ? 0 : 1;
}

}  // namespace halcyon::server
