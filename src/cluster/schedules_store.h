// Schedules in the database, and their firing. Only for the files of this module.
//
//   CO_TRY(Fired fired, co_await schedules.fire_due(ctx));   // whenever one is due
//   (JobStore::probe)
//
// Thread rule: io threads; any number of members may fire at the same time.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/time_zone.h"
#include "cluster/jobs_store.h"
#include "cluster/schedules.h"
#include "expr/cron.h"

namespace halcyon::cluster {

constexpr size_t kMostMissed = 1000;  // jobs of Missed::kAll

class ScheduleStore final : public Schedules {
 public:
  // `missed_after`: a fire time that passed longer ago than this is one that nobody was there for.
  ScheduleStore(const JobStore& jobs, const schema::Settings& settings,
                std::chrono::milliseconds missed_after);
  static sql::TableSpec spec(const schema::Settings& settings);

  Task<Status> put(const Context& ctx, Schedule schedule) override;
  Task<Status> put(const Context& ctx, sql::Transaction& tx, Schedule schedule) override;
  Task<Status> remove(const Context& ctx, std::string name) override;
  Task<Result<std::vector<ScheduleInfo>>> list(const Context& ctx) override;

  // Called, on an io thread, when a schedule was changed here.
  void on_change(std::function<void()> callback) { changed_ = std::move(callback); }

  sql::Expr earliest() const;       // when the next one is due
  sql::Expr overdue_count() const;  // of those that should have fired `missed_after` ago
  struct Fired {
    std::set<std::string> topics;
    size_t jobs = 0;
    bool more = false;  // others may be due
  };
  Task<Result<Fired>> fire_due(const Context& ctx);

 private:
  struct Row {
    Schedule schedule;
    int64_t due_ms = 0, last_ms = 0;  // 0: never
  };
  Task<Result<std::optional<Row>>> locked(sql::Transaction& tx, const Context& ctx,
                                          const std::string& name) const;
  Task<Status> write(sql::Transaction& tx, const Context& ctx, const Schedule& schedule,
                     std::optional<int64_t> due_ms) const;
  Task<Status> fire(sql::Transaction& tx, const Context& ctx, const Row& row, int64_t now,
                    std::vector<NewJob>& jobs) const;
  sql::Select select_rows() const;
  static Result<Row> row_of(const sql::Rows& rows, size_t row);

  const JobStore& jobs_;
  sql::TableRef table_;
  std::chrono::milliseconds missed_after_;
  std::function<void()> changed_;
};

// The fire times in (after, upto], the latest `limit` of them, in order.
std::vector<int64_t> fire_times(const expr::Cron& cron, const TimeZone& zone, int64_t after,
                                int64_t upto, size_t limit);

}  // namespace halcyon::cluster
