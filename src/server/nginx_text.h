// The fixed parts of the nginx configuration, with <<names>> for what options decide. A line that
// holds nothing but a name takes a text of many lines, indented as the name is; an empty text takes
// the line away.
//
//   std::string text = fill("listen <<port>>;\n", {{"port", "80"}});
//
// Pure text. Only for nginx_conf.cpp.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace halcyon::server {

std::string fill(std::string_view text,
                 const std::map<std::string, std::string, std::less<>>& values);

// Around everything else, unless only the http part is asked for.
inline constexpr std::string_view kNginxMain = R"conf(
# Standing alone: nginx -c this-file (nginx 1.22 or later).
<<daemon>>
<<user>>
worker_processes auto;
worker_rlimit_nofile 65536;
pid <<pid>>;
error_log <<error_log>> warn;
# After a reload the old worker processes end what they are at, WebSockets included, but not later.
worker_shutdown_timeout <<shutdown>>s;

events {
    worker_connections 16384;
}

http {
    default_type application/octet-stream;
    types {
        <<types>>
    }
    sendfile on;
    tcp_nopush on;
    server_names_hash_bucket_size 128;
    <<temp_paths>>

    <<site>>
}
)conf";

inline constexpr std::string_view kNginxUpstream = R"conf(
# ---- The replicas -----------------------------------------------------------------------------
upstream halcyon {
    # Shared by the worker processes: one count of connections and failures for all of them.
    zone halcyon 256k;
    # Requests differ in cost: the next one goes to the replica with the fewest at work.
    least_conn;
    # A replica that failed so often within fail_timeout gets nothing for that time, then one
    # request as a trial. Short, because a replica that restarts is back in a second.
    <<servers>>
    # Connections to the replicas are kept, for less time than the replicas keep them
    # (HTTP_IDLE_TIMEOUT, 75 s): else a request could meet a connection that is just being closed.
    keepalive <<keepalive>>;
    keepalive_timeout 60s;
    keepalive_requests 100000;
}

# ---- Variables --------------------------------------------------------------------------------
# "Connection: upgrade" for WebSockets only.
map $http_upgrade $halcyon_connection {
    default upgrade;
    ""      "";
}
# The host as the client wrote it, with its port.
map $http_host $halcyon_host {
    default $http_host;
    ""      $host;
}
# The path without the query, which may hold a token: for the log.
map $request_uri $halcyon_path {
    default         $uri;
    "~^(?<p>[^?]*)" $p;
}
<<proto>>
<<page_map>>
<<limits>>

# ---- Log: one JSON object a line ----------------------------------------------------------------
# Lists such as "10.0.0.1:13000, 10.0.0.2:13000" in upstream, upstreamStatus and upstreamSeconds
# tell of a request that was tried again elsewhere.
log_format halcyon escape=json
    '{"time":"$time_iso8601","requestId":"$request_id","client":"$remote_addr",'
    '"peer":"$realip_remote_addr","method":"$request_method","host":"$host",'
    '"path":"$halcyon_path","protocol":"$server_protocol","tls":"$ssl_protocol",'
    '"status":$status,"bytes":$bytes_sent,"requestBytes":$request_length,'
    '"seconds":$request_time,"upstream":"$upstream_addr","upstreamStatus":"$upstream_status",'
    '"upstreamSeconds":"$upstream_response_time","connectSeconds":"$upstream_connect_time",'
    '"limited":"$limit_req_status","userAgent":"$http_user_agent"}';
)conf";

inline constexpr std::string_view kNginxPageMap = R"conf(
# Where the web client's own addresses lead: pages that a browser asks for by name, not files.
map "$request_method $uri $http_accept" $halcyon_page {
    default                                      /.none;
    "~^(?:GET|HEAD) / "                           /index.html;
    "~^(?:GET|HEAD) .*/[^/.]* [^/]*\btext/html\b" /index.html;
}
)conf";

