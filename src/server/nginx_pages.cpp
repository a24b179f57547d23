#include "server/nginx_conf.h"

namespace halcyon::server {

// Stands in the configuration between single quotes: no single quote, no $ and no backslash, and
// less than nginx's 4096 bytes for one word.
std::string_view maintenance_page() {
  return R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>Back soon / 稍后恢复</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f5f7fa;
  color: #1f2937; font: 16px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif; }
main { max-width: 34rem; padding: 2rem; text-align: center; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; font-weight: 600; }
section + section { margin-top: 2rem; }
p { margin: 0; color: #4b5563; }
@media (prefers-color-scheme: dark) { body { background: #111827; color: #f3f4f6; } p { color: #9ca3af; } }
</style>
</head>
<body>
<main>
<section><h1>Back soon</h1>
<p>The service does not answer right now. This page tries again by itself every ten seconds.</p></section>
<section lang="zh-CN"><h1>稍后恢复</h1>
<p>服务暂时没有响应。本页面每十秒自动重试一次。</p></section>
</main>
</body>
</html>
)";
}

}  // namespace halcyon::server
