#include "server/nginx_conf.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/nginx_text.h"
#include "server/self_signed.h"

namespace halcyon::server {
namespace {

// What an option says must not become another directive.
TEST(NginxConf, RefusesWhatNginxWouldMisread) {
  const auto refused = [](auto change) {
    NginxOptions options;
    change(options);
    const auto text = nginx_conf(options);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().id, "INVALID_CONFIG");
  };
  refused([](NginxOptions& o) { o.upstreams = {}; });
  refused([](NginxOptions& o) { o.upstreams = {"host"}; });
  refused([](NginxOptions& o) { o.upstreams = {"host:0"}; });
  refused([](NginxOptions& o) { o.upstreams = {"a;b:80"}; });
  refused([](NginxOptions& o) { o.listen = {"80; root /"}; });
  refused([](NginxOptions& o) { o.listen = {"localhost;:80"}; });
  refused([](NginxOptions& o) { o.redirect = {"80"}; });  // without TLS
  refused([](NginxOptions& o) { o.server_names = {"a b"}; });
  refused([](NginxOptions& o) { o.server_names = {"$host"}; });
  refused([](NginxOptions& o) { o.tls_cert = "/cert.pem"; });
  refused([](NginxOptions& o) { o.web_root = "/srv/\"; }"; });
  refused([](NginxOptions& o) { o.web_root = "/srv/$host"; });
  refused([](NginxOptions& o) { o.api_path = "/api/ {"; });
  refused([](NginxOptions& o) { o.ws_path = "ws"; });
  refused([](NginxOptions& o) { o.trusted_proxies = {"everybody"}; });
  EXPECT_TRUE(nginx_conf({}));
}

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(NginxConf, HasALineForEveryTry) {
  NginxOptions options;
  options.tries = 5;
  options.upstreams = {"10.0.0.1:13000"};
  EXPECT_EQ(count_of(nginx_conf(options).value(), "server 10.0.0.1:13000 max_fails=0;"), 5U);
  options.upstreams.emplace_back("10.0.0.2:13000");
  const std::string two = nginx_conf(options).value();
  // Left out after failures, but not when that leaves nobody.
  EXPECT_NE(two.find("server 10.0.0.1:13000 max_fails=3 fail_timeout=2s;"), std::string::npos);
  EXPECT_EQ(count_of(two, " max_fails=0 backup;"), 6U);
  options.tries = 0;
  const std::string all = nginx_conf(options).value();
  EXPECT_EQ(count_of(all, " max_fails=0 backup;"), 2U);
  EXPECT_EQ(count_of(all, "proxy_next_upstream_tries 2;"), 1U);
}

TEST(NginxText, FillsNamesAndBlocks) {
  EXPECT_EQ(
      fill("a <<x>> b\n  <<y>>\n<<none>>\nc\n", {{"x", "1"}, {"y", "\np\n\n  q\n"}, {"none", ""}}),
      "a 1 b\n  p\n\n    q\nc\n");
  EXPECT_THROW(fill("<<unknown>>", {}), std::out_of_range);
}

TEST(MaintenancePage, FitsBetweenTheQuotesOfOneWord) {
  EXPECT_LT(maintenance_page().size(), 3500u);  // nginx takes 4096 bytes, and it gets indented
  EXPECT_EQ(maintenance_page().find_first_of("'$\\"), std::string_view::npos);
}

TEST(SelfSigned, IsMadeOnceAndItsKeyIsPrivate) {
  std::string folder = ::testing::TempDir() + "tls-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto read = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const TlsFiles files = self_signed(folder + "/made", {"halcyon.example"}).value();
  const std::string first = read(files.cert);
  EXPECT_TRUE(first.starts_with("-----BEGIN CERTIFICATE-----"));
  EXPECT_EQ(std::filesystem::status(files.key).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(self_signed(folder + "/made", {"other.example"}).value().cert, files.cert);
  EXPECT_EQ(read(files.cert), first);
  EXPECT_FALSE(self_signed("/proc/none", {}));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace halcyon::server
