// Who sent a request, when balancers stand between the client and us.
//
// X-Forwarded-For is a list that each balancer adds the address of its own peer to, so only what
// trusted balancers added is true; a client may have written the rest itself. The list is read from
// the right: while the address reached so far is a trusted balancer's, its peer comes next.
//
//   TrustedProxies proxies(networks);
//   request.client_address = proxies.client_of(request);
//
// X-Real-IP and Forwarded are not read: a second way to say the same is a second way to lie.
// Immutable, safe from any thread.
#pragma once

#include <string>

#include "base/networks.h"
#include "net/http.h"

namespace halcyon::net {

class TrustedProxies {
 public:
  explicit TrustedProxies(Networks trusted) : trusted_(std::move(trusted)) {}
  // The first address from the right that is no trusted balancer's; the peer's when it is none.
  std::string client_of(const Request& request) const;

 private:
  Networks trusted_;
};

}  // namespace halcyon::net
