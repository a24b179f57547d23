// From an HTTP request to an action and back: routing, identity, rights, envelope, errors, CORS.
//
//   Dispatcher api(services);
//   server.start(options, [&](net::Request& request) { return api.handle(request); });
//
// Life of an API request (docs/design.md §3): context -> CORS -> path and parameters -> action ->
// who is calling -> may they -> run -> envelope. A writing action runs in one transaction together
// with its idempotency key, and is tried again until its fate is known (attempts.cpp). Thread rule:
// handle() is called from any io thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "api/services.h"
#include "net/http.h"

namespace halcyon::api {

class Dispatcher {
 public:
  explicit Dispatcher(Services services);

  // Requests below the API base path; others are 404.
  Task<net::Response> handle(net::Request& request);
  bool is_api_path(std::string_view path) const;
  const ActionTable& table() const { return table_; }

 private:
  struct Attempts;  // attempts.cpp

  Status read_head(const net::Request& request, Call& call) const;
  Status read_params(const net::Request& request, Call& call) const;
  Task<Status> plan(const net::Request& request, Call& call);
  Task<Result<net::Response>> run(const net::Request& request, Call& call);
  Task<Result<net::Response>> attempt(const net::Request& request, Call& call, Attempts& tries);
  Task<Result<net::Response>> read(const net::Request& request, Call& call);
  Task<Result<net::Response>> write(const net::Request& request, Call& call, Attempts& tries);
  void name_request(const net::Request& request, Call& call, Attempts& tries) const;
  bool may_be_done(const net::Request& request, Call& call, Attempts& tries,
                   const Error& error) const;
  Task<Status> catch_up(Call& call);
  Task<Result<bool>> again(Call& call, Attempts& tries, const Error& error);
  Task<Result<std::optional<net::Response>>> stored(Call& call, Attempts& tries);
  Task<void> tell_position(Call& call) const;
  Task<Status> serving(const Context& ctx) const;
  Status find_target(Call& call) const;
  access::Credentials credentials(const net::Request& request, const Call& call) const;
  void add_cors(const net::Request& request, net::Response& response) const;

  Services services_;
  ActionTable table_;
};

net::Response to_response(Reply reply);

// The error envelope {"errors":[{code,message,field?,expected?}, ...]}.
std::string error_body(const Error& error);

}  // namespace halcyon::api
