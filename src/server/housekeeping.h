// Chores that some member does for the whole cluster at the times of a schedule: what has expired
// is deleted. Worked on by every member, whatever its WORKER_MODE.
//
//   Housekeeping house({{"expired", "* * * * *", [&](const Context& ctx) -> Task<Status> {
//                          co_return co_await cluster.purge(ctx); }}});
//   house.handle(cluster.jobs());                                     // before Cluster::start
//   CO_TRY_STATUS(co_await house.put(ctx, cluster.schedules()));      // at every start
//
// A chore that fails is logged and done again at its next time; it leaves no dead jobs.
// Thread rule: made and put from one task; must outlive Cluster::leave.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cluster/jobs.h"
#include "cluster/schedules.h"

namespace halcyon::server {

struct Chore {
  std::string name;
  std::string cron;  // UTC
  std::function<Task<Status>(const Context&)> run;
};

class Housekeeping {
 public:
  explicit Housekeeping(std::vector<Chore> chores) : chores_(std::move(chores)) {}

  void handle(cluster::Jobs& jobs);
  Task<Status> put(const Context& ctx, cluster::Schedules& schedules);

 private:
  Task<Status> run(cluster::JobRun& job);

  std::vector<Chore> chores_;
};

}  // namespace halcyon::server
