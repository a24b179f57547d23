// cluster:*: members and jobs of the cluster, for administrators; the same as `halcyon cluster`.
#include <algorithm>

#include "api/services.h"
#include "base/text.h"
#include "cluster/cluster.h"
#include "cluster/info.h"

namespace halcyon::api {
namespace {

Task<Result<Reply>> status(const Services& services, Call& call) {
  CO_TRY(auto members, co_await services.cluster->members(call.ctx));
  json::Array list;
  for (const auto& member : members) {
    json::Object row = to_json(member);
    row["self"] = member.id == services.cluster->lease().holder();
    list.push_back(std::move(row));
  }
  co_return Reply(json::Value(std::move(list)));
}

Task<Result<Reply>> ask_to_drain(const Services& services, Call& call, bool drain) {
  CO_TRY(std::string member, call.key_text());
  CO_TRY_STATUS(co_await services.cluster->request_drain(call.ctx, std::move(member), drain));
  co_return Reply();
}
Task<Result<Reply>> drain(const Services& services, Call& call) {
  return ask_to_drain(services, call, true);
}
Task<Result<Reply>> undrain(const Services& services, Call& call) {
  return ask_to_drain(services, call, false);
}

// Parameters `topic`, `state`, `after` (a job's id) and `pageSize`.
Task<Result<Reply>> jobs(const Services& services, Call& call) {
  constexpr int64_t kMost = 1000;
  cluster::JobFilter filter;
  filter.topic = json::get_string(call.params.extra, "topic");
  const std::string state = json::get_string(call.params.extra, "state");
  filter.state = cluster::job_state(state);
  if (!state.empty() && !filter.state) {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_PARAMETER", "There is no such state.")
                       .with_field("state")
                       .with_expected("waiting, running or dead"));
  }
  filter.after_id = json::get_int(call.params.extra, "after");
  filter.limit = static_cast<size_t>(std::clamp<int64_t>(call.params.page_size, 1, kMost));
  CO_TRY(auto list, co_await services.cluster->jobs().list(call.ctx, std::move(filter)));
  CO_TRY(auto stats, co_await services.cluster->jobs().stats(call.ctx));
  json::Array rows;
  for (const auto& job : list) rows.push_back(to_json(job));
  json::Object topics;
  for (const auto& [topic, figures] : stats) topics[topic] = to_json(figures);
  Reply reply((json::Value(std::move(rows))));
  reply.meta = json::dump(json::Value(json::Object{{"topics", std::move(topics)}}));
  co_return reply;
}

Task<Result<Reply>> retry(const Services& services, Call& call) {
  CO_TRY(const std::string key, call.key_text());
  CO_TRY_STATUS(co_await services.cluster->jobs().retry(call.ctx, to_int64(key).value_or(-1)));
  co_return Reply();
}
Task<Result<Reply>> cancel(const Services& services, Call& call) {
  CO_TRY(const std::string key, call.key_text());
  CO_TRY_STATUS(co_await services.cluster->jobs().cancel(call.ctx, to_int64(key).value_or(-1)));
  co_return Reply();
}

Task<Result<Reply>> schedules(const Services& services, Call& call) {
  CO_TRY(auto list, co_await services.cluster->schedules().list(call.ctx));
  json::Array rows;
  for (const auto& info : list) rows.push_back(to_json(info));
  co_return Reply(json::Value(std::move(rows)));
}

}  // namespace

void add_cluster_actions(ActionTable& table, const Services& services) {
  using Run = Task<Result<Reply>> (*)(const Services&, Call&);
  auto add = [&](const char* name, const char* summary, Effect effect, Run run) {
    table.add({.resource = "cluster",
               .name = name,
               .access = Gate::kPermission,
               .summary = summary,
               .effect = effect,
               .run = [&services, run](Call& call) { return run(services, call); }});
  };
  add("status", "Members of the cluster", Effect::kRead, &status);
  add("drain", "Ask a member to take no more requests and jobs", Effect::kRepeatable, &drain);
  add("undrain", "Let a drained member serve again", Effect::kRepeatable, &undrain);
  add("jobs", "Background jobs", Effect::kRead, &jobs);
  add("retry", "Let a dead job wait again", Effect::kRepeatable, &retry);
  add("cancel", "Remove a job; one that runs is told to end", Effect::kRepeatable, &cancel);
  add("schedules", "Schedules of jobs", Effect::kRead, &schedules);
}

}  // namespace halcyon::api
