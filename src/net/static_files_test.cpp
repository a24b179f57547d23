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
    fs::create_directories(root / "site" / "assets");
    write("site/index.html", "home");
    write("site/assets/app-BX3k9aQz.js", "0123456789");
    write("site/assets/app-BX3k9aQz.js.gz", "packed");
    write("site/assets/app-BX3k9aQz.js.br", "tight");
    write("site/sub/a b.txt", "sub");
    write("site/screenshot2024.png", "png");
    write("site/.env", "secret");
    write("secret.txt", "secret");
    write("secret.br", "secret");
    write("site/page.css", "css");
    fs::create_symlink(root / "secret.txt", root / "site" / "link.txt");
    fs::create_symlink(root / "secret.br", root / "site" / "page.css.br");
    files.emplace(root / "site",
                  StaticFiles::Options{.fallback = "index.html", .immutable = "/assets/"});
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(root / name) << text;
  }
  using Given = std::vector<std::pair<std::string, std::string>>;
  std::optional<Response> get(std::string path, const Given& headers = {},
                              std::string method = "GET") {
    Request request;
    request.method = std::move(method);
    request.target = std::move(path);
    request.path = request.target;
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    return files->serve(request);
  }
  fs::path root;
  std::optional<StaticFiles> files;
};

const std::string kApp = "/assets/app-BX3k9aQz.js";

TEST_F(StaticFilesTest, ServesFiles) {
  EXPECT_EQ(get("/")->body, "home");
  EXPECT_EQ(get("/sub/a%20b.txt")->body, "sub");
  EXPECT_EQ(get("/", {}, "HEAD")->status, 200);
  EXPECT_FALSE(get("/", {}, "POST"));
}

TEST_F(StaticFilesTest, AddressesOfPagesGetTheClient) {
  EXPECT_EQ(get("/some/page")->body, "home");
  EXPECT_EQ(get("/some/page/")->body, "home");
  EXPECT_EQ(get("/users/jo@example.com", {{"Accept", "text/html,*/*"}})->body, "home");
  EXPECT_FALSE(get("/missing.js", {{"Accept", "*/*"}}));
  EXPECT_FALSE(get("/assets/old-BX3k9aQz", {{"Accept", "text/html"}}));
}

TEST_F(StaticFilesTest, OnlyNamesWithAHashAreCachedForEver) {
  EXPECT_EQ(get(kApp)->headers.get("Cache-Control"), "public, max-age=31536000, immutable");
  for (const char* path : {"/", "/index.html", "/some/page", "/screenshot2024.png"})
    EXPECT_EQ(get(path)->headers.get("Cache-Control"), "no-cache") << path;
}

TEST_F(StaticFilesTest, SendsWhatIsPackedAlready) {
  const auto accepting = [&](const char* encodings) {
    return *get(kApp, {{"Accept-Encoding", encodings}});
  };
  const Response brotli = accepting("gzip, deflate, br");
  EXPECT_EQ(brotli.body, "tight");
  EXPECT_EQ(brotli.headers.get("Content-Encoding"), "br");
  EXPECT_EQ(brotli.headers.get("Vary"), "Accept-Encoding");
  EXPECT_EQ(brotli.headers.get("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_FALSE(brotli.compressible);
  EXPECT_EQ(accepting("gzip").body, "packed");
  EXPECT_EQ(accepting("gzip").headers.get("Content-Encoding"), "gzip");
  EXPECT_EQ(accepting("gzip;q=1, br;q=0").body, "packed");
  EXPECT_EQ(accepting("identity").body, "0123456789");
  EXPECT_EQ(accepting("identity").headers.get("Vary"), "Accept-Encoding");
  EXPECT_NE(accepting("br").headers.get("ETag"), accepting("gzip").headers.get("ETag"));
  EXPECT_FALSE(get("/")->headers.has("Vary"));
}

TEST_F(StaticFilesTest, NothingOutsideOfTheFolder) {
  for (const char* path :
       {"/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/..%2fsecret.txt",
        "/link.txt", "//../secret.txt", "/.env", "/%2eenv", "/sub/%2e%2e%2f.env", "/sub/..%5c.env",
        "/%00/../secret.txt", "/....//secret.txt"}) {
    const auto response = get(path, {{"Accept", "text/html"}});
    EXPECT_TRUE(!response || response->body == "home") << path;
  }
  EXPECT_EQ(get("/page.css", {{"Accept-Encoding", "br"}})->body, "css");
}

TEST_F(StaticFilesTest, TagsTellTheContentApart) {
  const auto tag = [&] { return std::string(get("/")->headers.get("ETag")); };
  const std::string first = tag();
  EXPECT_EQ(get("/", {{"If-None-Match", first}})->status, 304);
  EXPECT_EQ(get("/", {{"If-None-Match", "\"x\", W/" + first}})->status, 304);
  EXPECT_EQ(get("/", {{"If-None-Match", first}})->body, "");
  EXPECT_EQ(get("/", {{"If-None-Match", "\"x\""}})->status, 200);
  // Another version of the same size and time, as reproducible builds make them.
  const auto time = fs::last_write_time(root / "site" / "index.html");
  write("site/new", "HOME");
  fs::last_write_time(root / "site" / "new", time);
  fs::rename(root / "site" / "new", root / "site" / "index.html");
  EXPECT_NE(tag(), first);
  EXPECT_EQ(get("/", {{"If-None-Match", first}})->body, "HOME");
  // The same content at another time, as on another replica.
  fs::last_write_time(root / "site" / "index.html", time + std::chrono::hours(1));
  EXPECT_EQ(get("/", {{"If-None-Match", tag()}})->status, 304);
}

TEST_F(StaticFilesTest, Ranges) {
  const auto part = [&](const char* range) { return *get(kApp, {{"Range", range}}); };
  EXPECT_EQ(part("bytes=2-4").body, "234");
  EXPECT_EQ(part("bytes=-3").body, "789");
  EXPECT_EQ(part("bytes=7-").headers.get("Content-Range"), "bytes 7-9/10");
  EXPECT_EQ(part("bytes=20-").status, 416);
  const std::string tag(get(kApp)->headers.get("ETag"));
  EXPECT_EQ(get(kApp, {{"Range", "bytes=2-4"}, {"If-Range", tag}})->body, "234");
  EXPECT_EQ(get(kApp, {{"Range", "bytes=2-4"}, {"If-Range", "\"old\""}})->body, "0123456789");
}

}  // namespace
}  // namespace halcyon::net
