// Hashes, random bytes, passwords, encrypted secrets: thin wrappers over OpenSSL 3. Safe from any
// thread.
//
//   TRY(std::string stored, hash_password("secret"));      // tens of ms: never on an io thread
//   bool right = verify_password("secret", stored);        // the same
//
// Passwords are stored in PHC form, $scrypt$ln=14,r=8,p=1$salt$key. NocoBase's stored form (hex of
// a 16 character salt and a derived key) is verified too, so that its users keep their passwords.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon {

std::string random_bytes(size_t count);          // from OpenSSL's generator, seeded by the kernel
std::string sha256(std::string_view bytes);      // 32 bytes
std::string sha256_hex(std::string_view bytes);  // 64 hexadecimal digits
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 bytes
bool constant_time_equal(std::string_view a, std::string_view b);

Result<std::string> hash_password(std::string_view password);
// False for a wrong password and for a stored text of unknown form.
bool verify_password(std::string_view password, std::string_view stored);

// scrypt (RFC 7914) with 2^log_n rounds, at most 256 MB. Error INVALID_HASH_COST.
Result<std::string> scrypt(std::string_view password, std::string_view salt, int log_n, int r,
                           int p, size_t length);

// AES-256-GCM: nonce (12 bytes, random), ciphertext, tag (16 bytes). `context` is not encrypted but
// must be the same to decrypt: put in what the secret belongs to, so that it cannot be moved.
// `key` has 32 bytes; anything else is a programmer's error.
std::string encrypt(std::string_view key, std::string_view text, std::string_view context = "");
// Error DECRYPTION_FAILED: another key or context, or the bytes were changed.
Result<std::string> decrypt(std::string_view key, std::string_view sealed,
                            std::string_view context = "");

}  // namespace halcyon
