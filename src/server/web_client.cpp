#include "server/web_client.h"

#include "server/health.h"

namespace halcyon::server {
namespace {

constexpr std::string_view kNoClient = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Halcyon</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f5f7fa;
  color: #1f2937; font: 16px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif; }
main { max-width: 38rem; padding: 2rem; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; font-weight: 600; }
section + section { margin-top: 2rem; }
p { margin: 0 0 .5rem; color: #4b5563; }
code { padding: 0 .3em; border-radius: 4px; background: #e5e7eb; }
@media (prefers-color-scheme: dark) {
  body { background: #111827; color: #f3f4f6; } p { color: #9ca3af; } code { background: #374151; } }
</style>
</head>
<body>
<main>
<section><h1>Halcyon is running</h1>
<p>The API answers at <code>/api/</code>; <code>/api/swagger:get</code> describes it.</p>
<p>There are no pages yet, because this server has no web client. Build the folder <code>web</code> of the
sources (<code>npm ci</code>, then <code>npm run build</code>), or set <code>WEB_ROOT</code> to the folder of a
built one, and start the server again.</p></section>
<section lang="zh-CN"><h1>Halcyon 正在运行</h1>
<p>API 地址为 <code>/api/</code>，说明见 <code>/api/swagger:get</code>。</p>
<p>此服务器没有网页客户端，因此还没有页面。请在源码的 <code>web</code> 目录中构建（<code>npm ci</code>，然后
<code>npm run build</code>），或将 <code>WEB_ROOT</code> 设为已构建客户端的目录，再重新启动服务器。</p></section>
</main>
</body>
</html>
)";

net::Response no_client(const net::Request& request) {
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (is_read && request.headers.get("Accept").find("text/html") != std::string_view::npos) {
    net::Response page = plain_text(200, std::string(kNoClient), "text/html; charset=utf-8");
    page.headers.set("Cache-Control", "no-store");
    return page;
  }
  if (!is_read || request.path != "/") return nothing_here();
  return plain_text(
      200, "Halcyon is running. The API is at /api/, its description at /api/swagger:get.\n");
}

}  // namespace

WebClient::WebClient(const std::string& root) {
  if (root.empty()) return;
  files_.emplace(root,
                 net::StaticFiles::Options{.fallback = "index.html", .immutable = "/assets/"});
}

net::Response WebClient::answer(const net::Request& request) const {
  if (!files_) return no_client(request);
  auto response = files_->serve(request);
  if (!response) return nothing_here();
  response->headers.set("Referrer-Policy", "strict-origin-when-cross-origin");
  response->headers.set("X-Frame-Options", "SAMEORIGIN");
  return *std::move(response);
}

}  // namespace halcyon::server
