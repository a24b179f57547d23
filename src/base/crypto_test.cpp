#include "base/crypto.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/text.h"

namespace halcyon {
namespace {

TEST(Crypto, KnownAnswers) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Crypto, HmacOfRfc4231) {
  EXPECT_EQ(hex_encode(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Crypto, ScryptOfRfc7914) {
  EXPECT_EQ(hex_encode(*scrypt("", "", 4, 1, 1, 64)),
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
            "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
  EXPECT_EQ(hex_encode(*scrypt("password", "NaCl", 10, 8, 16, 64)),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
  EXPECT_EQ(hex_encode(*scrypt("pleaseletmein", "SodiumChloride", 14, 8, 1, 64)),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
            "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
  EXPECT_FALSE(scrypt("x", "y", 20, 32, 1, 64));  // 4 GB
  EXPECT_FALSE(scrypt("x", "y", 0, 8, 1, 64));
}

TEST(Crypto, PasswordsStoredByNocoBase) {
  // hex(8 random bytes), used as text, then 24 bytes of scrypt with node's defaults.
  const std::string stored = "0123456789abcdefef463267ba5d15cd06568ce3c0261025c05e1edc7aa7fdae";
  EXPECT_EQ(stored.size(), 64u);
  EXPECT_TRUE(verify_password("admin123", stored));
  EXPECT_FALSE(verify_password("admin124", stored));
  EXPECT_FALSE(verify_password("admin123", stored.substr(0, 30)));
}

TEST(Crypto, SecretsAreSealedToKeyAndContext) {
  const std::string key = sha256("key");
  for (const std::string& text : {std::string(), std::string("secret"), random_bytes(1000)}) {
    std::string sealed = encrypt(key, text, "storages/1");
    EXPECT_NE(encrypt(key, text, "storages/1"), sealed);
    EXPECT_EQ(*decrypt(key, sealed, "storages/1"), text);
    EXPECT_FALSE(decrypt(key, sealed, "storages/2"));
    EXPECT_FALSE(decrypt(sha256("other"), sealed, "storages/1"));
    EXPECT_FALSE(decrypt(key, sealed.substr(0, sealed.size() - 1), "storages/1"));
    for (size_t i = 0; i < sealed.size(); i += 7) {
      sealed[i] = static_cast<char>(sealed[i] ^ 1);
      EXPECT_FALSE(decrypt(key, sealed, "storages/1")) << i;
      sealed[i] = static_cast<char>(sealed[i] ^ 1);
    }
  }
  EXPECT_EQ(decrypt(key, "short").error().id, "DECRYPTION_FAILED");
  EXPECT_THROW(encrypt("short", "x"), std::invalid_argument);
}

TEST(Crypto, ComparesWithoutShortCuts) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal("abc", "abc"));
  EXPECT_FALSE(constant_time_equal("abc", "abd"));
  EXPECT_FALSE(constant_time_equal("abc", "ab"));
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
