// IP addresses and networks in CIDR form: who is trusted, who may be called.
//
//   TRY(Networks trusted, Networks::parse({"127.0.0.1", "10.0.0.0/8", "fd00::/8"}));
//   trusted.contains("10.1.2.3");      // true
//
// IPv4 in IPv6 clothes (::ffff:10.1.2.3) counts as the IPv4 address. Immutable, safe from any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace halcyon {

// 16 bytes; IPv4 as ::ffff:a.b.c.d.
using IpAddress = std::array<uint8_t, 16>;
std::optional<IpAddress> parse_ip(std::string_view text);
// The usual form: "2001:db8::1", and IPv4 as "10.1.2.3".
std::string to_text(const IpAddress& address);

class Networks {
 public:
  // Error INVALID_CONFIG: an entry is neither an address nor a network.
  static Result<Networks> parse(std::span<const std::string> entries);
  // The same, with words: "loopback", "private" (networks of no use on the internet, which include
  // link-local ones and those of IPv6) and "none", which stands for nothing.
  static Result<Networks> parse_with_words(std::span<const std::string> entries);
  bool contains(std::string_view address) const;  // false for what is no address
  bool contains(const IpAddress& address) const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    IpAddress address;
    int bits;  // of the 128 that count
  };
  std::vector<Entry> entries_;
};

}  // namespace halcyon
