#include "sql/postgres/driver_connect.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/text.h"
#include "sql/errors.h"
#include "sql/postgres/driver_errors.h"

namespace halcyon::sql::postgres {

using runtime::Clock;
using std::chrono::milliseconds;

namespace {

constexpr int kDefaultPort = 5432;
constexpr milliseconds kTimeoutOfOneHost{5000}, kTimeoutOfMany{2000}, kSilencePause{1000};
constexpr int kUserTimeoutMs = 5000;     // unacknowledged data on a dead network
constexpr int kLaneLockTimeoutMs = 100;  // lock waits belong on the pool
// After so long without a word from us the server ends a transaction, and its locks with it: those
// of a process that is suspended, or whose machine is gone, would else stand in everybody's way. As
// long as a lease is usually: who was silent for longer may not commit anyway.
constexpr int kIdleInTransactionMs = 10'000;
constexpr const char* kSystemCertificates = "/etc/ssl/certs/ca-certificates.crt";

// Waits for the socket; false at `until`, or when `stopping` is readable.
bool wait_for(int socket, short events, Clock::time_point until, int stopping) {
  while (true) {
    auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd entries[] = {{socket, events, 0}, {stopping, POLLIN, 0}};
    int ready = poll(entries, 2, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0) return entries[1].revents == 0;
    if (ready < 0 && errno != EINTR) return false;
  }
}

// Numeric addresses of a host name; empty with `reason` when there are none.
std::vector<std::string> resolve(const std::string& name, std::string& reason) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (int error = getaddrinfo(name.c_str(), nullptr, &hints, &list); error != 0) {
    reason = "cannot resolve " + name + ": " + gai_strerror(error);
    return {};
  }
  std::vector<std::string> addresses;
  for (addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) == 0 &&
        std::ranges::find(addresses, text) == addresses.end()) {
      addresses.emplace_back(text);
    }
  }
  freeaddrinfo(list);
  if (addresses.empty()) reason = name + " has no address";
  return addresses;
}

std::string quoted(const std::string& identifier) {
  std::string out = "\"";
  for (char c : identifier) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

Connector::Refusal refusal(std::string text, bool permanent = false) {
  return {database_error("DATABASE_UNAVAILABLE", std::move(text)), permanent};
}

}  // namespace

std::vector<Host> parse_hosts(const std::string& list, int default_port) {
  std::vector<Host> hosts;
  for (std::string_view part : split(list, ',')) {
    part = trim(part);
    if (part.empty()) continue;
    Host host{std::string(part), default_port};
    size_t colon = part.rfind(':');
    if (colon != std::string_view::npos && part.find(':') == colon) {
      if (auto port = to_int64(part.substr(colon + 1))) {
        host = Host{std::string(part.substr(0, colon)), static_cast<int>(*port)};
      }
    }
    hosts.push_back(std::move(host));
  }
  if (hosts.empty()) hosts.push_back(Host{"localhost", default_port});
  return hosts;
}

Status execute_blocking(PGconn* connection, const std::string& sql, Clock::time_point until,
                        int stopping) {
  if (PQsendQuery(connection, sql.c_str()) == 0) {
    return fail(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(connection)));
  }
  Status status;
  while (true) {
    while (PQflush(connection) > 0) {
      if (!wait_for(PQsocket(connection), POLLOUT, until, stopping)) {
        return fail(database_error("DATABASE_UNAVAILABLE", "the server does not answer"));
      }
    }
    while (PQisBusy(connection) != 0) {
      if (!wait_for(PQsocket(connection), POLLIN, until, stopping)) {
        return fail(database_error("DATABASE_UNAVAILABLE", "the server does not answer"));
      }
      if (PQconsumeInput(connection) == 0) {
        return fail(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(connection)));
      }
    }
    ResultPtr result(PQgetResult(connection));
    if (!result) return status;
    if (status && PQresultStatus(result.get()) == PGRES_FATAL_ERROR) {
      status = fail(map_error(result.get()));
    }
  }
}

Connector::Connector(const Options& options)
    : options_(options),
      hosts_(parse_hosts(options.host, options.port > 0 ? options.port : kDefaultPort)),
      stopping_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      silent_until_(hosts_.size()),
      last_(refusal("not connected yet")) {}

Connector::~Connector() {
  for (int file : files_) close(file);
  close(stopping_);
}

