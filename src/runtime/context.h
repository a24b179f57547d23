// What one request (or job) needs on its way through the layers. Passed explicitly, never global.
//
// Thread rule: owned by one request; read by the tasks of that request only, except `cancelled`,
// which the connection may set from its io thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace halcyon::runtime {

using Clock = std::chrono::steady_clock;

struct Context {
  std::string request_id;  // X-Request-Id, or made here
  Clock::time_point deadline = Clock::now() + std::chrono::seconds(60);
  std::string locale = "en-US";        // X-Locale
  int utc_offset_minutes = 0;          // X-Timezone, e.g. +08:00 -> 480
  std::string client_address;          // of the client as far as known; empty: internal work
  std::string idempotency_key;         // Idempotency-Key, or empty
  std::atomic<bool> cancelled{false};  // the peer went away
  // Messages of the bus that this request sent and that every member must have handled before it is
  // answered (cluster/bus.h). Grows while the request runs.
  mutable std::vector<int64_t> unconfirmed;

  Clock::duration remaining() const { return deadline - Clock::now(); }
  bool expired() const {
    return cancelled.load(std::memory_order_relaxed) || remaining().count() <= 0;
  }
};

}  // namespace halcyon::runtime

namespace halcyon {
using runtime::Context;
}
