#include "server/serve.h"

#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "server/app.h"
#include "server/supervisor.h"
#include "server/systemd.h"
#include "server/worker_link.h"

namespace halcyon::server {
namespace {

using namespace std::chrono_literals;
constexpr auto kSlack = 10s;  // for what comes after the requests in flight
constexpr auto kHurry = 3s;

// Waits for signals on a thread of its own, so that a process that is still starting, or that does
// not come to its end, stops too. Made before any other thread, which inherit the mask.
class StopSignals {
 public:
  // `limit`: how long the end may take. A supervisor's worker leaves the terminal's signals to it.
  StopSignals(std::chrono::milliseconds limit, bool is_worker) : state_(std::make_shared<State>()) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    for (int number : {SIGINT, SIGHUP}) {
      if (is_worker)
        signal(number, SIG_IGN);
      else
        sigaddset(&set, number);
    }
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::thread([state = state_, set, limit] { watch(*state, set, limit); }).detach();
  }

  // From now on the first signal is answered by wait(), the second by hurry().
  void set_app(App* app) {
    std::lock_guard lock(state_->mutex);
    state_->app = app;
  }
  void wait() {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->asked; });
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    App* app = nullptr;
    bool asked = false;
  };

  static int next_signal(const sigset_t& set) {
    while (true) {
      siginfo_t info{};
      const int number = sigwaitinfo(&set, &info);
      if (number < 0) continue;                                          // EINTR
      if (number != SIGHUP || info.si_code == SI_KERNEL) return number;  // the terminal is gone
      log_warn("SIGHUP is ignored: only a supervisor (CLUSTER_MODE) replaces its processes");
    }
  }
  static bool another_within(const sigset_t& set, std::chrono::milliseconds limit) {
    const timespec time{limit.count() / 1000, limit.count() % 1000 * 1'000'000};
    return sigtimedwait(&set, nullptr, &time) > 0;
  }

  static void watch(State& state, const sigset_t& set, std::chrono::milliseconds limit) {
    const int number = next_signal(set);
    log_info("stopping", {{"signal", number}});
    {
      std::lock_guard lock(state.mutex);
      // Nothing is served yet, and what a start left undone the next one does.
      if (state.app == nullptr) _exit(0);
      state.asked = true;
      state.changed.notify_all();
    }
    if (another_within(set, limit)) {
      std::lock_guard lock(state.mutex);
      log_warn("stopping at once");
      if (state.app != nullptr) state.app->hurry();
    }
    another_within(set, kHurry);
    log_error("the process did not come to its end in time");
    _exit(1);
  }

  std::shared_ptr<State> state_;
};

}  // namespace

int fail_with(const Error& error) {
  std::cerr << "halcyon: " << error.message
            << (error.internal.empty() ? "" : " (" + error.internal + ")") << '\n';
  return error.id == "INVALID_CONFIG" ? kBadConfig : 1;
}

int serve(const Config& config, std::vector<std::string> arguments) {
  signal(SIGPIPE, SIG_IGN);
  const auto link = WorkerLink::take();
  if (!link && Supervisor::wanted(config)) return Supervisor(config, std::move(arguments)).run();

  const auto started = runtime::Clock::now();
  StopSignals signals(
      config.milliseconds("SHUTDOWN_DELAY") + config.milliseconds("SHUTDOWN_TIMEOUT") + kSlack,
      link.has_value());
  Inherited inherited;
  inherited.listener = link ? link->listener : take_activated_socket();
  inherited.private_admin = link.has_value();
  auto app = App::open(config, Purpose::kServe, inherited);
  if (!app) return fail_with(app.error());
  if (auto status = (*app)->listen(); !status) return fail_with(status.error());
  signals.set_app(app->get());
  const std::chrono::duration<double, std::milli> took = runtime::Clock::now() - started;
  if (link) {
    log_info("worker ready", {{"worker", link->slot}, {"startMs", took.count()}});
    link->report_ready((*app)->admin_port());
  } else {
    log_info("listening", {{"host", config.get("APP_HOST")},
                           {"port", (*app)->port()},
                           {"adminPort", (*app)->admin_port()},
                           {"database", config.get("DB_DIALECT")},
                           {"version", kVersion},
                           {"startMs", took.count()}});
    notify_service_manager("READY=1");
  }
  signals.wait();
  if (!link) notify_service_manager("STOPPING=1");
  (*app)->drain_and_stop();
  signals.set_app(nullptr);
  app->reset();
  return 0;
}

}  // namespace halcyon::server