inline constexpr std::string_view kNginxLimits = R"conf(
# ---- Limits of requests for each client ---------------------------------------------------------
# An IPv6 client has a network of 2^64 addresses to choose from: it counts as one.
map $remote_addr $halcyon_client {
    default                            $remote_addr;
    "~^(?<n>(?:[0-9a-f]{1,4}:){4})[0-9a-f]" $n;
}
<<sign_in_map>>
<<zones>>
)conf";

// In front of all servers when names are given: a request for another name reaches nothing, and no
// change of the servers below can make one of them the default by accident.
inline constexpr std::string_view kNginxDefault = R"conf(
# ---- Requests for other names -------------------------------------------------------------------
server {
    <<listen>>
    server_name _;
    <<reject>>
    access_log off;
    return 444;
}
)conf";

inline constexpr std::string_view kNginxRedirect = R"conf(
# ---- http -> https ------------------------------------------------------------------------------
server {
    <<listen>>
    server_name <<names>>;
    access_log <<access_log>> halcyon buffer=32k flush=1s;
    server_tokens off;
    <<acme>>
    location / {
        # 308 and not 301: the method and the body stay.
        return 308 https://$host<<port>>$request_uri;
    }
}
)conf";

inline constexpr std::string_view kNginxTls = R"conf(
ssl_certificate "<<cert>>";
ssl_certificate_key "<<key>>";
)conf";

inline constexpr std::string_view kNginxTlsRules = R"conf(
ssl_protocols TLSv1.2 TLSv1.3;
# For TLS 1.2; all of these have forward secrecy, and the client knows what it does fastest.
ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
ssl_prefer_server_ciphers off;
ssl_session_cache shared:halcyon_tls:10m;
ssl_session_timeout 1d;
# Tickets would need a key that is changed daily and is the same on every nginx.
ssl_session_tickets off;
)conf";

