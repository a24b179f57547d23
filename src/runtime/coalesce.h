// The same work asked for by many at the same time, done once for all of them; and nobody gets an
// answer whose work began before he asked.
//
// Who asks while the work is under way waits for the next turn, together with all others who ask
// meanwhile. So a key is worked on by one at a time, however many ask, and an answer is as fresh as
// if everyone had done the work himself.
//
//   Coalescer<int64_t> counts;
//   auto total = co_await counts.get("orders", [&] { return count(ctx, db); });
//
// When the work of the one who did it fails (he may have had less time), the others ask again.
// Thread rule: from any io thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "runtime/io.h"

namespace halcyon::runtime {

template <class T>
class Coalescer {
 public:
  using Work = std::function<Task<Result<T>>()>;

  Task<Result<T>> get(std::string key, Work work) {
    for (int turn = 0; turn < kTurns; ++turn) {
      Place place = enter(key);
      if (!place.mine) {
        co_await end_of(place.turn);
        if (place.turn->value) co_return *place.turn->value;
        continue;
      }
      if (place.before) {
        co_await end_of(place.before);
        begin(key, place.turn);
      }
      Result<T> result = co_await work();
      leave(key, *place.turn, result);
      co_return result;
    }
    co_return co_await work();
  }

 private:
  static constexpr int kTurns = 3;

  struct Turn {
    bool done = false;
    std::optional<T> value;  // set before `done`, never changed after
    std::vector<std::move_only_function<void()>> waiting;
  };
  struct Slot {
    std::shared_ptr<Turn> running, next;
  };
  struct Place {
    std::shared_ptr<Turn> turn;
    std::shared_ptr<Turn> before;  // to be waited for first
    bool mine = false;             // this caller does the work
  };

  Place enter(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    Slot& slot = slots_[key];
    if (slot.next) return {slot.next, nullptr, false};
    if (!slot.running) {
      slot.running = std::make_shared<Turn>();
      return {slot.running, nullptr, true};
    }
    slot.next = std::make_shared<Turn>();
    return {slot.next, slot.running, true};
  }

  void begin(const std::string& key, const std::shared_ptr<Turn>& turn) {
    const std::scoped_lock lock(mutex_);
    Slot& slot = slots_[key];
    slot.running = turn;
    slot.next = nullptr;
  }

  void leave(const std::string& key, Turn& turn, const Result<T>& result) {
    std::vector<std::move_only_function<void()>> waiting;
    {
      const std::scoped_lock lock(mutex_);
      if (result) turn.value = *result;
      turn.done = true;
      waiting.swap(turn.waiting);
      auto it = slots_.find(key);
      if (it != slots_.end() && it->second.running.get() == &turn && !it->second.next)
        slots_.erase(it);
    }
    for (auto& resume : waiting) resume();
  }

  Task<void> end_of(std::shared_ptr<Turn> turn) {
    co_await Suspend([this, turn](std::move_only_function<void()> resume) {
      {
        const std::scoped_lock lock(mutex_);
        if (!turn->done) {
          turn->waiting.push_back(std::move(resume));
          return;
        }
      }
      resume();
    });
  }

  std::mutex mutex_;
  std::unordered_map<std::string, Slot> slots_;  // of keys that are being worked on
};

}  // namespace halcyon::runtime
