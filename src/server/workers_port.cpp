#include "server/workers_port.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "server/health.h"

namespace halcyon::server {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 1s;  // for one worker

net::ServerOptions options_for(int listener) {
  net::ServerOptions options;
  options.inherited_fd = listener;
  options.drain_idle = 0ms;
  return options;
}

net::ClientRequest ask(const WorkersView::Worker& worker, std::string_view path) {
  net::ClientRequest request("GET", fmt::format("http://127.0.0.1:{}{}", worker.admin_port, path));
  request.timeout = kPatience;
  return request;
}

std::string with_label(std::string_view sample, const std::string& worker) {
  const size_t name = sample.find_first_of("{ ");
  if (worker.empty() || name == std::string_view::npos) return std::string(sample);
  const std::string label = fmt::format("worker=\"{}\"", worker);
  if (sample[name] == ' ')
    return fmt::format("{}{{{}}}{}", sample.substr(0, name), label, sample.substr(name));
  return fmt::format("{}{{{},{}", sample.substr(0, name), label, sample.substr(name + 1));
}

}  // namespace

std::string join_metrics(const std::vector<std::pair<std::string, std::string>>& named) {
  struct Family {
    std::string head, samples;
  };
  std::map<std::string, Family, std::less<>> families;
  for (const auto& [worker, text] : named) {
    Family* family = nullptr;
    bool first = false;
    for (std::string_view rest = text; !rest.empty();) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
        std::string_view name = line.substr(7);
        name = name.substr(0, name.find(' '));
        Family& found = families[std::string(name)];
        if (&found != family) first = found.head.empty();
        family = &found;
        if (first) family->head += fmt::format("{}\n", line);
      } else if (!line.empty() && family != nullptr) {
        family->samples += with_label(line, worker) + "\n";
      }
    }
  }
  std::string result;
  for (const auto& [name, family] : families) result += family.head + family.samples;
  return result;
}

WorkersPort::WorkersPort(int listener, runtime::Metrics& metrics)
    : metrics_(metrics), server_(io_, options_for(listener), [this](net::Request& request) {
        return handle(request);
      }) {
  auto gauge = [&](const char* name, const char* help, auto read) {
    metrics.gauge(name, help, {},
                  [view = view_, read] { return static_cast<double>(read(view->get())); });
  };
  gauge("halcyon_supervisor_workers_wanted", "Worker processes that should run",
        [](const WorkersView& v) { return v.wanted; });
  gauge("halcyon_supervisor_workers_running", "Worker processes that run",
        [](const WorkersView& v) { return v.running; });
  gauge("halcyon_supervisor_workers_ready", "Worker processes that have become ready",
        [](const WorkersView& v) { return v.ready.size(); });
}

WorkersPort::~WorkersPort() {
  server_.drain();
  server_.wait_idle(kPatience);
  server_.stop();
  io_.stop();
}

Task<net::Response> WorkersPort::handle(net::Request& request) {
  if (request.path == "/healthz/live") co_return plain_text(200, "ok");
  if (request.path == "/healthz/startup")
    co_return view_->get().started ? plain_text(200, "ok") : plain_text(503, "starting");
  if (request.path == "/healthz/ready") co_return co_await ready();
  if (request.path == "/metrics") co_return co_await figures();
  co_return nothing_here();
}

Task<net::Response> WorkersPort::ready() const {
  std::string why = "no worker process is ready";
  std::set<int> asked;  // by port: while workers are replaced the list grows stale as we ask
  while (true) {
    const WorkersView now = view_->get();
    if (now.stopping) co_return plain_text(503, "draining");
    if (!now.started) co_return plain_text(503, "starting");
    const auto next = std::ranges::find_if(
        now.ready, [&](const auto& worker) { return !asked.contains(worker.admin_port); });
    if (next == now.ready.end()) co_return plain_text(503, std::move(why));
    asked.insert(next->admin_port);
    auto answer = co_await client_.send(ask(*next, "/healthz/ready"));
    if (answer && answer->status == 200) co_return plain_text(200, "ok");
    why = answer ? answer->body : "the worker processes do not answer";
  }
}

Task<net::Response> WorkersPort::figures() const {
  std::vector<std::pair<std::string, std::string>> named{{"", metrics_.render()}};
  for (const auto& worker : view_->get().ready) {
    auto answer = co_await client_.send(ask(worker, "/metrics"));
    if (answer && answer->status == 200)
      named.emplace_back(std::to_string(worker.slot), std::move(answer->body));
  }
  co_return metrics_text(join_metrics(named));
}

}  // namespace halcyon::server
