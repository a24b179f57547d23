#include "server/nginx_conf.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/networks.h"
#include "base/text.h"
#include "server/nginx_text.h"

namespace halcyon::server {
namespace {

using Values = std::map<std::string, std::string, std::less<>>;

std::unexpected<Error> bad(std::string message) {
  return invalid("INVALID_CONFIG", std::move(message));
}

bool has_only(std::string_view text, std::string_view also) {
  return !text.empty() && std::ranges::all_of(text, [&](unsigned char c) {
    return isalnum(c) != 0 || also.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_port(std::string_view text) {
  const auto number = to_int64(text);
  return number && *number >= 1 && *number <= 65535;
}

// "port", "address:port", "[v6]:port".
struct Address {
  std::string_view host, port;
};
Address split_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

// Nothing that ends a quoted word of nginx or begins a variable.
Status check_path(std::string_view option, std::string_view path) {
  const bool plain = std::ranges::all_of(path, [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != 127 &&
           std::string_view("\"'\\$;{}").find(c) == std::string_view::npos;
  });
  if (plain) return {};
  return bad(fmt::format("{}: \"{}\" has characters that nginx would misread", option, path));
}

Status check_addresses(const NginxOptions& o) {
  if (o.upstreams.empty()) return bad("--upstream: at least one replica is needed");
  for (const std::string& upstream : o.upstreams) {
    const auto [host, port] = split_address(upstream);
    if (!is_port(port) || !has_only(host, ".-_:[]"))
      return bad(fmt::format("--upstream: \"{}\" is not HOST:PORT", upstream));
  }
  for (const auto* list : {&o.listen, &o.redirect}) {
    for (const std::string& listen : *list) {
      const auto [host, port] = split_address(listen);
      if (!is_port(port) || (!host.empty() && !has_only(host, ".:[]*")))
        return bad(fmt::format("--listen: \"{}\" is not PORT or ADDRESS:PORT", listen));
    }
  }
  for (const std::string& name : o.server_names) {
    if (!has_only(name, ".-*")) return bad(fmt::format("--server-name: \"{}\" is no name", name));
  }
  if (auto networks = Networks::parse(o.trusted_proxies); !networks)
    return bad("--trusted-proxy: " + networks.error().message);
  return {};
}

Status check(const NginxOptions& o) {
  TRY_STATUS(check_addresses(o));
  if (o.tls_cert.empty() != o.tls_key.empty()) return bad("--tls-cert and --tls-key go together");
  if (!o.redirect.empty() && o.tls_cert.empty())
    return bad("--redirect needs a certificate: --tls-cert and --tls-key, or --self-signed");
  for (const auto& [option, path] : {std::pair("--tls-cert", &o.tls_cert),
                                     {"--tls-key", &o.tls_key},
                                     {"--pid", &o.pid},
                                     {"--web-root", &o.web_root},
                                     {"--acme-root", &o.acme_root},
                                     {"--log-dir", &o.log_dir},
                                     {"--prefix", &o.prefix},
                                     {"--user", &o.user}}) {
    TRY_STATUS(check_path(option, *path));
  }
  for (const std::string& path : {o.api_path, o.ws_path}) {
    if (!path.starts_with('/') || !has_only(path, "/-_.~"))
      return bad(fmt::format("\"{}\" is not a path that begins with /", path));
  }
  return {};
}

class Writer {
 public:
  explicit Writer(const NginxOptions& options) : o_(options) {
    tls_ = !o_.tls_cert.empty();
    listen_ = o_.listen.empty() ? std::vector<std::string>{tls_ ? "443" : "80"} : o_.listen;
    redirect_ = o_.redirect;
    const bool usual = tls_ && redirect_.empty() &&
                       std::ranges::any_of(listen_, [](auto& at) { return at == "443"; });
    if (usual) redirect_ = {"80"};
    log_dir_ = !o_.log_dir.empty() ? o_.log_dir
               : o_.prefix.empty() ? "/var/log/nginx"
                                   : o_.prefix + "/logs";
  }

  std::string write() const {
    std::string site = upstream() + default_server() + redirect() + server();
    const std::string title = fmt::format("# Written by: halcyon nginx-conf{}\n",
                                          o_.version.empty() ? "" : " (" + o_.version + ")");
    const std::string hint =
        "# Better changed by other options and written anew than by hand: halcyon nginx-conf "
        "--help\n";
    if (o_.site) {
      return title + hint +
             "# The part inside http { }, e.g. as /etc/nginx/sites-enabled/halcyon. Remove "
             "Debian's sites-enabled/default,\n# or use --no-default-server: only one server may "
             "be the default. In /etc/nginx/nginx.conf, outside http { }, set\n"
             "# worker_shutdown_timeout, else WebSockets keep old worker processes for ever after "
             "a reload.\n" +
             site;
    }
    return title + hint + whole(site);
  }

 private:
  std::string access_log() const {
    return quoted(log_dir_ + (o_.site ? "/halcyon.access.log" : "/access.log"));
  }
  static std::string quoted(const std::string& path) { return "\"" + path + "\""; }

  // One line an address, for both families where only a port is given.
  std::string listen_lines(const std::vector<std::string>& addresses,
                           std::string_view flags) const {
    std::string text;
    for (const std::string& address : addresses) {
      text += fmt::format("listen {}{};\n", address, flags);
      if (o_.ipv6 && address.find(':') == std::string::npos)
        text += fmt::format("listen [::]:{}{};\n", address, flags);
    }
    return text;
  }
  std::string tls_flags() const {
    return tls_ ? std::string(" ssl") + (o_.http2 ? " http2" : "") : "";
  }
  bool guarded() const { return o_.default_server && !o_.server_names.empty(); }
  std::string_view default_flag() const {
    return o_.default_server && !guarded() ? " default_server" : "";
  }
  std::string names() const { return o_.server_names.empty() ? "_" : join(o_.server_names, " "); }
  std::string hsts() const {
    if (!tls_ || o_.hsts_seconds <= 0) return "";
    return fmt::format("add_header Strict-Transport-Security \"max-age={}\" always;\n",
                       o_.hsts_seconds);
  }
  std::string acme() const {
    if (o_.acme_root.empty()) return "";
    return fmt::format("location ^~ /.well-known/acme-challenge/ {{\n    root \"{}\";\n}}\n",
                       o_.acme_root);
  }

  size_t tries() const {
    return o_.tries > 0 ? static_cast<size_t>(o_.tries) : std::max<size_t>(o_.upstreams.size(), 2);
  }
  // nginx asks each line of a group once for a request. With fewer lines than tries it would end
  // with an answer of its own, where the last replica's is the truth ("503, the database is away").
  std::string lines_for_all_tries(std::string_view flags) const {
    std::string text;
    for (size_t n = 0; n < tries(); n += o_.upstreams.size()) {
      for (const std::string& upstream : o_.upstreams)
        text += fmt::format("server {} max_fails=0{};\n", upstream, flags);
    }
    return text;
  }
  std::string servers() const {
    if (o_.upstreams.size() == 1) {
      return "# A line a try: nginx sends no request again to the same one, but behind one address "
             "the next\n# try meets another process (CLUSTER_MODE) or the restarted one.\n" +
             lines_for_all_tries("");
    }
    std::string text;
    for (const std::string& upstream : o_.upstreams) {
      text += fmt::format("server {} max_fails={} fail_timeout={}s;\n", upstream, o_.max_fails,
                          o_.fail_seconds);
    }
    return text +
           "# Once more, a line a try and never left out, for when all of them failed within that "
           "time:\n# nginx would else answer that nobody is there, though the first one is long "
           "back.\n" +
           lines_for_all_tries(" backup");
  }

  // Whether the client came by https: told by a trusted balancer in front, else seen here.
  std::string proto() const {
    if (o_.trusted_proxies.empty())
      return "map $scheme $halcyon_proto {\n    default $scheme;\n}\n";
    std::string text = "geo $realip_remote_addr $halcyon_trusted {\n    default 0;\n";
    for (const std::string& network : o_.trusted_proxies)
      text += fmt::format("    {} 1;\n", network);
    return text +
           "}\nmap \"$halcyon_trusted $http_x_forwarded_proto\" $halcyon_proto {\n"
           "    default   $scheme;\n    \"1 https\" https;\n    \"1 http\"  http;\n}\n";
  }
  std::string real_ip() const {
    if (o_.trusted_proxies.empty()) return "";
    std::string text =
        "# The client's address as the balancers in front tell it; nobody else is believed.\n";
    for (const std::string& network : o_.trusted_proxies)
      text += fmt::format("set_real_ip_from {};\n", network);
    return text + "real_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n";
  }

  std::string limits() const {
    if (o_.rate <= 0 && o_.sign_in_rate <= 0) return "";
    Values values{{"sign_in_map", ""}, {"zones", ""}};
    if (o_.rate > 0) {
      values["zones"] +=
          fmt::format("limit_req_zone $halcyon_client zone=halcyon_api:10m rate={}r/s;\n", o_.rate);
    }
    if (o_.sign_in_rate > 0) {
      values["sign_in_map"] =
          "map $uri $halcyon_sign_in {\n    default \"\";\n"
          "    \"~*auth:(?:signIn|signUp|lostPassword|resetPassword)\" $halcyon_client;\n}\n";
      values["zones"] +=
          fmt::format("limit_req_zone $halcyon_sign_in zone=halcyon_sign_in:10m rate={}r/m;\n",
                      o_.sign_in_rate);
    }
    return fill(kNginxLimits, values);
  }
  std::string api_limits() const {
    std::string text;
    if (o_.rate > 0)
      text += fmt::format("limit_req zone=halcyon_api burst={} nodelay;\n", o_.burst);
    if (o_.sign_in_rate > 0)
      text += fmt::format("limit_req zone=halcyon_sign_in burst={} nodelay;\n", o_.sign_in_burst);
    if (!text.empty()) text += "limit_req_status 429;\nlimit_req_log_level warn;\n";
    return text;
  }
  std::string ws_limits() const {
    if (o_.rate <= 0) return "";
    return fmt::format("limit_req zone=halcyon_api burst={} nodelay;\nlimit_req_status 429;\n",
                       o_.burst);
  }

  std::string upstream() const {
    return fill(kNginxUpstream,
                {{"servers", servers()},
                 {"keepalive", std::to_string(o_.keepalive)},
                 {"proto", proto()},
                 {"page_map", o_.web_root.empty() ? "" : std::string(kNginxPageMap)},
                 {"limits", limits()}});
  }

  std::string default_server() const {
    if (!guarded()) return "";
    std::string lines = listen_lines(listen_, tls_flags() + " default_server");
    lines += listen_lines(redirect_, " default_server");
    return fill(kNginxDefault,
                {{"listen", lines},
                 // No certificate is shown for another name. The rules stand here too, because the
                 // default server's are in force before the client has said a name.
                 {"reject", tls_ ? "ssl_reject_handshake on;\n" + tls_rules() : ""}});
  }
  static std::string tls_rules() { return std::string(kNginxTlsRules); }

  std::string redirect() const {
    if (redirect_.empty()) return "";
    const std::string_view port = split_address(listen_.front()).port;
    return fill(kNginxRedirect, {{"listen", listen_lines(redirect_, default_flag())},
                                 {"names", names()},
                                 {"acme", acme()},
                                 {"access_log", access_log()},
                                 {"port", port == "443" ? "" : fmt::format(":{}", port)}});
  }

  std::string web() const {
    if (o_.web_root.empty()) return std::string(kNginxNoStatic);
    return fill(kNginxStatic, {{"root", o_.web_root},
                               {"safe",
                                "add_header X-Content-Type-Options nosniff;\n"
                                "add_header Referrer-Policy strict-origin-when-cross-origin;\n"
                                "add_header X-Frame-Options SAMEORIGIN;\n" +
                                    hsts()}});
  }

  std::string server() const {
    std::string tls;
    if (tls_) {
      tls = fill(kNginxTls, {{"cert", o_.tls_cert}, {"key", o_.tls_key}}) + tls_rules();
    }
    return fill(kNginxServer,
                {{"listen", listen_lines(listen_, tls_flags() + std::string(default_flag()))},
                 {"names", names()},
                 {"access_log", access_log()},
                 {"real_ip", real_ip()},
                 {"tls", tls},
                 {"hsts", hsts()},
                 {"body_limit", std::to_string(o_.body_limit)},
                 {"proxy_headers", std::string(kNginxProxyHeaders)},
                 {"connect", std::to_string(o_.connect_seconds)},
                 {"read", std::to_string(o_.request_seconds + 5)},
                 {"next", std::to_string(o_.request_seconds + 10)},
                 {"tries", std::to_string(tries())},
                 {"api_path", o_.api_path},
                 {"ws_path", o_.ws_path},
                 {"api_limits", api_limits()},
                 {"ws_limits", ws_limits()},
                 {"acme", acme()},
                 {"web", web()},
                 {"page", std::string(maintenance_page())}});
  }

  static std::string types() {
    return "text/html html;\ntext/css css;\ntext/javascript js mjs;\napplication/json json map;\n"
           "application/manifest+json webmanifest;\napplication/wasm wasm;\napplication/pdf pdf;\n"
           "text/plain txt;\nfont/woff woff;\nfont/woff2 woff2;\nimage/svg+xml svg;\n"
           "image/png png;\nimage/jpeg jpg jpeg;\nimage/gif gif;\nimage/webp webp;\n"
           "image/x-icon ico;\n";
  }
  std::string temp_paths() const {
    if (o_.prefix.empty()) return "";
    std::string text = "# Nothing outside the prefix is written.\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      text += fmt::format("{0}_temp_path \"{1}/tmp/{0}\";\n", kind, o_.prefix);
    return text;
  }
  std::string whole(const std::string& site) const {
    const std::string pid = !o_.pid.empty()     ? o_.pid
                            : o_.prefix.empty() ? "/run/nginx.pid"
                                                : o_.prefix + "/nginx.pid";
    return fill(kNginxMain, {{"daemon", o_.prefix.empty() ? "" : "daemon off;\n"},
                             {"user", o_.user.empty() ? "" : "user " + o_.user + ";\n"},
                             {"pid", quoted(pid)},
                             {"error_log", quoted(log_dir_ + "/error.log")},
                             {"shutdown", std::to_string(o_.request_seconds + 10)},
                             {"types", types()},
                             {"temp_paths", temp_paths()},
                             {"site", site}});
  }

  const NginxOptions& o_;
  bool tls_ = false;
  std::vector<std::string> listen_, redirect_;
  std::string log_dir_;
};

void append_indented(std::string& out, std::string_view indent, std::string_view text) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return;
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty()) out.append(indent).append(line);
    out += '\n';
  }
}

std::string fill_line(std::string_view line, const Values& values) {
  std::string out;
  while (true) {
    const size_t begin = line.find("<<"), end = line.find(">>", begin);
    if (begin == std::string_view::npos || end == std::string_view::npos) break;
    out.append(line.substr(0, begin))
        .append(values.at(std::string(line.substr(begin + 2, end - begin - 2))));
    line.remove_prefix(end + 2);
  }
  return out.append(line);
}

}  // namespace

std::string fill(std::string_view text, const Values& values) {
  std::string out;
  if (text.ends_with('\n')) text.remove_suffix(1);
  for (std::string_view line : split(text, '\n')) {
    const std::string_view word = trim(line);
    const bool alone =
        word.starts_with("<<") && word.ends_with(">>") && word.find(">>") == word.size() - 2;
    if (alone) {
      const std::string_view indent = line.substr(0, line.find('<'));
      append_indented(out, indent, values.at(std::string(word.substr(2, word.size() - 4))));
    } else {
      out += fill_line(line, values) + '\n';
    }
  }
  return out;
}

Result<std::string> nginx_conf(const NginxOptions& options) {
  TRY_STATUS(check(options));
  return Writer(options).write();
}

}  // namespace halcyon::server
