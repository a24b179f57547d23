// The text of an nginx configuration (nginx 1.22 or later) that keeps Halcyon's promises: a replica
// may die at any time and no request fails.
//
//   NginxOptions options;
//   options.upstreams = {"10.0.0.1:13000", "10.0.0.2:13000"};
//   TRY(std::string text, nginx_conf(options));
//
// Pure text: nothing is read or written. Safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace halcyon::server {

struct NginxOptions {
  // The replicas, "host:port". Names are looked up once, when nginx starts.
  std::vector<std::string> upstreams{"127.0.0.1:13000"};
  // "port" or "address:port"; empty: 443 with a certificate, else 80.
  std::vector<std::string> listen;
  // Where http is sent on to https; empty: port 80 when https is on port 443. Only with TLS.
  std::vector<std::string> redirect;
  bool ipv6 = true;                       // "port" also listens on [::]
  std::vector<std::string> server_names;  // empty: every name
  bool default_server = true;  // with server names: turn down requests for all other names

  std::string tls_cert, tls_key;  // PEM files; both or none
  bool http2 = true;
  int64_t hsts_seconds = 31'536'000;  // 0: none
  std::string acme_root;              // folder for /.well-known/acme-challenge/; empty: none

  std::string web_root;  // folder of the built web client; empty: asked of the replicas
  std::string api_path = "/api/";
  std::string ws_path = "/ws";
  int64_t body_limit = 10 * 1024 * 1024;
  int64_t request_seconds = 60;  // HTTP_REQUEST_TIMEOUT of the replicas
  int64_t connect_seconds = 2;
  int64_t tries = 5;
  int64_t max_fails = 3, fail_seconds = 2;
  int64_t keepalive = 64;  // idle connections to the replicas, a worker process

  int64_t rate = 100, burst = 200;                // API requests a second and client; 0: no limit
  int64_t sign_in_rate = 60, sign_in_burst = 20;  // sign-ins a minute and client; 0: no limit
  std::vector<std::string> trusted_proxies;       // networks of balancers in front of this nginx

  bool site = false;    // only what goes into http { }
  std::string user;     // of the worker processes; empty: nginx's default
  std::string log_dir;  // empty: /var/log/nginx, or logs below the prefix
  std::string pid;      // empty: /run/nginx.pid, or nginx.pid in the prefix
  std::string prefix;   // everything nginx writes goes below; it stays in the foreground
  std::string version;  // of Halcyon, for the first line
  NginxOptions() = default;
};

// Error INVALID_CONFIG: an option that nginx would not take, or that would say something else.
Result<std::string> nginx_conf(const NginxOptions& options);

// Bodies of the answers that nginx gives by itself.
std::string_view maintenance_page();

}  // namespace halcyon::server
