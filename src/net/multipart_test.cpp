#include "net/multipart.h"

#include <gtest/gtest.h>

namespace halcyon::net {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=XX";

TEST(Multipart, FieldsAndFiles) {
  const std::string data("a\0\r\n--X\r\nb", 11);
  const std::string body =
      "--XX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nHello\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\\\x\\\\a "
      "\\\"b\\\".bin\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\n" +
      data + "\r\n--XX\r\nContent-Disposition: form-data; name=e\r\n\r\n\r\n--XX--\r\n";
  auto parts = parse_multipart(kType, body);
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ((*parts)[0].name, "title");
  EXPECT_EQ((*parts)[0].data, "Hello");
  EXPECT_EQ((*parts)[1].filename, "a \"b\".bin");
  EXPECT_EQ((*parts)[1].content_type, "application/octet-stream");
  EXPECT_EQ((*parts)[1].data, data);
  EXPECT_EQ((*parts)[2].name, "e");
  EXPECT_EQ((*parts)[2].data, "");
}

TEST(Multipart, BrokenBodiesAreErrors) {
  const std::string good =
      "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nHello\r\n--XX--";
  ASSERT_TRUE(parse_multipart(kType, good));
  for (size_t length = 0; length + 2 < good.size(); ++length) {
    EXPECT_FALSE(parse_multipart(kType, good.substr(0, length))) << length;
  }
  EXPECT_FALSE(parse_multipart("multipart/form-data", good));
  EXPECT_FALSE(parse_multipart("text/plain; boundary=XX", good));
  EXPECT_FALSE(parse_multipart(kType, "--XX\r\n\r\nx\r\n--XX--"));
}

}  // namespace
}  // namespace halcyon::net
