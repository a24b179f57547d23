// Hints over NOTIFY, at most one a channel every 20 ms, each in an autocommit statement of its own:
// NOTIFY takes a lock of the whole server at commit. Only for sql/postgres.
//
// Thread rule: `hint` and `listen` from any thread; destroyed from outside the io thread or on it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/io.h"
#include "sql/hints.h"
#include "sql/postgres/driver.h"

namespace halcyon::sql::postgres {

class NotifyHints : public std::enable_shared_from_this<NotifyHints> {
 public:
  // `send` runs NOTIFY on the io thread and need not wait for it.
  using Send = std::function<void(std::string channel)>;
  NotifyHints(const Options& options, runtime::IoThread& io, Send send);

  void hint(std::string channel);
  void listen(std::string channel, Hints::Callback callback);
  // After it nothing is sent and no callback is called.
  void close();
  bool connecting() const;  // still, after close()

 private:
  struct Sending {
    bool planned = false;
    runtime::Clock::time_point last = {};
  };
  void send_now(const std::string& channel);

  const Options options_;
  runtime::IoThread& io_;
  Send send_;
  Hints hints_;
  std::mutex send_mutex_;  // held while `send_` is called
  mutable std::mutex mutex_;
  std::map<std::string, Sending, std::less<>> sending_;
  std::unique_ptr<Listener> listener_;
  bool closed_ = false;
};

}  // namespace halcyon::sql::postgres
