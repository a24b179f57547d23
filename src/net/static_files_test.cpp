#include "net/static_files.h"

#include <gtest/gtest.h>

#include <fstream>

namespace halcyon::net {
namespace {

namespace fs = std::filesystem;

class StaticFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root = fs::path(::testing::TempDir()) / "halcyon-static" /
           ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root / "site" / "sub");
    write("site/index.html", "home");
    write("site/app.3f2a9c1b.js", "0123456789");
    write("site/app.3f2a9c1b.js.gz", "packed");
    write("site/sub/a b.txt", "sub");
    write("secret.txt", "secret");
    fs::create_symlink(root / "secret.txt", root / "site" / "link.txt");
    files.emplace(root / "site", StaticFiles::Options{.fallback = "index.html"});
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(root / name) << text;
  }
  std::optional<Response> get(std::string path, std::string header = "", std::string value = "") {
    Request request;
    request.method = "GET";
    request.target = std::move(path);
    request.path = request.target;
    if (!header.empty()) request.headers.add(header, value);
    return files->serve(request);
  }
  fs::path root;
  std::optional<StaticFiles> files;
};

TEST_F(StaticFilesTest, ServesFilesAndPages) {
  EXPECT_EQ(get("/")->body, "home");
  EXPECT_EQ(get("/some/page")->body, "home");
  EXPECT_EQ(get("/sub/a%20b.txt")->body, "sub");
  EXPECT_FALSE(get("/missing.js"));
  EXPECT_EQ(get("/app.3f2a9c1b.js")->headers.get("Cache-Control"),
            "public, max-age=31536000, immutable");
  EXPECT_EQ(get("/")->headers.get("Cache-Control"), "no-cache");
  EXPECT_EQ(get("/app.3f2a9c1b.js", "Accept-Encoding", "gzip")->body, "packed");
}

TEST_F(StaticFilesTest, NothingOutsideOfTheFolder) {
  for (const char* path : {"/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt",
                           "/..%2fsecret.txt", "/link.txt", "//../secret.txt"}) {
    auto response = get(path);
    EXPECT_TRUE(!response || response->body == "home") << path;
  }
}

TEST_F(StaticFilesTest, RangesAndValidators) {
  EXPECT_EQ(get("/app.3f2a9c1b.js", "Range", "bytes=2-4")->body, "234");
  EXPECT_EQ(get("/app.3f2a9c1b.js", "Range", "bytes=-3")->body, "789");
  EXPECT_EQ(get("/app.3f2a9c1b.js", "Range", "bytes=7-")->headers.get("Content-Range"),
            "bytes 7-9/10");
  EXPECT_EQ(get("/app.3f2a9c1b.js", "Range", "bytes=20-")->status, 416);
  const auto first = get("/sub/a%20b.txt");
  const auto again =
      get("/sub/a%20b.txt", "If-None-Match", std::string(first->headers.get("ETag")));
  EXPECT_EQ(again->status, 304);
  EXPECT_EQ(again->body, "");
}

}  // namespace
}  // namespace halcyon::net
