#include "api/dispatcher.h"

#include <fmt/format.h>

#include "api/params.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "json/writer.h"
#include "net/query.h"

namespace halcyon::api {
namespace {

constexpr size_t kLongestKey = 255;
constexpr std::string_view kHealthCheck = "__health_check";

void write_error(json::Writer& out, const Error& error) {
  out.begin_object();
  out.key("code");
  out.string(error.id);
  out.key("message");
  out.string(error.message);
  if (!error.field.empty()) {
    out.key("field");
    out.string(error.field);
  }
  if (!error.expected.empty()) {
    out.key("expected");
    out.string(error.expected);
  }
  out.end_object();
}

std::string_view path_of(const net::Request& request) { return request.path; }

void add_meta(json::Object& sum, std::string_view name, json::Value value) {
  sum[name] = std::move(value);
}

// Keys of the answer's records that the caller may view, update and destroy (X-With-ACL-Meta).
void add_acl_meta(const Call& call, Reply& reply) {
  const schema::Collection* collection = call.target.collection;
  if (collection == nullptr || collection->filter_target_key.size() != 1) return;
  auto data = json::parse(reply.data);
  if (!data) return;
  json::Array keys;
  auto collect = [&](const json::Value& row) {
    if (!row.is_object()) return;
    if (const auto* key = json::find(row.get_object(), collection->filter_target_key[0]))
      keys.push_back(*key);
  };
  if (data->is_array()) {
    for (const auto& row : data->get_array()) collect(row);
  } else {
    collect(*data);
  }
  json::Object allowed;
  for (const char* action : {"view", "update", "destroy"}) {
    const data::Grant grant = call.who->permissions().grant(*collection, action);
    json::Array list;
    for (const auto& key : keys) {
      if (grant.allowed && (grant.scope.is_null() || action == std::string_view("view")))
        list.push_back(key);
    }
    add_meta(allowed, action, std::move(list));
  }
  json::Object meta;
  if (!reply.meta.empty()) {
    if (auto old = json::parse(reply.meta); old && old->is_object())
      meta = std::move(old->get_object());
  }
  meta["allowedActions"] = std::move(allowed);
  reply.meta = json::dump(json::Value(std::move(meta)));
}

net::Response to_response(const Error& error) {
  net::Response response;
  response.status = http_status(error.code);
  response.headers.set("Content-Type", "application/json; charset=utf-8");
  if (error.retry_after > 0) {
    response.headers.set("Retry-After", std::to_string(error.retry_after));
  } else if (error.code == Code::kUnavailable) {
    response.headers.set("Retry-After", "1");
  }
  response.body = error_body(error);
  return response;
}

}  // namespace

net::Response to_response(Reply reply) {
  net::Response response;
  response.status = reply.status;
  response.headers.set("Content-Type", reply.content_type);
  if (reply.raw) {
    response.body = std::move(reply.data);
    return response;
  }
  std::string& body = response.body;
  body.reserve(reply.data.size() + reply.meta.size() + 32);
  body += "{\"data\":";
  body += reply.data;
  if (!reply.meta.empty()) {
    body += ",\"meta\":";
    body += reply.meta;
  }
  body += '}';
  return response;
}

std::string error_body(const Error& error) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  out.key("errors");
  out.begin_array();
  write_error(out, error);
  for (const Error& more : error.more) write_error(out, more);
  out.end_array();
  out.end_object();
  return body;
}

data::Call Services::data_call(const Call& call, sql::Database& on) const {
  data::Call c{call.ctx, call.model, on, call.who->caller, call.who->permissions()};
  c.counts = counts;
  c.tx = call.tx;
  return c;
}

data::Call Services::internal_call(const Call& call) const {
  data::Call c{call.ctx, call.model, db, call.who->caller, data::unrestricted()};
  c.counts = counts;
  c.tx = call.tx;
  return c;
}

Dispatcher::Dispatcher(Services services) : services_(std::move(services)) {
  add_record_actions(table_, services_);
  add_collection_actions(table_, services_);
  add_auth_actions(table_, services_);
  add_system_actions(table_, services_);
  add_page_actions(table_, services_);
  if (services_.cluster != nullptr) add_cluster_actions(table_, services_);
  add_openapi_actions(table_, services_);
}

bool Dispatcher::is_api_path(std::string_view path) const {
  return path.starts_with(services_.settings.base_path);
}

