#include "sql/postgres/driver_hints.h"

#include "base/log.h"

namespace halcyon::sql::postgres {

namespace {
constexpr std::chrono::milliseconds kBetween{20};
const std::string kPrefix = "halcyon_";
}  // namespace

NotifyHints::NotifyHints(const Options& options, runtime::IoThread& io, Send send)
    : options_(options), io_(io), send_(std::move(send)) {}

void NotifyHints::hint(std::string channel) {
  hints_.tell(channel);
  std::lock_guard lock(mutex_);
  if (closed_) return;
  Sending& sending = sending_[channel];
  if (std::exchange(sending.planned, true)) return;
  const auto now = runtime::Clock::now();
  const auto due = sending.last + kBetween;
  auto send = [self = shared_from_this(), channel] { self->send_now(channel); };
  if (due <= now) return io_.post(std::move(send));
  io_.after(std::chrono::ceil<std::chrono::milliseconds>(due - now), std::move(send));
}

void NotifyHints::send_now(const std::string& channel) {
  std::lock_guard under_way(send_mutex_);
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    Sending& sending = sending_[channel];
    sending.planned = false;
    sending.last = runtime::Clock::now();
  }
  send_(kPrefix + channel);
}

void NotifyHints::listen(std::string channel, Hints::Callback callback) {
  const bool first = hints_.add(channel, std::move(callback));
  std::lock_guard lock(mutex_);
  if (!first || closed_) return;
  if (!listener_) {
    auto heard = [self = weak_from_this()](std::string_view name, std::string_view) {
      if (auto hints = self.lock()) hints->hints_.tell(name.substr(kPrefix.size()));
    };
    auto reconnected = [self = weak_from_this()] {
      if (auto hints = self.lock()) hints->hints_.tell_all();
    };
    auto made = open_listener(options_, io_, std::move(heard), std::move(reconnected));
    if (!made) return log_warn("no LISTEN connection", {{"reason", made.error().internal}});
    listener_ = std::move(*made);
  }
  listener_->listen(kPrefix + channel);
}

void NotifyHints::close() {
  Listener* listener = nullptr;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    listener = listener_.get();
  }
  if (listener != nullptr) listener->close();
  std::lock_guard nothing_under_way(send_mutex_);
}

bool NotifyHints::connecting() const {
  std::lock_guard lock(mutex_);
  return listener_ && listener_->connecting();
}

}  // namespace halcyon::sql::postgres
