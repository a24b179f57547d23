// Opening connections: options, TLS, the server that takes writes.
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "sql/postgres/connection_internal.h"

namespace halcyon::sql::postgres {
namespace {

// libpq wants files for TLS material; a value that is the text itself goes to a private file for as
// long as the connection is being made.
class PemFile {
 public:
  explicit PemFile(const std::string& value) : path_(value) {
    if (value.find("-----BEGIN") == std::string::npos) return;
    std::string name = "/tmp/halcyon-pem-XXXXXX";
    const int file = mkstemp(name.data());  // mode 0600
    if (file < 0) return;
    temporary_ = write(file, value.data(), value.size()) == static_cast<ssize_t>(value.size());
    ::close(file);
    path_ = name;
  }
  ~PemFile() {
    if (temporary_) unlink(path_.c_str());
  }
  PemFile(const PemFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool temporary_ = false;
};

std::string ssl_mode(const Options& o) {
  if (!o.ssl_mode.empty()) return o.ssl_mode;
  if (!o.ssl_ca.empty()) return o.ssl_reject_unauthorized ? "verify-ca" : "require";
  return "prefer";
}

}  // namespace

PGconn* connect_blocking(const Options& o, std::string& why) {
  const PemFile ca(o.ssl_ca), key(o.ssl_key), cert(o.ssl_cert);
  // Hosts may name their port: "a:5432,b:5433".
  std::string hosts, ports;
  for (std::string_view part : split(o.host, ',')) {
    part = trim(part);
    const auto colon = part.rfind(':');
    const bool has_port = colon != std::string_view::npos && to_int64(part.substr(colon + 1)) &&
                          part.find(':') == colon;
    const std::string port =
        has_port ? std::string(part.substr(colon + 1)) : std::to_string(o.port > 0 ? o.port : 5432);
    if (has_port) part = part.substr(0, colon);
    hosts += (hosts.empty() ? "" : ",") + std::string(part);
    ports += (ports.empty() ? "" : ",") + port;
  }
  std::string options = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601";
  if (!o.schema.empty()) options += " -c search_path=\\\"" + o.schema + "\\\"";
  std::vector<std::pair<const char*, std::string>> settings{
      {"host", hosts},
      {"port", ports},
      {"dbname", o.database},
      {"user", o.user},
      {"password", o.password},
      {"target_session_attrs", "read-write"},
      {"connect_timeout", "3"},
      {"tcp_user_timeout", "10000"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "3"},
      {"keepalives_count", "3"},
      {"client_encoding", "UTF8"},
      {"application_name", "halcyon"},
      {"options", options},
      {"sslmode", ssl_mode(o)},
  };
  if (!ca.path().empty()) settings.emplace_back("sslrootcert", ca.path());
  if (!key.path().empty()) settings.emplace_back("sslkey", key.path());
  if (!cert.path().empty()) settings.emplace_back("sslcert", cert.path());
  std::vector<const char*> names, values;
  for (const auto& [name, value] : settings) {
    names.push_back(name);
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* connection = PQconnectdbParams(names.data(), values.data(), 0);
  if (connection != nullptr && PQstatus(connection) == CONNECTION_OK) return connection;
  why = connection == nullptr ? "out of memory" : PQerrorMessage(connection);
  PQfinish(connection);
  return nullptr;
}

}  // namespace halcyon::sql::postgres
