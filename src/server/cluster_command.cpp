#include "server/cluster_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "base/text.h"
#include "cluster/info.h"
#include "cluster/tables.h"
#include "server/app.h"
#include "server/options.h"
#include "server/serve.h"

namespace halcyon::server {
namespace {

constexpr std::chrono::seconds kTime{20};
constexpr size_t kShortId =
    8;  // enough to tell members apart; commands take any beginning of an id

using Table = std::vector<std::vector<std::string>>;

size_t width_of(std::string_view text) {  // in characters, not bytes
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & '\xc0') != '\x80'; }));
}

// Columns as wide as their widest cell; the first row is the heading.
void print(const Table& table) {
  std::vector<size_t> widths(table.front().size());
  for (const auto& row : table) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  for (const auto& row : table) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      line += row[c];
      if (c + 1 < row.size()) line.append(widths[c] - width_of(row[c]) + 2, ' ');
    }
    std::cout << line << '\n';
  }
}

void print(json::Value value) { std::cout << json::dump(value) << '\n'; }

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

std::string ranges(const std::vector<int64_t>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += end - i > 1 ? fmt::format("{}-{}", numbers[i], numbers[end - 1])
                        : fmt::format("{}", numbers[i]);
    i = end;
  }
  return or_dash(text);
}

Task<Result<int64_t>> now_of(sql::Database& db, const Context& ctx) {
  sql::Select select;
  select.columns = {{cluster::now_ms(), "now"}};
  CO_TRY(sql::Rows rows, co_await db.run(ctx, sql::render(select, db.dialect())));
  co_return to_int64(rows.cell(0, 0).text()).value_or(0);
}

Result<std::string> find_member(const std::vector<cluster::MemberInfo>& members,
                                const std::string& wanted) {
  std::string found;
  for (const auto& member : members) {
    if (!member.id.starts_with(wanted)) continue;
    if (!found.empty())
      return invalid("MEMBER_AMBIGUOUS", fmt::format("Several members begin with \"{}\".", wanted));
    found = member.id;
  }
  if (found.empty()) {
    return fail(Code::kNotFound, "MEMBER_NOT_FOUND",
                fmt::format("There is no member \"{}\".", wanted));
  }
  return found;
}

}  // namespace

std::string relative_time(int64_t ms) {
  const int64_t seconds = std::abs(ms) / 1000;
  if (seconds == 0) return "now";
  const std::string amount = seconds < 120      ? fmt::format("{} s", seconds)
                             : seconds < 7200   ? fmt::format("{} min", seconds / 60)
                             : seconds < 172800 ? fmt::format("{} h", seconds / 3600)
                                                : fmt::format("{} days", seconds / 86400);
  return ms < 0 ? amount + " ago" : "in " + amount;
}

struct ClusterCommand::Session {
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<cluster::Cluster> cluster;
  Context ctx;
};

ClusterCommand::ClusterCommand(CLI::App& cli) {
  command_ = cli.add_subcommand("cluster", "Look at the members and jobs of the cluster");
  command_->require_subcommand(1);
  const auto with_json = [this](CLI::App* command) {
    command->add_flag("--json", json_, "Print JSON");
    return command;
  };
  list_ = with_json(command_->add_subcommand("status", "List the members"));
  drain_ = command_->add_subcommand(
      "drain", "Ask a member to take no more requests and jobs, until undrain");
  undrain_ = command_->add_subcommand("undrain", "Let a drained member serve again");
  for (CLI::App* command : {drain_, undrain_}) {
    command->add_option("member", member_, "Id of the member, or how it begins")->required();
  }
  jobs_ = with_json(command_->add_subcommand("jobs", "List background jobs"));
  jobs_->add_option("--topic", topic_, "Only jobs of this topic");
  jobs_->add_option("--state", state_, "Only jobs in this state")
      ->check(CLI::IsMember({"waiting", "running", "dead"}));
  jobs_->add_option("--limit", limit_, "How many at most")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  retry_ = command_->add_subcommand("retry", "Let a dead job wait again, with all its attempts");
  cancel_ = command_->add_subcommand("cancel", "Remove a job; one that runs is told to end");
  for (CLI::App* command : {retry_, cancel_}) {
    command->add_option("job", job_, "Id of the job")->required();
  }
  schedules_ = with_json(command_->add_subcommand("schedules", "List the schedules of jobs"));
}

int ClusterCommand::run(const Config& config) const {
  runtime::IoPool io(1);
  Session session;
  session.ctx.deadline = runtime::Clock::now() + kTime;
  const auto open = [&]() -> Task<Status> {
    CO_TRY(session.db, co_await sql::open(database_options(config), io));
    cluster::Options options = cluster_options(config, WorkerMode::parse("-"), kVersion);
    options.joins = false;
    CO_TRY(session.cluster,
           co_await cluster::Cluster::join(*session.db, io, std::move(options), session.ctx));
    co_return co_await act(session);
  };
  const Status done = runtime::run(io.thread(0), open());
  session.cluster.reset();
  if (session.db) runtime::run(io.thread(0), session.db->close());
  return done ? 0 : fail_with(done.error());
}

