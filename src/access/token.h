// Tokens: JWT, HS256 only, signed with APP_KEY (reference F.2). Two kinds: sessions (with jti) and
// API keys (with roleName, no jti).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon::access {

struct Claims {
  int64_t user_id = 0;
  int64_t issued_at = 0;   // seconds since the epoch
  int64_t expires_at = 0;  // seconds since the epoch
  int64_t sign_in_ms = 0;  // sessions: when the user signed in, milliseconds
  std::string jti;         // sessions only
  std::string role_name;   // API keys only
  bool is_api_key() const { return jti.empty() && !role_name.empty(); }
};

std::string sign_token(const Claims& claims, const std::string& secret);
// Signature, algorithm and shape; the caller judges times. Error 401 INVALID_TOKEN.
Result<Claims> verify_token(const std::string& token, const std::string& secret);

// "30m", "1d", "12h", "7d", "never" (1000 years) to seconds; nullopt for anything else.
std::optional<int64_t> parse_period_seconds(std::string_view text);

}  // namespace halcyon::access
