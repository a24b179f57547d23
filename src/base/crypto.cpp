#include "base/crypto.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <optional>
#include <stdexcept>

#include "base/text.h"

namespace halcyon {
namespace {

constexpr uint64_t kMaxMemory = 256ull * 1024 * 1024;

struct Cost {
  int log_n = 14;
  uint64_t r = 8, p = 1;
};

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::optional<std::string> scrypt(std::string_view password, std::string_view salt,
                                  const Cost& cost, size_t length) {
  std::string key(length, '\0');
  if (EVP_PBE_scrypt(password.data(), password.size(), bytes(salt), salt.size(),
                     uint64_t{1} << cost.log_n, cost.r, cost.p, kMaxMemory, bytes(key),
                     key.size()) != 1) {
    return std::nullopt;
  }
  return key;
}

// PHC strings use base64 without padding.
std::string unpadded_base64(std::string_view raw) {
  std::string text = base64_encode(raw);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

bool verify_phc(std::string_view password, std::string_view stored) {
  // "", "scrypt", "ln=14,r=8,p=1", salt, key
  const auto parts = split(stored, '$');
  if (parts.size() != 5) return false;
  Cost cost;
  for (std::string_view setting : split(parts[2], ',')) {
    const auto equals = setting.find('=');
    if (equals == std::string_view::npos) return false;
    const auto number = to_int64(setting.substr(equals + 1));
    if (!number || *number < 1 || *number > 32) return false;
    const auto name = setting.substr(0, equals);
    if (name == "ln") cost.log_n = static_cast<int>(*number);
    if (name == "r") cost.r = static_cast<uint64_t>(*number);
    if (name == "p") cost.p = static_cast<uint64_t>(*number);
  }
  const auto salt = base64_decode(parts[3]);
  const auto key = base64_decode(parts[4]);
  if (!salt || !key || key->size() < 16 || cost.log_n > 20) return false;
  const auto derived = scrypt(password, *salt, cost, key->size());
  return derived && constant_time_equal(*derived, *key);
}

// NocoBase: the salt's hexadecimal text is used as it stands, not decoded.
bool verify_legacy(std::string_view password, std::string_view stored) {
  constexpr size_t kSaltDigits = 16;
  if (stored.size() <= kSaltDigits) return false;
  const auto key = hex_decode(stored.substr(kSaltDigits));
  if (!key || key->size() < 16) return false;
  const auto derived = scrypt(password, stored.substr(0, kSaltDigits), Cost{}, key->size());
  return derived && constant_time_equal(*derived, *key);
}

}  // namespace

std::string random_bytes(size_t count) {
  std::string result(count, '\0');
  if (RAND_bytes(bytes(result), static_cast<int>(count)) != 1)
    throw std::runtime_error("no random bytes");
  return result;
}

std::string sha256(std::string_view input) {
  std::string digest(32, '\0');
  unsigned int length = 0;
  if (EVP_Digest(input.data(), input.size(), bytes(digest), &length, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed");
  }
  return digest;
}

std::string sha256_hex(std::string_view input) { return hex_encode(sha256(input)); }

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::string> hash_password(std::string_view password) {
  const Cost cost;
  const std::string salt = random_bytes(16);
  const auto key = scrypt(password, salt, cost, 32);
  if (!key) return fail(Code::kInternal, "HASH_FAILED", "The password could not be stored.");
  return fmt::format("$scrypt$ln={},r={},p={}${}${}", cost.log_n, cost.r, cost.p,
                     unpadded_base64(salt), unpadded_base64(*key));
}

bool verify_password(std::string_view password, std::string_view stored) {
  return stored.starts_with("$scrypt$") ? verify_phc(password, stored)
                                        : verify_legacy(password, stored);
}

}  // namespace halcyon
