#include "server/health.h"

#include <condition_variable>
#include <mutex>

#include "base/log.h"

namespace halcyon::server {
namespace {

using runtime::Clock;
using namespace std::chrono_literals;

constexpr auto kInterval = 1s;
constexpr auto kPatience = 2s;  // for one look
// A look that does not come back, or an io thread that does not get to it, is no answer either.
constexpr auto kStale = 4s;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct Health::Probe : std::enable_shared_from_this<Health::Probe> {
  Probe(sql::Database& database, runtime::IoThread& thread) : db(database), io(thread) {}

  sql::Database& db;
  runtime::IoThread& io;
  std::atomic<bool> reached{true};
  std::atomic<int64_t> answered_ms{now_ms()};
  std::mutex mutex;
  std::condition_variable ended;
  bool stopped = false, looking = false;

  void look_later() {
    io.after(kInterval, [self = shared_from_this()] { self->look(); });
  }
  void look() {
    {
      std::lock_guard lock(mutex);
      if (stopped) return;
      looking = true;
    }
    runtime::start_here(ask(), [self = shared_from_this()](Status answer) { self->note(answer); });
  }
  Task<Status> ask() {
    Context ctx;
    ctx.deadline = Clock::now() + kPatience;
    co_return co_await db.ping(ctx);
  }
  void note(const Status& answer) {
    if (answer) answered_ms = now_ms();
    if (reached.exchange(answer.has_value()) != answer.has_value()) {
      if (answer)
        log_info("the database answers again");
      else
        log_warn("the database does not answer",
                 {{"code", answer.error().id}, {"detail", answer.error().internal}});
    }
    {
      std::lock_guard lock(mutex);
      looking = false;
      ended.notify_all();
      if (stopped) return;
    }
    look_later();
  }
  void stop() {
    std::unique_lock lock(mutex);
    stopped = true;
    ended.wait_for(lock, kPatience * 2, [this] { return !looking; });
  }
  bool fine() const {
    return reached.load() &&
           now_ms() - answered_ms.load() < std::chrono::milliseconds(kStale).count();
  }
};

Health::Health(runtime::Metrics& metrics) {
  metrics.gauge("halcyon_ready", "1 when requests sent here will succeed", {},
                [this] { return ready() ? 1.0 : 0.0; });
  metrics.gauge("halcyon_draining", "1 while this process goes down or was asked to drain", {},
                [this] { return draining() || drain_requested_ ? 1.0 : 0.0; });
  metrics.gauges("halcyon_db_up", "1 when the database answered the last look at it", [this] {
    runtime::Metrics::Samples samples;
    if (phase_.load() != Phase::kStarting) samples.push_back({{}, probe_->fine() ? 1.0 : 0.0});
    return samples;
  });
}

Health::~Health() { stop(); }

void Health::start(sql::Database& db, runtime::IoThread& io) {
  probe_ = std::make_shared<Probe>(db, io);
  probe_->look_later();
  phase_ = Phase::kServing;
}

void Health::stop() {
  if (probe_) probe_->stop();
}

std::string Health::why_unready() const {
  const Phase phase = phase_.load();
  if (phase == Phase::kStarting) return "starting";
  if (phase == Phase::kDraining || drain_requested_) return "draining";
  for (const Check& check : checks_) {
    if (std::string why = check(); !why.empty()) return why;
  }
  return probe_->fine() ? "" : "the database does not answer";
}

net::Response Health::answer(std::string_view path) const {
  if (path == "/healthz/live") return plain_text(200, "ok");
  if (path == "/healthz/startup") {
    return phase_.load() == Phase::kStarting ? plain_text(503, "starting") : plain_text(200, "ok");
  }
  if (path != "/healthz/ready") return nothing_here();
  std::string why = why_unready();
  return why.empty() ? plain_text(200, "ok") : plain_text(503, std::move(why));
}

net::Response metrics_text(std::string text) {
  return plain_text(200, std::move(text), "text/plain; version=0.0.4; charset=utf-8");
}

net::Response plain_text(int status, std::string body, std::string type) {
  net::Response response;
  response.status = status;
  response.headers.set("Content-Type", std::move(type));
  response.body = std::move(body);
  return response;
}

net::Response nothing_here() {
  return plain_text(
      404, R"({"errors":[{"code":"NOT_FOUND","message":"There is nothing at this address."}]})",
      "application/json; charset=utf-8");
}

}  // namespace halcyon::server
