#include "net/trusted_proxies.h"

#include <vector>

#include "base/text.h"

namespace halcyon::net {
namespace {

// "10.0.0.1", "10.0.0.1:4711", "2001:db8::1", "[2001:db8::1]:4711"
std::optional<IpAddress> parse_hop(std::string_view text) {
  text = trim(text);
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    return end == std::string_view::npos ? std::nullopt : parse_ip(text.substr(1, end - 1));
  }
  const size_t colon = text.find(':');
  const bool has_port = colon != std::string_view::npos && colon == text.rfind(':');
  return parse_ip(has_port ? text.substr(0, colon) : text);
}

}  // namespace

std::string TrustedProxies::client_of(const Request& request) const {
  auto address = parse_ip(request.remote_address);
  if (!address || !trusted_.contains(*address)) return request.remote_address;
  std::vector<std::string_view> hops;
  for (const auto& [name, value] : request.headers.items()) {
    if (!iequals(name, "X-Forwarded-For")) continue;
    for (std::string_view hop : split(value, ',')) hops.push_back(hop);
  }
  for (; !hops.empty() && trusted_.contains(*address); hops.pop_back()) {
    const auto hop = parse_hop(hops.back());
    if (!hop) break;  // "unknown", or nonsense: the balancer that wrote it is the last one known
    address = hop;
  }
  return to_text(*address);
}

}  // namespace halcyon::net