Task<Status> ClusterCommand::act(Session& session) const {
  if (*list_) co_return co_await status(session);
  if (*drain_) co_return co_await drain(session, true);
  if (*undrain_) co_return co_await drain(session, false);
  if (*jobs_) co_return co_await jobs(session);
  if (*retry_) co_return co_await retry(session);
  if (*cancel_) co_return co_await cancel(session);
  co_return co_await schedules(session);
}

Task<Status> ClusterCommand::status(Session& session) const {
  CO_TRY(auto members, co_await session.cluster->members(session.ctx));
  CO_TRY(const int64_t now, co_await now_of(*session.db, session.ctx));
  if (json_) {
    json::Array list;
    for (const auto& member : members) list.push_back(to_json(member));
    print(json::Value(std::move(list)));
    co_return Status{};
  }
  Table table{{"MEMBER", "HOST", "PID", "STATE", "LEASE ENDS", "STARTED", "VERSION", "WORKER_MODE",
               "BUS", "WORKER IDS"}};
  for (const auto& member : members) {
    table.push_back({member.id.substr(0, kShortId), member.host, std::to_string(member.pid),
                     std::string(shown_state(member)), relative_time(member.lease_until_ms - now),
                     relative_time(member.started_ms - now), member.version,
                     or_dash(member.worker_mode), std::to_string(member.bus_position),
                     ranges(member.worker_ids)});
  }
  print(table);
  co_return Status{};
}

Task<Status> ClusterCommand::drain(Session& session, bool drain) const {
  CO_TRY(auto members, co_await session.cluster->members(session.ctx));
  CO_TRY(const std::string id, find_member(members, member_));
  CO_TRY_STATUS(co_await session.cluster->request_drain(session.ctx, id, drain));
  std::cout << "Member " << id
            << (drain ? " was asked to drain.\n" : " was asked to serve again.\n");
  co_return Status{};
}

Task<Status> ClusterCommand::jobs(Session& session) const {
  cluster::JobFilter filter;
  filter.topic = topic_;
  filter.state = cluster::job_state(state_);
  filter.limit = limit_;
  CO_TRY(auto list, co_await session.cluster->jobs().list(session.ctx, std::move(filter)));
  CO_TRY(auto stats, co_await session.cluster->jobs().stats(session.ctx));
  CO_TRY(const int64_t now, co_await now_of(*session.db, session.ctx));
  if (json_) {
    json::Array jobs;
    for (const auto& job : list) jobs.push_back(to_json(job));
    json::Object topics;
    for (const auto& [topic, figures] : stats) topics[topic] = to_json(figures);
    print(json::Value(json::Object{{"jobs", std::move(jobs)}, {"topics", std::move(topics)}}));
    co_return Status{};
  }
  Table topics{{"TOPIC", "WAITING", "RUNNING", "DEAD", "OLDEST DUE"}};
  for (const auto& [topic, s] : stats) {
    topics.push_back({topic, std::to_string(s.waiting), std::to_string(s.running),
                      std::to_string(s.dead), s.waiting > 0 ? relative_time(-s.oldest_ms) : "-"});
  }
  print(topics);
  std::cout << '\n';
  Table table{{"JOB", "TOPIC", "STATE", "ATTEMPT", "RUNS", "MADE", "OWNER", "KEY", "ERROR"}};
  for (const auto& job : list) {
    table.push_back(
        {std::to_string(job.id), job.topic, std::string(to_text(job.state)),
         fmt::format("{}/{}", job.attempts, job.max_attempts),
         job.state == cluster::JobState::kWaiting ? relative_time(job.run_at_ms - now) : "-",
         relative_time(job.created_ms - now), or_dash(job.owner.substr(0, kShortId)),
         or_dash(job.unique_key), or_dash(job.error.substr(0, 80))});
  }
  print(table);
  co_return Status{};
}

Task<Status> ClusterCommand::retry(Session& session) const {
  CO_TRY_STATUS(co_await session.cluster->jobs().retry(session.ctx, job_));
  std::cout << "Job " << job_ << " waits again.\n";
  co_return Status{};
}

Task<Status> ClusterCommand::cancel(Session& session) const {
  CO_TRY_STATUS(co_await session.cluster->jobs().cancel(session.ctx, job_));
  std::cout << "Job " << job_ << " is removed.\n";
  co_return Status{};
}

Task<Status> ClusterCommand::schedules(Session& session) const {
  CO_TRY(auto list, co_await session.cluster->schedules().list(session.ctx));
  CO_TRY(const int64_t now, co_await now_of(*session.db, session.ctx));
  if (json_) {
    json::Array schedules;
    for (const auto& info : list) schedules.push_back(to_json(info));
    print(json::Value(std::move(schedules)));
    co_return Status{};
  }
  Table table{{"SCHEDULE", "CRON", "ZONE", "TOPIC", "MISSED", "NEXT", "LAST"}};
  const auto when = [now](int64_t ms) { return ms > 0 ? relative_time(ms - now) : "-"; };
  for (const auto& [schedule, next, last] : list) {
    table.push_back({schedule.name, schedule.cron, schedule.zone, schedule.topic,
                     std::string(to_text(schedule.missed)),
                     schedule.enabled ? when(next) : "disabled", when(last)});
  }
  print(table);
  co_return Status{};
}

}  // namespace halcyon::server
