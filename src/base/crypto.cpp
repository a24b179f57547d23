#include "base/crypto.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>
#include <stdexcept>

#include "base/text.h"

namespace halcyon {
namespace {

constexpr uint64_t kMaxMemory = 256ull * 1024 * 1024;

constexpr int kLogN = 14, kR = 8, kP = 1;  // NocoBase's, and what new passwords get
constexpr size_t kKeySize = 32, kNonceSize = 12, kTagSize = 16;

unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

int size_of(std::string_view text) {
  if (text.size() > 1 << 30) throw std::invalid_argument("too long to encrypt");
  return static_cast<int>(text.size());
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
  int log_n = kLogN, r = kR, p = kP;
  for (std::string_view setting : split(parts[2], ',')) {
    const auto equals = setting.find('=');
    if (equals == std::string_view::npos) return false;
    const auto number = to_int64(setting.substr(equals + 1));
    if (!number || *number < 1 || *number > 32) return false;
    const auto name = setting.substr(0, equals);
    if (name == "ln") log_n = static_cast<int>(*number);
    if (name == "r") r = static_cast<int>(*number);
    if (name == "p") p = static_cast<int>(*number);
  }
  const auto salt = base64_decode(parts[3]);
  const auto key = base64_decode(parts[4]);
  if (!salt || !key || key->size() < 16) return false;
  const auto derived = scrypt(password, *salt, log_n, r, p, key->size());
  return derived && constant_time_equal(*derived, *key);
}

// NocoBase: the salt's hexadecimal text is used as it stands, not decoded.
bool verify_legacy(std::string_view password, std::string_view stored) {
  constexpr size_t kSaltDigits = 16;
  if (stored.size() <= kSaltDigits) return false;
  const auto key = hex_decode(stored.substr(kSaltDigits));
  if (!key || key->size() < 16) return false;
  const auto derived = scrypt(password, stored.substr(0, kSaltDigits), kLogN, kR, kP, key->size());
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

std::string hmac_sha256(std::string_view key, std::string_view input) {
  std::string digest(32, '\0');
  unsigned int length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(input), input.size(),
           bytes(digest), &length) == nullptr) {
    throw std::runtime_error("HMAC failed");
  }
  return digest;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::string> hash_password(std::string_view password) {
  const std::string salt = random_bytes(16);
  const auto key = scrypt(password, salt, kLogN, kR, kP, 32);
  if (!key) return fail(Code::kInternal, "HASH_FAILED", "The password could not be stored.");
  return fmt::format("$scrypt$ln={},r={},p={}${}${}", kLogN, kR, kP, unpadded_base64(salt),
                     unpadded_base64(*key));
}

bool verify_password(std::string_view password, std::string_view stored) {
  return stored.starts_with("$scrypt$") ? verify_phc(password, stored)
                                        : verify_legacy(password, stored);
}

Result<std::string> scrypt(std::string_view password, std::string_view salt, int log_n, int r,
                           int p, size_t length) {
  std::string key(length, '\0');
  if (log_n < 1 || log_n > 20 || r < 1 || p < 1 ||
      EVP_PBE_scrypt(password.data(), password.size(), bytes(salt), salt.size(),
                     uint64_t{1} << log_n, static_cast<uint64_t>(r), static_cast<uint64_t>(p),
                     kMaxMemory, bytes(key), key.size()) != 1) {
    return fail(Code::kInternal, "INVALID_HASH_COST", "The password could not be hashed.");
  }
  return key;
}

std::string encrypt(std::string_view key, std::string_view text, std::string_view context) {
  if (key.size() != kKeySize) throw std::invalid_argument("AES-256 needs a key of 32 bytes");
  const std::string nonce = random_bytes(kNonceSize);
  std::string out(text.size(), '\0'), tag(kTagSize, '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool good =
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(key), bytes(nonce)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes(context), size_of(context)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), bytes(out), &length, bytes(text), size_of(text)) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), bytes(tag), &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, tag.data()) == 1;
  if (!good) throw std::runtime_error("AES-GCM failed");
  return nonce + out + tag;
}

Result<std::string> decrypt(std::string_view key, std::string_view sealed,
                            std::string_view context) {
  if (key.size() != kKeySize) throw std::invalid_argument("AES-256 needs a key of 32 bytes");
  const auto failed = [] {
    return fail(Code::kInternal, "DECRYPTION_FAILED", "A secret could not be decrypted.");
  };
  if (sealed.size() < kNonceSize + kTagSize) return failed();
  const std::string_view nonce = sealed.substr(0, kNonceSize);
  const std::string_view text = sealed.substr(kNonceSize, sealed.size() - kNonceSize - kTagSize);
  std::string tag(sealed.substr(sealed.size() - kTagSize)), out(text.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool good =
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes(key), bytes(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes(context), size_of(context)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes(out), &length, bytes(text), size_of(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), bytes(tag), &length) == 1;
  if (!good) return failed();
  return out;
}

}  // namespace halcyon
