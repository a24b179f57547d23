#include "base/ids.h"

#include <cstring>
#include <random>

#include "base/crypto.h"
#include "base/text.h"

namespace halcyon {

std::string uuid_v4() {
  std::string raw = random_bytes(16);
  raw[6] = static_cast<char>((raw[6] & 0x0F) | 0x40);
  raw[8] = static_cast<char>((raw[8] & 0x3F) | 0x80);
  std::string text = hex_encode(raw);
  for (size_t at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
  return text;
}

std::string nanoid(size_t size, std::string_view alphabet) {
  // Values above the largest multiple of the alphabet's size would favour its first letters.
  const size_t fair = 256 - 256 % alphabet.size();
  std::string id;
  while (id.size() < size) {
    for (char c : random_bytes(size)) {
      const size_t value = static_cast<unsigned char>(c);
      if (value < fair && id.size() < size) id += alphabet[value % alphabet.size()];
    }
  }
  return id;
}

std::string uid(std::string_view prefix) {
  return std::string(prefix) + nanoid(11, "abcdefghijklmnopqrstuvwxyz0123456789");
}

// Unique enough to find a request in the log; not a secret, so a fast generator does.
std::string request_id() {
  thread_local std::mt19937_64 random = [] {
    const std::string seed = random_bytes(8);
    uint64_t value = 0;
    std::memcpy(&value, seed.data(), sizeof value);
    return std::mt19937_64(value);
  }();
  const uint64_t value = random();
  return hex_encode({reinterpret_cast<const char*>(&value), sizeof value});
}

}  // namespace halcyon
