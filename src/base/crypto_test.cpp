#include "base/crypto.h"

#include <gtest/gtest.h>

namespace halcyon {
namespace {

TEST(Crypto, KnownAnswers) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Crypto, Passwords) {
  const auto stored = hash_password("secret");
  ASSERT_TRUE(stored);
  EXPECT_TRUE(stored->starts_with("$scrypt$ln=14,r=8,p=1$"));
  EXPECT_TRUE(verify_password("secret", *stored));
  EXPECT_FALSE(verify_password("Secret", *stored));
  EXPECT_NE(*hash_password("secret"), *stored);
  for (const char* odd :
       {"", "x", "$scrypt$", "$scrypt$ln=99,r=8,p=1$AA$AA", "0123456789abcdefzz"}) {
    EXPECT_FALSE(verify_password("secret", odd)) << odd;
  }
}

}  // namespace
}  // namespace halcyon
