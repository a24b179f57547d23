#include "base/ids.h"

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

std::string request_id() { return hex_encode(random_bytes(8)); }

}  // namespace halcyon
