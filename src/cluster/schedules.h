// Schedules: a job at each time a cron expression names, exactly one in the whole cluster.
//
// Whoever finds a schedule due locks its row, enqueues the job under the key "<name>@<fire time>"
// and moves `next_ms` on, in one transaction; so no leader is needed and no fire time makes two
// jobs. Times missed while nobody ran are handled by the policy.
//
//   Schedule s; s.name = "purge"; s.cron = "0 3 * * *"; s.zone = "Europe/Berlin"; s.topic =
//   "purge"; CO_TRY_STATUS(co_await schedules.put(ctx, s));
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

// What becomes of fire times that passed while no member ran.
enum class Missed {
  kSkip,  // go on with the next time
  kOnce,  // one job for all of them
  kAll,   // a job each (at most 1000)
};

struct Schedule {
  std::string name;  // unique
  std::string cron;  // expr/cron.h
  std::string zone = "UTC";
  std::string topic;
  json::Value payload;  // the job's payload is {"fireAt": ms, "payload": this}
  Missed missed = Missed::kOnce;
  bool enabled = true;
  std::optional<int64_t> until_ms;  // no fire after
};
struct ScheduleInfo {
  Schedule schedule;
  int64_t next_ms = 0;  // 0: never again
  int64_t last_ms = 0;  // fire time of the last job; 0: none yet
};

class Schedules {
 public:
  virtual ~Schedules() = default;
  // Makes or changes it; an unchanged schedule keeps its next fire time. Error 400 INVALID_CRON,
  // INVALID_TIME_ZONE.
  virtual Task<Status> put(const Context& ctx, Schedule schedule) = 0;
  virtual Task<Status> put(const Context& ctx, sql::Transaction& tx, Schedule schedule) = 0;
  virtual Task<Status> remove(const Context& ctx, std::string name) = 0;  // absent: fine
  virtual Task<Result<std::vector<ScheduleInfo>>> list(const Context& ctx) = 0;
};

}  // namespace halcyon::cluster
