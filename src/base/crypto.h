// Hashes, random bytes, passwords: thin wrappers over OpenSSL 3.
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

std::string random_bytes(size_t count);
std::string sha256(std::string_view bytes);      // 32 bytes
std::string sha256_hex(std::string_view bytes);  // 64 hexadecimal digits
bool constant_time_equal(std::string_view a, std::string_view b);

Result<std::string> hash_password(std::string_view password);
// False for a wrong password and for a stored text of unknown form.
bool verify_password(std::string_view password, std::string_view stored);

}  // namespace halcyon
