// The command line: halcyon serve|migrate|user|cluster|health|nginx-conf|config|version.
#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/config.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"
#include "json/json.h"
#include "server/app.h"
#include "server/cluster_command.h"
#include "server/health_command.h"
#include "server/nginx_command.h"
#include "server/serve.h"

namespace halcyon::server {
namespace {

void set_up_log(const Config& config) {
  const std::string& level = config.get("LOGGER_LEVEL");
  std::string file;
  if (config.get("LOGGER_TRANSPORT") == "file") {
    const std::string folder = config.is_set("LOGGER_BASE_PATH")
                                   ? config.get("LOGGER_BASE_PATH")
                                   : config.get("STORAGE_PATH") + "/logs";
    mkdir(config.get("STORAGE_PATH").c_str(), 0755);
    mkdir(folder.c_str(), 0755);
    file = folder + "/halcyon.log";
  }
  configure_log(level == "debug"   ? LogLevel::kDebug
                : level == "warn"  ? LogLevel::kWarn
                : level == "error" ? LogLevel::kError
                                   : LogLevel::kInfo,
                config.get("LOGGER_FORMAT"), file);
}

int user(const Config& config, const std::string& username, const std::string& email,
         std::string password) {
  const bool made = password.empty();
  if (made) password = base64_encode(random_bytes(12));
  auto app = App::open(config, Purpose::kCommand);
  if (!app) return fail_with(app.error());
  if (auto status = (*app)->create_or_reset_admin(username, email, password); !status)
    return fail_with(status.error());
  std::cout << "The account \"" << username << "\" can sign in"
            << (made ? " with the password " + password : "") << ".\n";
  return 0;
}

int migrate(const Config& config) {
  auto app = App::open(config, Purpose::kCommand);
  if (!app) return fail_with(app.error());
  std::cout << "The database is up to date.\n";
  return 0;
}

int migration_status(const Config& config, bool as_json) {
  auto all = App::migration_status(config);
  if (!all) return fail_with(all.error());
  json::Array list;
  if (!as_json) std::cout << fmt::format("{:>3}  {:8}  {:9}  {}\n", "no", "phase", "state", "name");
  for (const sql::MigrationInfo& m : *all) {
    if (as_json) {
      list.push_back(json::Object{{"number", m.number},
                                  {"name", m.name},
                                  {"phase", sql::to_text(m.phase)},
                                  {"state", sql::to_text(m.state)},
                                  {"done", m.done},
                                  {"total", m.total},
                                  {"appliedAt", m.applied_at_ms},
                                  {"version", m.version},
                                  {"known", m.known}});
      continue;
    }
    std::cout << fmt::format("{:>3}  {:8}  {:9}  {}{}\n", m.number, sql::to_text(m.phase),
                             sql::to_text(m.state), m.name,
                             m.known ? "" : " (of a later version than this program)");
  }
  if (as_json) std::cout << json::dump(list) << '\n';
  return 0;
}

int main_of(int argc, char** argv) {
  CLI::App cli{"Halcyon: an open no-code platform that stays up"};
  cli.require_subcommand(1);
  std::string env_file = ".env";
  cli.add_option("--env-file", env_file, "File with settings; environment variables win")
      ->capture_default_str();
  auto* serve_command = cli.add_subcommand("serve", "Run the server");
  int port = -1;
  serve_command->add_option("-p,--port", port, "Port to listen on (APP_PORT)")
      ->check(CLI::Range(0, 65535));
  auto* migrate_command =
      cli.add_subcommand("migrate", "Bring the database up to this version, then exit");
  bool only_status = false, as_json = false;
  migrate_command->add_flag("--status", only_status,
                            "Only show what is applied and what is pending");
  migrate_command->add_flag("--json", as_json, "With --status: print JSON");
  auto* user_command =
      cli.add_subcommand("user", "Make an administrator, or give an account a new password");
  std::string username, email, password;
  user_command->add_option("username", username, "User name")->required();
  user_command->add_option("--email", email, "E-mail address of a new account");
  user_command->add_option("--password", password, "Password; one is made and shown when absent");
  NginxCommand nginx(cli);
  const ClusterCommand cluster_command(cli);
  const HealthCommand health_command(cli);
  auto* config_command = cli.add_subcommand("config", "Check the settings");
  bool example = false;
  config_command->add_flag("--example", example, "Print .env.example instead");
  auto* version_command = cli.add_subcommand("version", "Print the version");
  CLI11_PARSE(cli, argc, argv);

  if (*version_command) {
    std::cout << "halcyon " << kVersion << '\n';
    return 0;
  }
  if (example) {
    std::cout << example_env();
    return 0;
  }
  Environment environment = process_environment();
  if (port >= 0) environment.insert_or_assign("APP_PORT", std::to_string(port));
  auto config = Config::load(environment, env_file);
  if (!config) return fail_with(config.error());
  set_up_log(*config);
  for (const std::string& warning : config->warnings()) log_warn(warning);
  if (*serve_command) return serve(*config, {argv, argv + argc});
  if (nginx.chosen()) return nginx.run(*config);
  if (health_command.chosen()) return health_command.run(*config);
  if (cluster_command.chosen()) return cluster_command.run(*config);
  if (*user_command) return user(*config, username, email, password);
  if (*migrate_command) return only_status ? migration_status(*config, as_json) : migrate(*config);
  (void)config_command;
  std::cout << "The settings are good.\n";
  return 0;
}

}  // namespace
}  // namespace halcyon::server

int main(int argc, char** argv) {
  try {
    return halcyon::server::main_of(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "halcyon: " << error.what() << '\n';
    return 1;
  }
}