Status Dispatcher::read_head(const net::Request& request, Call& call) const {
  call.ctx.request_id = std::string(request.headers.get("X-Request-Id"));
  if (call.ctx.request_id.empty() || call.ctx.request_id.size() > 100)
    call.ctx.request_id = request_id();
  call.ctx.client_address = request.client_address;
  call.ctx.deadline = runtime::Clock::now() + services_.settings.request_timeout;
  call.ctx.idempotency_key = std::string(request.headers.get("Idempotency-Key"));
  call.authenticator = std::string(request.headers.get("X-Authenticator"));
  call.brings_position = request.headers.has("X-Read-After");
  call.read_after = std::string(request.headers.get("X-Read-After"));
  if (auto zone = request.headers.get("X-Timezone"); !zone.empty()) {
    const auto minutes = parse_utc_offset(zone);
    if (!minutes) {
      return fail(Error(Code::kInvalidArgument, "INVALID_HEADER", "X-Timezone is not a time zone.")
                      .with_field("X-Timezone")
                      .with_expected("an offset such as +08:00, or a zone name"));
    }
    call.ctx.utc_offset_minutes = *minutes;
  }
  if (call.ctx.idempotency_key.size() > kLongestKey) {
    return fail(Error(Code::kInvalidArgument, "INVALID_HEADER", "Idempotency-Key is too long.")
                    .with_field("Idempotency-Key")
                    .with_expected("at most 255 characters"));
  }
  TRY(call.route,
      parse_url(request.method, path_of(request).substr(services_.settings.base_path.size())));
  call.ctx.locale = std::string(request.headers.get("X-Locale"));
  return {};
}

// Query and body. Actions use them up, so they are read again for every try.
Status Dispatcher::read_params(const net::Request& request, Call& call) const {
  TRY(json::Value query, net::parse_query(request.query));
  TRY(call.params, parse_params(query.is_object() ? std::move(query.get_object()) : json::Object{},
                                call.route.tk));
  if (call.ctx.locale.empty())
    call.ctx.locale = json::get_string(call.params.extra, "locale", "en-US");

  if (request.body.empty() || request.method == "GET" || request.method == "HEAD") return {};
  const std::string_view type = request.headers.get("Content-Type");
  json::Value body;
  if (starts_with_ci(type, "application/x-www-form-urlencoded")) {
    TRY(body, net::parse_query(request.body));
  } else if (type.empty() || type.find("json") != std::string_view::npos) {
    TRY(body, json::parse(request.body));
  } else {
    return fail(Error(Code::kUnsupportedMedia, "UNSUPPORTED_MEDIA_TYPE",
                      "This kind of body is not understood.")
                    .with_field("Content-Type")
                    .with_expected("application/json"));
  }
  if (call.route.body_is_params && body.is_object()) {
    // The legacy form: the body is merged into the parameters.
    TRY(data::Params merged, parse_params(body.get_object(), call.route.tk));
    if (!merged.values.is_null()) call.params.values = std::move(merged.values);
    if (!merged.filter.is_null()) call.params.filter = std::move(merged.filter);
    if (!merged.filter_by_tk.is_null()) call.params.filter_by_tk = std::move(merged.filter_by_tk);
    return {};
  }
  if (!body.is_object() && !body.is_array() && !body.is_null()) {
    // Keys of association actions come as plain values: POST customers/1/orders:add with body 5.
    call.params.values = std::move(body);
    return {};
  }
  if (!body.is_null()) call.params.values = std::move(body);
  return {};
}

// Collection and association of the path; none of them for system resources.
Status Dispatcher::find_target(Call& call) const {
  const Route& route = call.route;
  if (route.source.empty()) {
    call.target.collection = call.model->find(route.resource);
    return {};
  }
  const auto* source = call.model->find(route.source);
  const auto* field = source != nullptr ? source->find(route.resource) : nullptr;
  if (field == nullptr) return {};
  call.target.source = source;
  call.target.association = field;
  call.target.collection = field->relation ? call.model->find(field->relation->target) : source;
  if (route.source_id) {
    call.target.source_id = *route.source_id;
  } else if (route.action == "list" || route.action == "get") {
    // "_": the whole target.
    call.target.source = nullptr;
    call.target.association = nullptr;
  }
  return {};
}

access::Credentials Dispatcher::credentials(const net::Request& request, const Call& call) const {
  access::Credentials by;
  std::string_view header = request.headers.get("Authorization");
  if (starts_with_ci(header, "Bearer ")) by.token = std::string(trim(header.substr(7)));
  if (by.token.empty()) by.token = json::get_string(call.params.extra, "token");
  by.authenticator = call.authenticator;
  by.role = std::string(request.headers.get("X-Role"));
  by.event_stream = request.headers.get("Accept") == "text/event-stream";
  return by;
}

