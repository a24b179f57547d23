// What the transactions of every driver keep until their end: what to run with COMMIT, what to do
// after it, and the first failure. Only for the drivers.
//
//   class MyDatabase::Tx final : public DriverTransaction { ... run ... };
//   ... COMMIT succeeded ...
//   tx.tell_committed();
//
// Thread rule: as sql::Transaction.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "sql/transaction_retry.h"

namespace halcyon::sql {

class DriverTransaction : public Transaction {
 public:
  void on_commit(std::move_only_function<void()> action) override {
    actions_.push_back(std::move(action));
  }
  void before_commit(Statement last, std::function<Error(Error)> explain) override {
    last_.emplace(LastStatement{std::move(last), std::move(explain)});
  }
  void tell_committed() {
    for (auto& action : actions_) action();
  }
  const std::optional<Error>& failure() const { return failure_; }

 protected:
  std::optional<LastStatement> last_;
  std::optional<Error> failure_;  // of the first statement that failed

 private:
  std::vector<std::move_only_function<void()>> actions_;
};

}  // namespace halcyon::sql
