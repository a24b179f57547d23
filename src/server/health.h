// Health of this process as probes and balancers see it (promise P10).
//
//   /healthz/live     this process answers; nothing else is asked
//   /healthz/startup  it has started
//   /healthz/ready    requests sent here will succeed: it has started, is not going down, was not
//                     asked to drain, reaches the database, and every check says so
//
// The database is asked once a second in the background, so probes never wait and cost it nothing.
//
//   health.add_check([&] { return cluster->lease().holds() ? "" : "the lease ran out"; });
//   health.start(db, io.thread(0));      // serving from now on
//   health.begin_drain();
//
// Thread rule: safe from any thread, but add_check before start.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "runtime/io.h"
#include "runtime/metrics.h"
#include "sql/database.h"

namespace halcyon::server {

class Health {
 public:
  // Why this process should get no requests; empty: nothing against it. Must not wait.
  using Check = std::function<std::string()>;

  explicit Health(runtime::Metrics& metrics);
  ~Health();  // stop()
  void add_check(Check check) { checks_.push_back(std::move(check)); }
  void start(sql::Database& db, runtime::IoThread& io);
  void stop();  // waits for a look at the database that is under way; from a plain thread

  void begin_drain() { phase_ = Phase::kDraining; }
  bool draining() const { return phase_.load() == Phase::kDraining; }
  // `halcyon cluster drain` and `undrain`.
  void set_drain_requested(bool drain) { drain_requested_ = drain; }

  std::string why_unready() const;  // empty: ready
  bool ready() const { return why_unready().empty(); }
  static bool is_health_path(std::string_view path) { return path.starts_with("/healthz/"); }
  net::Response answer(std::string_view path) const;

 private:
  enum class Phase { kStarting, kServing, kDraining };
  struct Probe;  // looks at the database; outlives the last look
  std::atomic<Phase> phase_{Phase::kStarting};
  std::atomic<bool> drain_requested_{false};
  std::vector<Check> checks_;
  std::shared_ptr<Probe> probe_;
};

net::Response metrics_text(std::string text);  // Prometheus' text format
net::Response plain_text(int status, std::string body,
                         std::string type = "text/plain; charset=utf-8");
net::Response nothing_here();

}  // namespace halcyon::server
