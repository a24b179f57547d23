// Tells the bus of changed records, in the transaction that changes them, when somebody listens.
//
// One message a write. Writes that nobody watches cost a look at a map.
//
//   auto publisher = std::make_shared<Publisher>(bus, interests, io);
//   writer.listeners.push_back(publisher.get());
//   ... co_await publisher->stop();
//
// Thread rule: called by writes, on any io thread.
#pragma once

#include <atomic>
#include <memory>

#include "cluster/bus.h"
#include "cluster/interests.h"
#include "data/request.h"
#include "features/realtime/change_set.h"
#include "runtime/io.h"

namespace halcyon::features::realtime {

class Publisher final : public data::ChangeListener,
                        public std::enable_shared_from_this<Publisher> {
 public:
  Publisher(cluster::Bus& bus, cluster::Interests& interests, runtime::IoThread& io)
      : bus_(bus), interests_(interests), io_(io) {}

  bool wants_before(const schema::Collection& collection) const override;
  Task<Status> in_transaction(const data::Call&, sql::Transaction&, const data::Change&) override {
    co_return Status{};
  }
  Task<Status> before_commit(const data::Call& call, sql::Transaction& tx,
                             const std::vector<data::Change>& changes) override;
  void committed(const std::vector<data::Change>&) override {}

  Task<void> stop();  // waits for what is under way

 private:
  void publish_late(std::string collection);
  Task<void> publish_many(std::string collection);

  cluster::Bus& bus_;
  cluster::Interests& interests_;
  runtime::IoThread& io_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> under_way_{0};
};

}  // namespace halcyon::features::realtime