// Everything before the action itself: model, target, action, identity, rights.
Task<Status> Dispatcher::plan(const net::Request& request, Call& call) {
  CO_TRY_STATUS(read_params(request, call));
  call.target = {};
  call.model = services_.catalog.snapshot();
  CO_TRY_STATUS(find_target(call));
  const Action* action =
      table_.find(call.route.full_name(), call.route.action, call.target.collection != nullptr);
  if (action == nullptr && !call.route.source.empty() && !call.route.source_id) {
    action = table_.find(call.route.resource, call.route.action, call.target.collection != nullptr);
  }
  if (action == nullptr) {
    co_return fail(
        Error(Code::kNotFound, "NOT_FOUND",
              fmt::format("There is no \"{}:{}\".", call.route.full_name(), call.route.action)));
  }
  call.action = action;
  CO_TRY(call.who, co_await services_.access.identify(call.ctx, credentials(request, call),
                                                      action->access != Gate::kPublic));
  call.params.extra.erase("token");
  if (action->access == Gate::kPermission) {
    access::Request asked;
    const std::string name = call.route.full_name();
    asked.resource = name;
    asked.action = call.route.action;
    asked.target = call.target.collection;
    asked.source = call.target.source;
    asked.record_action = action->resource == "*";
    CO_TRY_STATUS(services_.access.authorize(*call.who, asked));
  }
  co_return Status{};
}

Task<Result<net::Response>> Dispatcher::read(const net::Request& request, Call& call) {
  CO_TRY(Reply reply, co_await call.action->run(call));
  const bool reads = call.route.action == "list" || call.route.action == "get";
  if (reads && services_.settings.acl_meta && !request.headers.get("X-With-ACL-Meta").empty()) {
    add_acl_meta(call, reply);
  }
  co_return to_response(std::move(reply));
}

void Dispatcher::add_cors(const net::Request& request, net::Response& response) const {
  const std::string_view origin = request.headers.get("Origin");
  if (origin.empty()) return;
  const auto& whitelist = services_.settings.cors_whitelist;
  if (!whitelist.empty()) {
    bool listed = false;
    for (const auto& allowed : whitelist) listed = listed || allowed == origin;
    if (!listed) return;
    response.headers.set("Access-Control-Allow-Credentials", "true");
  }
  response.headers.set("Access-Control-Allow-Origin", std::string(origin));
  response.headers.set("Vary", "Origin");
  response.headers.set("Access-Control-Expose-Headers",
                       "content-disposition, x-new-token, x-request-id, idempotent-replayed, "
                       "x-read-after");
  if (request.method == "OPTIONS") {
    response.headers.set("Access-Control-Allow-Methods",
                         "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    if (auto asked = request.headers.get("Access-Control-Request-Headers"); !asked.empty()) {
      response.headers.set("Access-Control-Allow-Headers", std::string(asked));
    }
    response.headers.set("Access-Control-Max-Age", "600");
  }
}

Task<net::Response> Dispatcher::handle(net::Request& request) {
  net::Response response;
  if (request.method == "OPTIONS") {
    response.status = 204;
    add_cors(request, response);
    co_return response;
  }
  if (path_of(request).ends_with(kHealthCheck)) {
    const bool ready = !services_.ready || services_.ready();
    response.status = ready ? 200 : 503;
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.body = ready ? "ok" : "unavailable";
    co_return response;
  }
  auto call = std::make_unique<Call>();
  call->method = request.method;
  auto result = co_await run(request, *call);
  if (result) {
    response = *std::move(result);
  } else {
    const Error& error = result.error();
    if (http_status(error.code) >= 500) {
      log_error("request failed", {{"requestId", call->ctx.request_id},
                                   {"path", std::string(path_of(request))},
                                   {"code", error.id},
                                   {"message", error.message},
                                   {"detail", error.internal}});
    }
    response = to_response(error);
  }
  if (call->who && !call->who->renewed_token.empty())
    response.headers.set("x-new-token", call->who->renewed_token);
  if (call->brings_position && services_.replicas != nullptr) co_await tell_position(*call);
  if (!call->ctx.request_id.empty()) response.headers.set("X-Request-Id", call->ctx.request_id);
  for (auto& [name, value] : call->reply_headers) response.headers.set(name, value);
  add_cors(request, response);
  co_return response;
}

}  // namespace halcyon::api