inline constexpr std::string_view kNginxServer = R"conf(
# ---- Halcyon ------------------------------------------------------------------------------------
server {
    <<listen>>
    server_name <<names>>;
    server_tokens off;
    access_log <<access_log>> halcyon buffer=32k flush=1s;
    <<real_ip>>
    <<tls>>
    <<hsts>>

    # The same as REQUEST_BODY_LIMIT of the replicas.
    client_max_body_size <<body_limit>>;
    client_body_buffer_size 128k;
    client_header_timeout 15s;
    client_body_timeout 60s;
    send_timeout 60s;
    # As HTTP_HEADER_LIMIT: filters in the address may be long.
    large_client_header_buffers 4 16k;
    reset_timedout_connection on;

    # -- How requests reach the replicas, in all locations below
    proxy_http_version 1.1;
    <<proxy_headers>>
    proxy_set_header Connection "";
    proxy_redirect off;
    # The body is read whole before a replica is asked, so that another one can be asked when the
    # first dies. Answers are taken off the replica's hands at once; one that must flow (events)
    # says "X-Accel-Buffering: no".
    proxy_request_buffering on;
    proxy_buffering on;
    proxy_buffer_size 16k;
    proxy_buffers 16 16k;
    proxy_busy_buffers_size 64k;
    proxy_connect_timeout <<connect>>s;
    proxy_send_timeout 60s;
    # More than HTTP_REQUEST_TIMEOUT, in which a request may wait for the database to fail over.
    proxy_read_timeout <<read>>s;
    # A request whose replica died, or said that it did not do it (503), goes to another one. That is
    # right for POST too: every try carries the same X-Request-Id (above), by which the replicas know
    # a write that was done already and answer as they did then. A replica that has not answered after
    # proxy_read_timeout hangs, since it gives up itself before: the request goes to one other, not
    # to all of them in turn.
    proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent;
    proxy_next_upstream_tries <<tries>>;
    proxy_next_upstream_timeout <<next>>s;

    # -- What nginx answers when no replica does
    error_page 502 504 = @halcyon_down_page;

    location ^~ <<api_path>> {
        <<api_limits>>
        error_page 502 = @halcyon_down;
        error_page 504 = @halcyon_late;
        error_page 413 = @halcyon_too_large;
        error_page 429 = @halcyon_too_many;
        proxy_pass http://halcyon;
    }

    location = <<ws_path>> {
        <<ws_limits>>
        <<proxy_headers>>
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $halcyon_connection;
        # The replicas send a ping every 30 s; what is silent for longer is dead.
        proxy_read_timeout 90s;
        proxy_send_timeout 90s;
        proxy_pass http://halcyon;
    }

    <<acme>>
    <<web>>

    # -- The answers of nginx itself
    location @halcyon_down {
        internal;
        default_type "application/json; charset=utf-8";
        add_header Retry-After 2 always;
        add_header X-Request-Id $request_id always;
        add_header Cache-Control no-store always;
        <<hsts>>
        return 503 '{"errors":[{"code":"NO_SERVER","message":"No server answers right now. Try again, with the same Idempotency-Key if something is to be written."}]}';
    }
    location @halcyon_late {
        internal;
        default_type "application/json; charset=utf-8";
        add_header X-Request-Id $request_id always;
        add_header Cache-Control no-store always;
        <<hsts>>
        return 504 '{"errors":[{"code":"SERVER_TIMEOUT","message":"No server answered in time. It may still be done; try again with the same Idempotency-Key."}]}';
    }
    location @halcyon_too_large {
        internal;
        default_type "application/json; charset=utf-8";
        <<hsts>>
        return 413 '{"errors":[{"code":"BODY_TOO_LARGE","message":"The request body is too large."}]}';
    }
    location @halcyon_too_many {
        internal;
        default_type "application/json; charset=utf-8";
        add_header Retry-After 1 always;
        <<hsts>>
        return 429 '{"errors":[{"code":"TOO_MANY_REQUESTS","message":"Too many requests. Try again a little later."}]}';
    }
    location @halcyon_down_page {
        internal;
        default_type "text/html; charset=utf-8";
        add_header Retry-After 10 always;
        add_header Cache-Control no-store always;
        <<hsts>>
        return 503 '<<page>>';
    }
}
)conf";

// One list, used by /ws as well: a location with a proxy_set_header of its own inherits none.
inline constexpr std::string_view kNginxProxyHeaders = R"conf(
proxy_set_header Host $halcyon_host;
# Made here and the same on every try; what a client sends under this name is dropped. A client's
# own Idempotency-Key passes.
proxy_set_header X-Request-Id $request_id;
# Set, not appended to: what a client says about itself is not passed on.
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $halcyon_proto;
proxy_set_header X-Forwarded-Host $halcyon_host;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header Forwarded "";
)conf";

inline constexpr std::string_view kNginxStatic = R"conf(
# -- The web client
root "<<root>>";
# Names in assets/ hold a hash of the content, so they never change. What is not here belongs to
# another version: a replica may have it.
location ^~ /assets/ {
    gzip_static on;
    charset utf-8;
    etag on;
    add_header Cache-Control "public, max-age=31536000, immutable";
    <<safe>>
    try_files $uri @halcyon_other;
}
location / {
    # app.js.gz is sent instead of app.js to whoever takes gzip.
    gzip_static on;
    gzip on;
    gzip_types text/css text/plain text/javascript application/javascript application/json image/svg+xml;
    gzip_vary on;
    charset utf-8;
    etag on;
    # Asked each time whether it changed, above all index.html: it names the assets.
    add_header Cache-Control no-cache;
    <<safe>>
    try_files $uri $halcyon_page @halcyon_other;
}
# Files of tools, not of the client.
location ~ /\. {
    return 404;
}
location @halcyon_other {
    proxy_pass http://halcyon;
}
)conf";

inline constexpr std::string_view kNginxNoStatic = R"conf(
location / {
    proxy_pass http://halcyon;
}
)conf";

}  // namespace halcyon::server
