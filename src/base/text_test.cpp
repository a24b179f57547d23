#include "base/text.h"

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"

namespace halcyon {
namespace {

TEST(Text, NamesOfKeys) {
  EXPECT_EQ(to_snake("createdById"), "created_by_id");
  EXPECT_EQ(to_snake("HTTPServer"), "http_server");
  EXPECT_EQ(to_snake("f_x1"), "f_x1");
  EXPECT_EQ(to_camel("user_id"), "userId");
  for (auto [one, many] : {std::pair{"post", "posts"},
                           {"category", "categories"},
                           {"bus", "buses"},
                           {"person", "people"},
                           {"box", "boxes"}}) {
    EXPECT_EQ(to_plural(one), many);
    EXPECT_EQ(to_singular(many), one);
  }
  EXPECT_EQ(to_singular("status"), "status");
}

TEST(Text, Encodings) {
  EXPECT_EQ(base64_encode("ab"), "YWI=");
  EXPECT_EQ(base64_decode("YWI="), "ab");
  EXPECT_EQ(base64_decode("Y!"), std::nullopt);
  EXPECT_EQ(hex_decode("6162"), "ab");
  EXPECT_EQ(hex_decode("6"), std::nullopt);
  EXPECT_EQ(percent_decode("a%20b+c%zz", true), "a b c%zz");
  EXPECT_EQ(percent_encode("a b/ü"), "a%20b%2F%C3%BC");
  for (size_t n = 0; n < 40; ++n) {
    const std::string bytes = random_bytes(n);
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    EXPECT_EQ(hex_decode(hex_encode(bytes)), bytes);
  }
}

TEST(Text, Utf8) {
  EXPECT_TRUE(is_valid_utf8("aé你😀"));
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE4\xBD", "\x80"})
    EXPECT_FALSE(is_valid_utf8(bad));
}

TEST(Text, WholeNumbersOnly) {
  EXPECT_EQ(to_int64("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(to_int64("9223372036854775808"), std::nullopt);
  EXPECT_EQ(to_int64("1x"), std::nullopt);
  EXPECT_EQ(to_int64(""), std::nullopt);
}

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

TEST(Ids, Forms) {
  const std::string id = uuid_v4();
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(uuid_v4(), id);
  EXPECT_EQ(nanoid(12, "ab").find_first_not_of("ab"), std::string::npos);
  EXPECT_EQ(uid("r_").size(), 13u);
}

}  // namespace
}  // namespace halcyon
