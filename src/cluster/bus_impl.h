// The bus's inside: sequencer, reader, settle. Only for this module.
//
// Both run on the cluster's io thread. The sequencer runs when a transaction with messages has
// committed, and when the reader finds messages without a place (their publisher died). The reader
// looks at the counter, four times a second, more often for a while after something happened.
#pragma once

#include <map>

#include "cluster/background.h"
#include "cluster/bus.h"
#include "cluster/membership.h"

namespace halcyon::cluster {

// What others are told to look at, and how long a member looks often after something happened.
inline const std::string kNewsHint = "bus", kConfirmedHint = "bus_confirmed";
inline constexpr int64_t kOftenForMs = 3000;

class BusImpl final : public Bus, public std::enable_shared_from_this<BusImpl> {
 public:
  BusImpl(Core& core, Membership& member);

  // Where a new member begins.
  Task<Result<int64_t>> begin(const Context& ctx);
  // From now on messages may be published: a process that only runs a command stops here.
  void start_ordering() { sequencer_->start(); }
  // Reads to the end, then goes on in the background.
  Task<Status> start(const Context& ctx);
  Task<void> stop();
  // Returns when everything in order at the time of the call has been handled here.
  Task<Status> catch_up(const Context& ctx);
  // Deletes messages older than message_life.
  Task<Status> purge(const Context& ctx);

  void subscribe(std::string topic, Handler handler) override;
  Task<Status> publish(const Context& ctx, sql::Transaction& tx, std::string topic,
                       json::Value payload, Delivery delivery) override;
  Task<Status> publish(const Context& ctx, std::string topic, json::Value payload,
                       Delivery delivery) override;
  Task<Status> settle(const Context& ctx) override;
  Task<Result<std::vector<Message>>> read_after(const Context& ctx, std::string topic, int64_t seq,
                                                size_t limit) override;
  int64_t position() const override { return position_.load(std::memory_order_acquire); }
  int64_t lag() const { return std::max<int64_t>(0, end_seen_ - position()); }
  void count_messages(runtime::Counter counter) { handled_ = counter; }

 private:
  struct State {
    int64_t end = 0;         // of the order
    bool unordered = false;  // messages without a place
    bool others = false;     // rows of other members
  };

  Task<Status> publish_here(const Context& ctx, sql::Transaction& tx, std::string topic,
                            std::string payload, Delivery delivery);
  void committed();
  Task<Status> order_now(const Context& ctx);
  Task<std::chrono::milliseconds> sequencer_step();
  Task<Status> sequence();
  Task<Result<size_t>> sequence_some(sql::Transaction& tx, const Context& ctx);

  Task<Result<State>> look(sql::Executor& db, const Context& ctx);
  Task<std::chrono::milliseconds> reader_step();
  Task<Status> read();
  Task<Status> read_some(const Context& ctx, int64_t end, bool& confirmed);
  Task<Status> handle(const Message& message);
  Task<Status> skip_to(int64_t seq);
  Task<Status> confirm(const Context& ctx);
  void moved_to(int64_t seq);

  Task<Result<int64_t>> settle_target(const Context& ctx);
  Task<Result<bool>> all_confirmed(const Context& ctx, int64_t target);

  Core& core_;
  Membership& member_;
  std::shared_ptr<Background> sequencer_, reader_;
  std::map<std::string, std::vector<Handler>, std::less<>> handlers_;
  std::atomic<int64_t> position_{0}, end_seen_{0};
  std::atomic<bool> started_{false};
  std::atomic<int64_t> busy_until_{0};  // boot time until which to poll often

  std::atomic<uint64_t> order_wanted_{0}, order_done_{0};
  Signal ordered_, progress_;  // progress: of this member or of another

  std::atomic<int64_t> told_position_{0}, told_at_{0};

  // Only on the io thread.
  size_t next_handler_ = 0;  // of the message under way
  int64_t gap_since_ = 0;
  int failures_ = 0;
  runtime::Counter handled_;
};

}  // namespace halcyon::cluster
