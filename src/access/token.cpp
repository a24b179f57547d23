#include "access/token.h"

#include <jwt.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "base/text.h"

namespace halcyon::access {
namespace {

struct FreeJwt {
  void operator()(jwt_t* jwt) const { jwt_free(jwt); }
};
using Jwt = std::unique_ptr<jwt_t, FreeJwt>;

std::string text_grant(jwt_t* jwt, const char* name) {
  const char* value = jwt_get_grant(jwt, name);
  return value == nullptr ? "" : value;
}

const unsigned char* bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string sign_token(const Claims& claims, const std::string& secret) {
  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) throw std::bad_alloc();
  Jwt jwt(raw);
  jwt_add_grant_int(raw, "userId", claims.user_id);
  if (claims.is_api_key()) {
    jwt_add_grant(raw, "roleName", claims.role_name.c_str());
  } else {
    jwt_add_grant_bool(raw, "temp", 1);
    jwt_add_grant_int(raw, "signInTime", claims.sign_in_ms);
    jwt_add_grant(raw, "jti", claims.jti.c_str());
  }
  jwt_add_grant_int(raw, "iat", claims.issued_at);
  jwt_add_grant_int(raw, "exp", claims.expires_at);
  if (jwt_set_alg(raw, JWT_ALG_HS256, bytes(secret), static_cast<int>(secret.size())) != 0) {
    throw std::runtime_error("the token secret cannot be used");
  }
  char* text = jwt_encode_str(raw);
  if (text == nullptr) throw std::runtime_error("the token cannot be signed");
  std::string token(text);
  std::free(text);
  return token;
}

Result<Claims> verify_token(const std::string& token, const std::string& secret) {
  jwt_t* raw = nullptr;
  const int failed =
      jwt_decode(&raw, token.c_str(), bytes(secret), static_cast<int>(secret.size()));
  Jwt jwt(raw);
  // The algorithm is ours to choose, not the token's.
  if (failed != 0 || jwt_get_alg(raw) != JWT_ALG_HS256) {
    return fail(Code::kUnauthenticated, "INVALID_TOKEN",
                "Your session is not valid. Please sign in again.");
  }
  Claims claims;
  claims.user_id = jwt_get_grant_int(raw, "userId");
  claims.issued_at = jwt_get_grant_int(raw, "iat");
  claims.expires_at = jwt_get_grant_int(raw, "exp");
  claims.sign_in_ms = jwt_get_grant_int(raw, "signInTime");
  claims.jti = text_grant(raw, "jti");
  claims.role_name = text_grant(raw, "roleName");
  if (claims.user_id == 0 || (claims.jti.empty() && claims.role_name.empty())) {
    return fail(Code::kUnauthenticated, "INVALID_TOKEN",
                "Your session is not valid. Please sign in again.");
  }
  return claims;
}

std::optional<int64_t> parse_period_seconds(std::string_view text) {
  if (text == "never") return int64_t{1000} * 365 * 24 * 3600;
  if (text.size() < 2) return std::nullopt;
  const auto number = to_int64(text.substr(0, text.size() - 1));
  if (!number || *number < 0 || *number > 1'000'000) return std::nullopt;
  switch (text.back()) {
    case 's':
      return *number;
    case 'm':
      return *number * 60;
    case 'h':
      return *number * 3600;
    case 'd':
      return *number * 24 * 3600;
    case 'w':
      return *number * 7 * 24 * 3600;
    case 'y':
      return *number * 365 * 24 * 3600;
    default:
      return std::nullopt;
  }
}

}  // namespace halcyon::access
