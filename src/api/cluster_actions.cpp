// cluster:*: members of the cluster, for administrators; the same as `halcyon cluster`.
#include "api/services.h"
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
}

}  // namespace halcyon::api