void Connector::stop() { eventfd_write(stopping_, 1); }

Result<std::shared_ptr<Connector>> Connector::create(const Options& options) {
  std::shared_ptr<Connector> connector(new Connector(options));
  TRY_STATUS(connector->prepare_tls());
  return connector;
}

// libpq takes certificates as files. One given by value goes into a file in memory that only this
// process can open, so that nothing is left behind however the process ends.
Result<std::string> Connector::readable_file(const std::string& value_or_path) {
  if (!value_or_path.contains("-----BEGIN ")) return value_or_path;
  int file = memfd_create("certificate", MFD_CLOEXEC);
  if (file < 0) return fail(Code::kInternal, "DATABASE_TLS", "Cannot keep the certificate.");
  files_.push_back(file);
  // Variables of the environment often carry line ends as \n.
  std::string text;
  for (size_t i = 0; i < value_or_path.size(); ++i) {
    bool escaped = value_or_path.compare(i, 2, "\\n") == 0;
    text += escaped ? '\n' : value_or_path[i];
    if (escaped) ++i;
  }
  if (!text.ends_with('\n')) text += '\n';
  if (fchmod(file, 0600) != 0 ||
      write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return fail(Code::kInternal, "DATABASE_TLS", "Cannot keep the certificate.");
  }
  return "/proc/self/fd/" + std::to_string(file);
}

Status Connector::prepare_tls() {
  const Options& o = options_;
  std::string mode = o.ssl_mode;
  bool verify = o.ssl_reject_unauthorized;
  if (mode.empty()) {
    bool given = !o.ssl_ca.empty() || !o.ssl_cert.empty() || !o.ssl_key.empty();
    mode = !given ? "prefer" : verify && !o.ssl_ca.empty() ? "verify-full" : "require";
  }
  constexpr std::string_view kModes[] = {"disable", "allow",     "prefer",
                                         "require", "verify-ca", "verify-full"};
  if (std::ranges::find(kModes, mode) == std::end(kModes)) {
    return invalid("DB_DIALECT_OPTIONS_SSL_MODE",
                   "The TLS mode must be disable, allow, prefer, require, verify-ca or "
                   "verify-full.");
  }
  if (!verify && mode.starts_with("verify")) mode = "require";
  tls_.push_back({"sslmode", mode});
  // With a root certificate "require" would verify; without one it never does.
  if (verify && !o.ssl_ca.empty()) {
    TRY(std::string file, readable_file(o.ssl_ca));
    tls_.push_back({"sslrootcert", file});
  } else if (verify && mode.starts_with("verify")) {
    tls_.push_back({"sslrootcert", kSystemCertificates});
  } else {
    tls_.push_back({"sslrootcert", "/nonexistent"});  // else ~/.postgresql/root.crt is looked for
  }
  if (!o.ssl_cert.empty()) {
    TRY(std::string file, readable_file(o.ssl_cert));
    tls_.push_back({"sslcert", file});
  }
  if (!o.ssl_key.empty()) {
    TRY(std::string file, readable_file(o.ssl_key));
    tls_.push_back({"sslkey", file});
  }
  return {};
}

std::string Connector::session_settings(Purpose purpose) const {
  std::string sql =
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres';"
      "SET standard_conforming_strings = on; SET extra_float_digits = 1; SET bytea_output = 'hex';"
      "SET default_transaction_isolation = 'read committed';"
      // So that a replica that vanished from the network does not hold its locks for hours.
      "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
      "SET tcp_user_timeout = 30000;";
  if (options_.is_replica) sql += "SET default_transaction_read_only = on;";
  if (!options_.schema.empty()) sql += "SET search_path TO " + quoted(options_.schema) + ";";
  if (purpose == Purpose::kLane) {
    sql += "SET statement_timeout = " + std::to_string(std::max(0, options_.lane_timeout_ms)) +
           "; SET lock_timeout = " + std::to_string(kLaneLockTimeoutMs) + ";";
  } else {
    sql +=
        "SET statement_timeout = 0; SET lock_timeout = 0; "
        "SET idle_in_transaction_session_timeout = " +
        std::to_string(kIdleInTransactionMs) + ";";
  }
  return sql;
}

