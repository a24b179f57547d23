// Hints between the processes on one database: "there may be something new". They may be lost and
// carry nothing, so whoever listens also looks now and then by itself.
//
//   db.on_hint("jobs", [weak = ...] { if (auto self = weak.lock()) self->look(); });
//   db.hint("jobs");      // after a commit, never inside a transaction
//
// This part holds the callbacks of one Database and calls them in this process.
// Thread rule: safe from any thread; callbacks run on the thread that calls `tell`, and must only
// post.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace halcyon::sql {

class Hints {
 public:
  using Callback = std::function<void()>;

  // True for the first callback of the channel.
  bool add(const std::string& channel, Callback callback) {
    std::lock_guard lock(mutex_);
    auto& list = callbacks_[channel];
    list.push_back(std::move(callback));
    return list.size() == 1;
  }
  void tell(std::string_view channel) const {
    for (const Callback& callback : of(channel)) callback();
  }
  void tell_all() const {
    std::vector<std::string> channels;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [channel, list] : callbacks_) channels.push_back(channel);
    }
    for (const std::string& channel : channels) tell(channel);
  }

 private:
  std::vector<Callback> of(std::string_view channel) const {
    std::lock_guard lock(mutex_);
    auto it = callbacks_.find(channel);
    return it == callbacks_.end() ? std::vector<Callback>{} : it->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Callback>, std::less<>> callbacks_;
};

}  // namespace halcyon::sql
