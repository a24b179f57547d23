#include "server/nginx_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "server/app.h"
#include "server/nginx_conf.h"
#include "server/self_signed.h"
#include "server/serve.h"

namespace halcyon::server {
namespace {

namespace fs = std::filesystem;

std::string absolute(const std::string& path) {
  return path.empty() ? path : fs::absolute(path).lexically_normal().string();
}

}  // namespace

struct NginxCommand::Impl {
  CLI::App* command = nullptr;
  NginxOptions options;
  std::string output, self_signed_folder;
  bool no_http2 = false, no_ipv6 = false, no_default_server = false, no_limits = false;
  std::vector<std::string> upstreams;
  int64_t body_limit = 0, request_seconds = 0;  // 0: from the settings
  std::string web_root, api_path, ws_path;

  void add_addresses();
  void add_tls();
  void add_rules();
  void add_places();
  Status settle(const Config& config);
};

void NginxCommand::Impl::add_addresses() {
  command
      ->add_option("--upstream", upstreams,
                   "A replica, HOST:PORT; for each replica once (default: 127.0.0.1:APP_PORT)")
      ->take_all();
  command
      ->add_option("--listen", options.listen,
                   "PORT or ADDRESS:PORT (default: 443 with a certificate, else 80)")
      ->take_all();
  command
      ->add_option("--redirect", options.redirect,
                   "PORT or ADDRESS:PORT from which http is sent on to https (default: 80 when "
                   "https is on 443)")
      ->take_all();
  command->add_flag("--no-ipv6", no_ipv6, "A PORT listens for IPv4 only");
  command
      ->add_option("--server-name", options.server_names,
                   "Name of the site; requests for others are turned down (default: every name)")
      ->take_all();
  command->add_flag("--no-default-server", no_default_server,
                    "Leave requests for other names to other sites");
  command
      ->add_option(
          "--trusted-proxy", options.trusted_proxies,
          "Address or network of a balancer in front, whose X-Forwarded-For and -Proto are "
          "believed")
      ->take_all();
}

void NginxCommand::Impl::add_tls() {
  auto* cert = command->add_option("--tls-cert", options.tls_cert, "Certificate chain, PEM file");
  auto* key = command->add_option("--tls-key", options.tls_key, "Private key, PEM file");
  command
      ->add_option("--self-signed", self_signed_folder,
                   "For trials: make a certificate in this folder, or use the one made before")
      ->excludes(cert)
      ->excludes(key);
  command->add_flag("--no-http2", no_http2, "Speak HTTP/1.1 only");
  command
      ->add_option(
          "--hsts", options.hsts_seconds,
          "Strict-Transport-Security: for so many seconds browsers insist on https; 0: no; "
          "never with --self-signed")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--acme-root", options.acme_root,
                      "Folder of /.well-known/acme-challenge/ (certbot --webroot)");
}

void NginxCommand::Impl::add_rules() {
  const auto number = [this](const char* name, int64_t& value, const char* about) {
    command->add_option(name, value, about)->check(CLI::NonNegativeNumber);
  };
  const auto shown = [this](const char* name, int64_t& value, const char* about) {
    command->add_option(name, value, about)->check(CLI::NonNegativeNumber)->capture_default_str();
  };
  number("--body-limit", body_limit, "Largest body in bytes (default: REQUEST_BODY_LIMIT)");
  number("--request-timeout", request_seconds,
         "Seconds a replica may take (default: HTTP_REQUEST_TIMEOUT)");
  shown("--connect-timeout", options.connect_seconds, "Seconds to reach a replica");
  shown("--tries", options.tries, "Times one request is tried at most; 0: once a replica");
  shown("--max-fails", options.max_fails, "Failures after which a replica is left out");
  shown("--fail-timeout", options.fail_seconds, "... for so many seconds");
  shown("--keepalive", options.keepalive, "Idle connections to replicas, a worker process");
  shown("--rate", options.rate, "API requests a second and client address; 0: no limit");
  shown("--burst", options.burst, "... and how many at once above that");
  shown("--sign-in-rate", options.sign_in_rate,
        "Sign-ins a minute and client address; 0: no limit");
  shown("--sign-in-burst", options.sign_in_burst, "... and how many at once above that");
  command->add_flag("--no-limits", no_limits, "No limits a client address");
}

