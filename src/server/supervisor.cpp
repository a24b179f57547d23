#include "server/supervisor.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>

#include "base/log.h"
#include "json/json.h"
#include "runtime/cpus.h"
#include "runtime/process_metrics.h"
#include "server/app.h"
#include "server/options.h"
#include "server/serve.h"
#include "server/systemd.h"
#include "server/worker_link.h"

namespace halcyon::server {
namespace {

using namespace std::chrono_literals;

constexpr const char* kStateVariable = "HALCYON_SUPERVISOR";
constexpr auto kYoung = 10s;  // a worker that dies younger makes its successor wait
constexpr std::array kPauses{0ms, 250ms, 500ms, 1000ms, 2000ms, 5000ms};
constexpr auto kSlack = 13s;  // beyond what a worker promises for its drain
constexpr auto kHurry = 3s;
// Workers of a supervisor that was killed hold the port for the moment it takes them to notice.
constexpr auto kPortWait = 2s;

size_t count_of(const Config& config) {
  const std::string& mode = config.get("CLUSTER_MODE");
  if (mode == "max" || mode == "-1") return std::max<size_t>(1, runtime::usable_cpus());
  return std::max<size_t>(1, static_cast<size_t>(config.number("CLUSTER_MODE")));
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("killed by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  }
  const int code = WEXITSTATUS(status);
  return fmt::format("exit code {}{}", code,
                     code == kCannotRun ? ": the program cannot be run" : "");
}

Result<int> listen_patiently(const net::ServerOptions& options) {
  const auto until = runtime::Clock::now() + kPortWait;
  while (true) {
    auto fd = net::open_listening_socket(options);
    if (fd || runtime::Clock::now() >= until) return fd;
    std::this_thread::sleep_for(50ms);
  }
}

int take_integer(const json::Object& from, std::string_view name) {
  const auto* value = json::find(from, name);
  return value != nullptr && value->is_int64() ? static_cast<int>(value->get_int64()) : -1;
}

}  // namespace

bool Supervisor::wanted(const Config& config) {
  return !config.get("CLUSTER_MODE").empty() || std::getenv(kStateVariable) != nullptr;
}

Supervisor::Supervisor(const Config& config, std::vector<std::string> arguments)
    : config_(config),
      arguments_(std::move(arguments)),
      program_(program_path(arguments_.front())),
      count_(count_of(config)),
      slots_(count_),
      grace_(config.milliseconds("SHUTDOWN_DELAY") + config.milliseconds("SHUTDOWN_TIMEOUT") +
             kSlack),
      restarts_(metrics_.counter("halcyon_supervisor_restarts_total",
                                 "Worker processes replaced because they died")) {
  runtime::show_process(metrics_);
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
}

Supervisor::~Supervisor() {
  port_.reset();
  for (int fd : {listener_, admin_listener_, signals_}) {
    if (fd >= 0) close(fd);
  }
}

int Supervisor::run() {
  if (const char* state = std::getenv(kStateVariable)) {
    const std::string text = state;
    unsetenv(kStateVariable);
    resume(text);
  }
  if (Status open = open_sockets(); !open) {
    log_error(open.error().message);
    if (workers_.empty()) return 1;
  }
  loop();
  return exit_code_;
}

Status Supervisor::open_sockets() {
  if (listener_ < 0 && WorkerMode::parse(config_.get("WORKER_MODE")).http) {
    listener_ = take_activated_socket();
    if (listener_ < 0) {
      TRY(listener_, listen_patiently(http_options(config_)));
    }
  }
  if (config_.number("ADMIN_PORT") == 0) return {};
  if (admin_listener_ < 0) {
    TRY(admin_listener_, listen_patiently(admin_options(config_)));
  }
  port_ = std::make_unique<WorkersPort>(admin_listener_, metrics_);
  publish();
  return port_->listen();
}

// ---- upgrade of the supervisor itself ----

std::string Supervisor::state() const {
  json::Array workers;
  for (const Worker& worker : workers_) {
    workers.push_back(json::Object{{"pid", worker.pid},
                                   {"slot", worker.slot},
                                   {"status", worker.status},
                                   {"adminPort", worker.admin_port},
                                   {"stage", static_cast<int>(worker.stage)}});
  }
  return json::dump(json::Value(json::Object{{"listener", listener_},
                                             {"adminListener", admin_listener_},
                                             {"workers", std::move(workers)}}));
}

void Supervisor::resume(const std::string& text) {
  auto state = json::parse(text);
  if (!state || !state->is_object()) return log_error("the state of the old supervisor is lost");
  const json::Object& all = state->get_object();
  listener_ = take_integer(all, "listener");
  admin_listener_ = take_integer(all, "adminListener");
  for (int fd : {listener_, admin_listener_}) set_close_on_exec(fd, true);
  if (const auto* list = json::find(all, "workers"); list != nullptr && list->is_array()) {
    for (const auto& item : list->get_array()) {
      if (!item.is_object()) continue;
      const json::Object& from = item.get_object();
      Worker worker;
      worker.pid = take_integer(from, "pid");
      worker.slot = take_integer(from, "slot");
      worker.status = take_integer(from, "status");
      worker.admin_port = take_integer(from, "adminPort");
      worker.stage = static_cast<Stage>(take_integer(from, "stage"));
      worker.started = Clock::now();
      if (worker.stage == Stage::kStopping) worker.kill_at = Clock::now() + grace_;
      set_close_on_exec(worker.status, true);
      workers_.push_back(std::move(worker));
    }
  }
  started_ = true;
  for (Worker& worker : workers_) {  // CLUSTER_MODE may be lower now
    if (worker.slot > static_cast<int>(count_) && worker.stage != Stage::kStopping) stop(worker);
  }
  log_info("the supervisor is the new program now", {{"version", kVersion}});
}

// The new program has shown that it can serve. It gets our process id, descriptors and children;
// its workers do not notice.
void Supervisor::become_new_program() {
  log_info("upgrading the supervisor", {{"program", program_}});
  setenv(kStateVariable, state().c_str(), 1);
  port_.reset();  // what it was asked is answered; others wait in the queue of its socket
  std::vector<int> kept{listener_, admin_listener_};
  for (const Worker& worker : workers_) kept.push_back(worker.status);
  for (int fd : kept) set_close_on_exec(fd, false);
  std::vector<std::string> arguments = arguments_;
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv(program_.c_str(), argv.data());
  log_error("the supervisor stays the old program", {{"why", std::strerror(errno)}});
  for (int fd : kept) set_close_on_exec(fd, true);
  unsetenv(kStateVariable);
  if (Status open = open_sockets(); !open) log_error(open.error().message);
}

// ---- the loop ----

void Supervisor::loop() {
  while (true) {
    reap();
    if (!stopping_) {
      keep_filled();
      advance_reload();
    }
    kill_overdue();
    publish();
    if (stopping_ && workers_.empty()) return;

    std::vector<pollfd> fds{{signals_, POLLIN, 0}};
    for (const Worker& worker : workers_) {
      if (worker.status >= 0) fds.push_back({worker.status, POLLIN, 0});
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next_deadline() - Clock::now());
    poll(fds.data(), fds.size(), static_cast<int>(std::clamp<int64_t>(wait.count(), 0, 60'000)));
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
      on_signal(static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL);
    for (Worker& worker : workers_) hear(worker);
  }
}

Supervisor::Time Supervisor::next_deadline() const {
  Time next = Clock::now() + 60s;
  for (const Worker& worker : workers_) next = std::min(next, worker.kill_at);
  for (size_t i = 0; i < slots_.size() && !stopping_; ++i) {
    const bool live = std::ranges::any_of(workers_, [&](const Worker& w) {
      return w.slot == static_cast<int>(i) + 1 && w.stage != Stage::kStopping;
    });
    if (!live) next = std::min(next, slots_[i].start_at);
  }
  if (reload_ && reload_->successor != 0) {
    const bool starting = std::ranges::any_of(workers_, [&](const Worker& w) {
      return w.pid == reload_->successor && w.stage == Stage::kStarting;
    });
    if (starting) next = std::min(next, reload_->until);
  }
  return next;
}

void Supervisor::on_signal(int number, bool from_kernel) {
  if (number == SIGCHLD) return;  // reap() looks each time
  if (number == SIGHUP && !from_kernel) return begin_reload();
  begin_stop(number);
}

void Supervisor::hear(Worker& worker) {
  std::array<char, 256> buffer{};
  while (worker.status >= 0) {
    const ssize_t count = read(worker.status, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;
    if (count == 0) {
      close(std::exchange(worker.status, -1));
      return;
    }
    worker.heard.append(buffer.data(), static_cast<size_t>(count));
    if (worker.heard.starts_with("ready ") && worker.heard.ends_with('\n')) {
      worker.admin_port = std::atoi(worker.heard.c_str() + 6);
      worker.heard.clear();
      on_ready(worker);
    }
  }
}

void Supervisor::on_ready(Worker& worker) {
  if (worker.stage != Stage::kStarting) return;
  worker.stage = Stage::kReady;
  if (started_) return;
  started_ = true;
  log_info("listening",
           {{"host", config_.get("APP_HOST")},
            {"port", listener_ >= 0 ? net::listening_port(listener_) : 0},
            {"adminPort", admin_listener_ >= 0 ? net::listening_port(admin_listener_) : 0},
            {"workers", count_},
            {"version", kVersion}});
  notify_service_manager("READY=1");
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto it = std::ranges::find(workers_, pid, &Worker::pid);
    if (it == workers_.end()) continue;
    hear(*it);  // its last words
    Worker worker = std::move(*it);
    workers_.erase(it);
    on_end(std::move(worker), status);
  }
}

void Supervisor::on_end(Worker worker, int wait_status) {
  if (worker.status >= 0) close(worker.status);
  const std::string how = how_it_ended(wait_status);
  const bool good = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
  if (worker.stage == Stage::kStopping) {
    const LogLevel level = good ? LogLevel::kInfo : LogLevel::kWarn;
    log_event(level, "worker ended", {{"worker", worker.slot}, {"pid", worker.pid}, {"how", how}});
    return;
  }
  const auto age = Clock::now() - worker.started;
  log_error("worker died",
            {{"worker", worker.slot},
             {"pid", worker.pid},
             {"how", how},
             {"ageMs", std::chrono::duration_cast<std::chrono::milliseconds>(age).count()}});
  if (!started_ && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == kBadConfig) {
    exit_code_ = kBadConfig;  // it said why; trying again will not help
    return begin_stop(0);
  }
  if (stopping_) return;
  if (worker.successor) fail_reload(how);
  Slot& slot = slots_.at(static_cast<size_t>(worker.slot) - 1);
  slot.young_deaths = age < kYoung ? slot.young_deaths + 1 : 1;
  const size_t pause =
      std::min<size_t>(static_cast<size_t>(slot.young_deaths) - 1, kPauses.size() - 1);
  slot.start_at = Clock::now() + kPauses[pause];
  restarts_.add();
}

void Supervisor::keep_filled() {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const int slot = static_cast<int>(i) + 1;
    const bool live = std::ranges::any_of(
        workers_, [&](const Worker& w) { return w.slot == slot && w.stage != Stage::kStopping; });
    if (!live && Clock::now() >= slots_[i].start_at) start(slot, false);
  }
}

pid_t Supervisor::start(int slot, bool successor) {
  auto child = start_worker({program_, arguments_, slot, listener_});
  if (!child) {
    log_error(child.error().message, {{"worker", slot}, {"why", child.error().internal}});
    slots_.at(static_cast<size_t>(slot) - 1).start_at = Clock::now() + kPauses.back();
    return 0;
  }
  Worker worker;
  worker.pid = child->pid;
  worker.slot = slot;
  worker.status = child->status;
  worker.successor = successor;
  worker.started = Clock::now();
  workers_.push_back(std::move(worker));
  log_info("worker started", {{"worker", slot}, {"pid", child->pid}});
  return child->pid;
}

void Supervisor::stop(Worker& worker) {
  worker.stage = Stage::kStopping;
  worker.kill_at = Clock::now() + grace_;
  kill(worker.pid, SIGTERM);
}

void Supervisor::kill_overdue() {
  for (Worker& worker : workers_) {
    if (Clock::now() < worker.kill_at) continue;
    log_warn("worker did not end in time and is killed",
             {{"worker", worker.slot}, {"pid", worker.pid}});
    worker.kill_at = Time::max();
    kill(worker.pid, SIGKILL);
  }
}

// ---- replacing ----

void Supervisor::begin_reload() {
  if (stopping_) return;
  if (reload_) {
    reload_again_ = true;
    return;
  }
  log_info("replacing the workers", {{"program", program_}});
  notify_reloading();
  reload_ = Reload();
}

void Supervisor::advance_reload() {
  while (reload_) {
    if (reload_->slot > static_cast<int>(count_)) {
      log_info("all workers are replaced", {{"workers", count_}});
      reload_.reset();
      notify_service_manager("READY=1");
      if (!std::exchange(reload_again_, false)) return become_new_program();
      begin_reload();
      continue;
    }
    if (reload_->successor == 0) {
      reload_->successor = start(reload_->slot, true);
      reload_->until = Clock::now() + config_.milliseconds("CLUSTER_READY_TIMEOUT");
      if (reload_->successor == 0) return fail_reload("no process can be started");
    }
    Worker* successor = find(reload_->successor);
    if (successor == nullptr) return fail_reload("it ended");
    if (successor->stage == Stage::kStarting) {
      if (Clock::now() < reload_->until) return;
      successor->successor = false;
      successor->stage = Stage::kStopping;
      kill(successor->pid, SIGKILL);
      return fail_reload("it did not get ready within CLUSTER_READY_TIMEOUT");
    }
    bool old_there = false;
    for (Worker& worker : workers_) {
      if (worker.slot != reload_->slot || worker.pid == reload_->successor) continue;
      old_there = true;
      if (worker.stage != Stage::kStopping) stop(worker);
    }
    if (old_there) return;
    successor->successor = false;
    ++reload_->slot;
    reload_->successor = 0;
  }
}

void Supervisor::fail_reload(const std::string& why) {
  if (!reload_) return;
  log_error("the workers are not replaced: the new one failed",
            {{"worker", reload_->slot}, {"why", why}});
  if (Worker* successor = find(reload_->successor)) successor->successor = false;
  reload_.reset();
  reload_again_ = false;
  notify_service_manager("READY=1");
}

// ---- the end ----

void Supervisor::begin_stop(int number) {
  if (number != 0) log_info("stopping", {{"signal", number}});
  if (++stop_signals_ > 1) {
    for (Worker& worker : workers_) {
      kill(worker.pid, SIGTERM);
      worker.kill_at = std::min(worker.kill_at, Clock::now() + kHurry);
    }
    return;
  }
  stopping_ = true;
  reload_.reset();
  notify_service_manager("STOPPING=1");
  // The workers hold theirs while they serve on; after that clients shall be refused, not kept
  // waiting in a queue that nobody reads.
  close_listener();
  for (Worker& worker : workers_) {
    if (worker.stage != Stage::kStopping) stop(worker);
  }
}

void Supervisor::close_listener() {
  if (listener_ >= 0) close(std::exchange(listener_, -1));
}

void Supervisor::publish() {
  if (!port_) return;
  WorkersView view;
  view.wanted = count_;
  view.running = workers_.size();
  view.started = started_;
  view.stopping = stopping_;
  for (const Worker& worker : workers_) {
    if (worker.stage == Stage::kReady) view.ready.push_back({worker.slot, worker.admin_port});
  }
  port_->set(std::move(view));
}

Supervisor::Worker* Supervisor::find(pid_t pid) {
  const auto it = std::ranges::find(workers_, pid, &Worker::pid);
  return it == workers_.end() ? nullptr : &*it;
}

}  // namespace halcyon::server
