#include "base/networks.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace halcyon {
namespace {

constexpr int kV4Prefix = 96;  // bits before an IPv4 address in its IPv6 form

bool matches(const IpAddress& a, const IpAddress& b, int bits) {
  const auto whole = static_cast<size_t>(bits / 8);
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || (a[whole] >> (8 - rest)) == (b[whole] >> (8 - rest));
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string copy(text);
  IpAddress address{};
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  if (inet_pton(AF_INET6, copy.c_str(), address.data()) == 1) return address;
  std::array<uint8_t, 4> v4{};
  if (inet_pton(AF_INET, copy.c_str(), v4.data()) != 1) return std::nullopt;
  address[10] = address[11] = 0xff;
  std::ranges::copy(v4, address.begin() + 12);
  return address;
}

std::string to_text(const IpAddress& address) {
  constexpr IpAddress kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_v4 = std::equal(address.begin(), address.begin() + 12, kMapped.begin());
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4 ? AF_INET : AF_INET6, address.data() + (is_v4 ? 12 : 0), text.data(),
            text.size());
  return text.data();
}

Result<Networks> Networks::parse(std::span<const std::string> entries) {
  Networks networks;
  for (const std::string& entry : entries) {
    const std::string_view text = trim(entry);
    const size_t slash = text.find('/');
    const std::string_view host = text.substr(0, slash);
    const auto address = parse_ip(host);
    const int most = host.find(':') == std::string_view::npos ? 32 : 128;
    const auto bits = slash == std::string_view::npos ? most : to_int64(text.substr(slash + 1));
    if (!address || !bits || *bits < 0 || *bits > most) {
      return invalid("INVALID_CONFIG",
                     fmt::format("\"{}\" is not an address or a network such as 10.0.0.0/8", text));
    }
    networks.entries_.push_back({*address, static_cast<int>(*bits) + (most == 32 ? kV4Prefix : 0)});
  }
  return networks;
}

Result<Networks> Networks::parse_with_words(std::span<const std::string> entries) {
  std::vector<std::string> all;
  for (const std::string& entry : entries) {
    const std::string_view word = trim(entry);
    if (word == "none") continue;
    if (word == "loopback") {
      all.insert(all.end(), {"127.0.0.0/8", "::1"});
    } else if (word == "private") {
      all.insert(all.end(), {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
                             "fc00::/7", "fe80::/10"});
    } else {
      all.emplace_back(word);
    }
  }
  return parse(all);
}

bool Networks::contains(std::string_view address) const {
  const auto ip = parse_ip(address);
  return ip && contains(*ip);
}

bool Networks::contains(const IpAddress& address) const {
  return std::ranges::any_of(
      entries_, [&](const Entry& entry) { return matches(address, entry.address, entry.bits); });
}

}  // namespace halcyon
