// auth:*, roles:check and the other actions of the access module (reference E.2 to E.4, F.1).
#include "api/services.h"

namespace halcyon::api {
namespace {

Task<Result<Reply>> sign_in(const Services& services, Call& call) {
  CO_TRY(json::Object body, call.body_object());
  CO_TRY(json::Value result,
         co_await services.access.sign_in(call.ctx, call.authenticator, std::move(body)));
  co_return Reply(result);
}

Task<Result<Reply>> sign_up(const Services& services, Call& call) {
  CO_TRY(json::Object body, call.body_object());
  CO_TRY(json::Value result,
         co_await services.access.sign_up(call.ctx, call.authenticator, std::move(body), call.tx));
  co_return Reply(result);
}

Task<Result<Reply>> sign_out(const Services& services, Call& call) {
  CO_TRY_STATUS(co_await services.access.sign_out(call.ctx, *call.who, call.tx));
  co_return Reply();
}

Task<Result<Reply>> check(const Services& services, Call& call) {
  CO_TRY(json::Value user, co_await services.access.check(call.ctx, *call.who));
  co_return Reply(user);
}

// Browsers keep the token themselves here; the action exists because clients call it after sign-in.
Task<Result<Reply>> sync_cookies(const Services&, Call&) {
  co_return Reply(json::Value(json::Object{{"synced", true}}));
}

Task<Result<Reply>> change_password(const Services& services, Call& call) {
  CO_TRY(json::Object body, call.body_object());
  CO_TRY(json::Value result,
         co_await services.access.change_password(call.ctx, *call.who, std::move(body), call.tx));
  co_return Reply(result);
}

Task<Result<Reply>> roles_check(const Services& services, Call& call) {
  CO_TRY(data::Answer answer, co_await services.access.roles_check(call.ctx, *call.who));
  co_return Reply(std::move(answer));
}

Task<Result<Reply>> run_access(const access::Access::Action& action, const Services& services,
                               Call& call) {
  const data::Call data_call = services.data_call(call);
  CO_TRY(data::Answer answer, co_await action.run(data_call, *call.who, std::move(call.params),
                                                  call.route.source_id.value_or("")));
  co_return Reply(std::move(answer));
}

Gate gate_of(access::Access::Need need) {
  switch (need) {
    case access::Access::Need::kPublic:
      return Gate::kPublic;
    case access::Access::Need::kLogin:
      return Gate::kLogin;
    case access::Access::Need::kPermission:
      break;
  }
  return Gate::kPermission;
}

}  // namespace

void add_auth_actions(ActionTable& table, const Services& services) {
  using Run = Task<Result<Reply>> (*)(const Services&, Call&);
  auto add = [&](const char* resource, const char* name, Gate gate, const char* summary, Run run,
                 json::Object properties, Effect effect = Effect::kByName) {
    json::Object body;
    if (!properties.empty()) body = {{"type", "object"}, {"properties", std::move(properties)}};
    table.add({.resource = resource,
               .name = name,
               .access = gate,
               .summary = summary,
               .body = std::move(body),
               .effect = effect,
               .looks_first = true,
               .run = [&services, run](Call& call) { return run(services, call); }});
  };
  const json::Object text{{"type", "string"}};
  add("auth", "signIn", Gate::kPublic, "Sign in with user name or e-mail; gives a token", &sign_in,
      {{"account", text}, {"password", text}}, Effect::kRepeatable);
  add("auth", "signUp", Gate::kPublic, "Register", &sign_up,
      {{"username", text}, {"email", text}, {"password", text}, {"confirm_password", text}});
  add("auth", "signOut", Gate::kLogin, "End this session", &sign_out, {});
  add("auth", "check", Gate::kLogin, "The signed-in user", &check, {});
  add("auth", "syncCookies", Gate::kLogin, "Accepted for clients that ask; nothing is needed",
      &sync_cookies, {}, Effect::kRead);
  add("auth", "changePassword", Gate::kLogin, "Change the own password", &change_password,
      {{"oldPassword", text}, {"newPassword", text}, {"confirmPassword", text}});
  add("roles", "check", Gate::kLogin, "Current role and its rights", &roles_check, {});

  for (auto& action : services.access.actions()) {
    auto shared = std::make_shared<const access::Access::Action>(std::move(action));
    table.add(
        {.resource = shared->resource,
         .name = shared->name,
         .access = gate_of(shared->need),
         .summary = shared->summary,
         .body = shared->has_body ? json::Object{{"type", "object"}} : json::Object{},
         .effect = shared->reads ? Effect::kRead : Effect::kByName,
         .secret = shared->secret,
         .looks_first = true,
         .run = [&services, shared](Call& call) { return run_access(*shared, services, call); }});
  }
}

}  // namespace halcyon::api