void NginxCommand::Impl::add_places() {
  command->add_option("--web-root", web_root,
                      "Folder of the built web client, served by nginx (default: WEB_ROOT; without "
                      "it the replicas are asked)");
  command->add_option("--api-path", api_path, "Prefix of the API (default: API_BASE_PATH)");
  command->add_option("--ws-path", ws_path, "Path of the WebSocket (default: WS_PATH)");
  command->add_option("-o,--output", output, "File to write (default: standard output)");
  command->add_flag("--site", options.site,
                    "Only the part inside http { }, for /etc/nginx/sites-enabled");
  command->add_option("--user", options.user,
                      "User of the worker processes (default: www-data; with --prefix the caller)");
  command->add_option("--log-dir", options.log_dir, "Folder of the logs (default: /var/log/nginx)");
  command->add_option("--pid", options.pid, "File for the process id (default: /run/nginx.pid)");
  command->add_option("--prefix", options.prefix,
                      "nginx as a plain process in the foreground that writes below this folder "
                      "only; the folder is made");
}

Status NginxCommand::Impl::settle(const Config& config) {
  NginxOptions& o = options;
  o.version = kVersion;
  o.upstreams = upstreams.empty() ? std::vector<std::string>{"127.0.0.1:" + config.get("APP_PORT")}
                                  : upstreams;
  o.ipv6 = !no_ipv6;
  o.http2 = !no_http2;
  o.default_server = !no_default_server;
  if (no_limits) o.rate = o.sign_in_rate = 0;
  o.body_limit =
      body_limit > 0 ? body_limit : static_cast<int64_t>(config.bytes("REQUEST_BODY_LIMIT"));
  // Rounded up: nginx must not be the less patient one.
  o.request_seconds =
      request_seconds > 0
          ? request_seconds
          : std::chrono::ceil<std::chrono::seconds>(config.milliseconds("HTTP_REQUEST_TIMEOUT"))
                .count();
  // A folder that is only found near this program may not be there on nginx's machine.
  const std::string& set = config.get("WEB_ROOT");
  o.web_root = absolute(!web_root.empty() ? web_root : set == "none" ? "" : set);
  o.api_path = api_path.empty() ? config.get("API_BASE_PATH") : api_path;
  o.ws_path = ws_path.empty() ? config.get("WS_PATH") : ws_path;
  for (std::string* path : {&o.tls_cert, &o.tls_key, &o.acme_root, &o.log_dir, &o.pid, &o.prefix})
    *path = absolute(*path);
  if (o.user.empty() && !o.site) {
    // Only root can give its worker processes another user.
    if (o.prefix.empty()) o.user = "www-data";
    if (!o.prefix.empty() && geteuid() == 0) o.user = "root";
  }
  if (!self_signed_folder.empty()) {
    TRY(TlsFiles files, self_signed(self_signed_folder, o.server_names));
    o.tls_cert = files.cert;
    o.tls_key = files.key;
    o.hsts_seconds = 0;  // a browser that insists on https refuses to go on past a bad certificate
  }
  return {};
}

NginxCommand::NginxCommand(CLI::App& cli) : impl_(std::make_unique<Impl>()) {
  impl_->command = cli.add_subcommand(
      "nginx-conf", "Write an nginx configuration that balances replicas and repeats what failed");
  impl_->add_addresses();
  impl_->add_tls();
  impl_->add_rules();
  impl_->add_places();
}

NginxCommand::~NginxCommand() = default;

bool NginxCommand::chosen() const { return impl_->command->parsed(); }

int NginxCommand::run(const Config& config) {
  if (Status status = impl_->settle(config); !status) return fail_with(status.error());
  const NginxOptions& o = impl_->options;
  auto text = nginx_conf(o);
  if (!text) return fail_with(text.error());
  std::error_code error;
  if (!o.prefix.empty()) {
    fs::create_directories(o.prefix + "/logs", error);
    fs::create_directories(o.prefix + "/tmp", error);
  }
  if (impl_->output.empty()) {
    std::cout << *text;
    return 0;
  }
  std::ofstream file(impl_->output, std::ios::binary | std::ios::trunc);
  if (!(file << *text) || !file.flush()) {
    return fail_with(Error(
        Code::kInvalidArgument, "INVALID_CONFIG",
        fmt::format("--output: cannot write \"{}\": {}", impl_->output, std::strerror(errno))));
  }
  return 0;
}

}  // namespace halcyon::server