std::expected<ConnectionPtr, Connector::Refusal> Connector::connect_address(
    const Host& host, const std::string& address, Purpose purpose, Time until) {
  std::vector<Parameter> parameters{
      {"host", host.name},
      {"port", std::to_string(host.port)},
      {"dbname", options_.database},
      {"user", options_.user},
      {"password", options_.password},
      {"client_encoding", "UTF8"},
      {"fallback_application_name", "halcyon"},
      {"target_session_attrs", options_.is_replica ? "any" : "read-write"},
      {"tcp_user_timeout", std::to_string(kUserTimeoutMs)},
      {"keepalives", "1"},
      {"keepalives_idle", "15"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"}};
  if (!address.empty()) parameters.push_back({"hostaddr", address});
  parameters.insert(parameters.end(), tls_.begin(), tls_.end());
  std::vector<const char*> keys, values;
  for (const Parameter& parameter : parameters) {
    if (parameter.value.empty()) continue;
    keys.push_back(parameter.key);
    values.push_back(parameter.value.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);

  ConnectionPtr connection(PQconnectStartParams(keys.data(), values.data(), 0));
  if (!connection) return std::unexpected(refusal("out of memory"));
  PGconn* pg = connection.get();
  PQsetNoticeProcessor(pg, [](void*, const char*) {}, nullptr);
  // Of a refusal libpq keeps only the text; this way it has the SQLSTATE in it.
  PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);
  auto state = PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED || PQstatus(pg) == CONNECTION_BAD) {
      std::string text(trim(PQerrorMessage(pg)));
      return std::unexpected(refusal(text, is_permanent_refusal(text)));
    }
    if (!wait_for(PQsocket(pg), state == PGRES_POLLING_READING ? POLLIN : POLLOUT, until,
                  stopping_)) {
      return std::unexpected(refusal(host.name + " does not answer"));
    }
    state = PQconnectPoll(pg);
  }
  PQsetErrorVerbosity(pg, PQERRORS_DEFAULT);
  if (PQsetnonblocking(pg, 1) != 0) return std::unexpected(refusal(PQerrorMessage(pg)));
  Status set = execute_blocking(pg, session_settings(purpose), until, stopping_);
  if (!set) return std::unexpected(Refusal{std::move(set).error(), false});
  if (purpose != Purpose::kListen && PQenterPipelineMode(pg) == 0) {
    return std::unexpected(refusal(PQerrorMessage(pg)));
  }
  return connection;
}

std::expected<ConnectionPtr, Connector::Refusal> Connector::connect_host(const Host& host,
                                                                         Purpose purpose,
                                                                         Time until) {
  if (host.name.starts_with('/')) return connect_address(host, "", purpose, until);
  std::string reason;
  std::vector<std::string> addresses = resolve(host.name, reason);
  Refusal last = refusal(reason);
  for (const std::string& address : addresses) {
    auto connected = connect_address(host, address, purpose, until);
    if (connected) return connected;
    last = std::move(connected.error());
  }
  return std::unexpected(std::move(last));
}

std::expected<ConnectionPtr, Connector::Refusal> Connector::connect(Purpose purpose,
                                                                    milliseconds timeout) {
  size_t first;
  {
    std::lock_guard lock(mutex_);
    first = good_;
  }
  milliseconds step = std::clamp(timeout, milliseconds(200),
                                 hosts_.size() > 1 ? kTimeoutOfMany : kTimeoutOfOneHost);
  Refusal last;
  bool tried = false, permanent = true;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    size_t index = (first + i) % hosts_.size();
    {
      std::lock_guard lock(mutex_);
      if (Clock::now() < silent_until_[index]) continue;
    }
    tried = true;
    Time until = Clock::now() + step;
    auto connected = connect_host(hosts_[index], purpose, until);
    std::lock_guard lock(mutex_);
    if (connected) {
      if (good_ != index) {
        log_info("database host changed", {{"host", hosts_[index].name}});
        if (connected_once_) ++failovers_;
      }
      good_ = index;
      connected_once_ = true;
      return connected;
    }
    if (Clock::now() >= until) silent_until_[index] = Clock::now() + kSilencePause;
    last = std::move(connected.error());
    permanent = permanent && last.permanent;
  }
  std::lock_guard lock(mutex_);
  if (tried) {
    last_ = std::move(last);
    last_.permanent = permanent;
  }
  return std::unexpected(last_);
}

}  // namespace halcyon::sql::postgres
