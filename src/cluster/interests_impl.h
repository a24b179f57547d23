// The inside of interests. Only for this module.
//
// By the database's clock a name is wanted until its row's `until_ms`; a member goes on publishing
// for another message_life, by its own clock, from when it heard of it. So a member stops last, and
// a row that stands means that nobody has stopped.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <shared_mutex>

#include "cluster/bus.h"
#include "cluster/interests.h"
#include "cluster/membership.h"

namespace halcyon::cluster {

std::vector<sql::TableSpec> interest_tables(const schema::Settings& settings);

class InterestsImpl final : public Interests, public std::enable_shared_from_this<InterestsImpl> {
 public:
  InterestsImpl(Core& core, Bus& bus) : core_(core), bus_(bus) {}

  // Subscribes to the bus: before it starts, and before load.
  void listen();
  Task<Status> load(const Context& ctx);

  bool wanted(std::string_view name) const override;
  void skipped(sql::Transaction& tx, std::vector<std::string> names,
               std::function<void(std::string)> late) override;
  Task<Result<int64_t>> want(const Context& ctx, std::string name) override;

 private:
  struct Copy {
    int64_t publish_until = 0;  // boot time
    int64_t renew_at = 0;       // boot time
    int64_t since = 0;          // 0: not known here
  };
  struct Row {
    std::optional<int64_t> since;  // nullopt: to be announced
    bool stands = false;
  };
  struct Epoch {};  // held by every write that skipped something

  Task<Status> heard(const Message& message);
  Task<void> wait_for_older_writes();
  void note(const std::string& name, std::optional<int64_t> since, bool fresh);
  Task<Result<Row>> locked_row(sql::Transaction& tx, const Context& ctx, const std::string& name);
  Task<Result<std::optional<int64_t>>> renew(const Context& ctx, const std::string& name);
  Task<Result<int64_t>> established(const Context& ctx, const std::string& name);
  int64_t life() const { return core_.options.message_life.count(); }

  Core& core_;
  Bus& bus_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Copy, std::less<>> copies_;
  std::shared_ptr<Epoch> epoch_ = std::make_shared<Epoch>();
  std::atomic<bool> any_{false};
};

}  // namespace halcyon::cluster
