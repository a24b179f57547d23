#include "features/realtime/realtime.h"

#include "features/realtime/hub.h"
#include "features/realtime/publisher.h"

namespace halcyon::features::realtime {

Realtime::Realtime(Parts parts, Limits limits)
    : publisher_(std::make_shared<Publisher>(parts.bus, parts.interests, parts.io)),
      hub_(std::make_shared<Hub>(parts, limits)) {
  hub_->listen();
}

Realtime::~Realtime() = default;

data::ChangeListener& Realtime::listener() { return *publisher_; }

Task<void> Realtime::serve(std::unique_ptr<net::WebSocket> socket) {
  const std::shared_ptr<Hub> hub = hub_;
  co_await hub->serve(std::move(socket));
}

Task<void> Realtime::stop() {
  co_await hub_->stop();
  co_await publisher_->stop();
}

}  // namespace halcyon::features::realtime
