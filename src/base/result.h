// Result<T> and Error: how every failure that a user, the network or a database can cause travels.
//
// Exceptions are for programmer errors and start-up only (docs/design.md §6). An Error carries two
// messages: `message` is shown to the client, `internal` only goes to the log. `id` is the stable,
// documented code of docs/errors.md ("UNKNOWN_FIELD"); `code` is the class that decides the HTTP
// status.
//
//   Result<int> parse_port(std::string_view text);
//   Status open(std::string_view text) {
//     TRY(int port, parse_port(text));        // returns the error if there is one
//     TRY_STATUS(listen(port));
//     return {};
//   }
// In a coroutine use CO_TRY and CO_TRY_STATUS.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace halcyon {

enum class Code {
  kInvalidArgument,    // 400: the request is wrong and will be wrong when repeated
  kUnauthenticated,    // 401
  kPermissionDenied,   // 403
  kNotFound,           // 404
  kMethodNotAllowed,   // 405
  kConflict,           // 409: clashes with the present state
  kTooLarge,           // 413
  kUnsupportedMedia,   // 415
  kUnprocessable,      // 422
  kResourceExhausted,  // 429
  kInternal,           // 500
  kUnimplemented,      // 501
  kUnavailable,        // 503: not done, may be tried again
  kDeadlineExceeded,   // 504
};

int http_status(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string id;           // stable code in capitals, e.g. "UNKNOWN_FIELD"
  std::string message;      // for the client; one sentence, names the field and what was expected
  std::string field;        // dotted path of the offending field, or empty
  std::string expected;     // what would have been right, or empty
  std::string internal;     // for the log only
  int retry_after = 0;      // seconds after which a repetition may succeed; 0: says nothing
  std::vector<Error> more;  // further errors of the same request (validation of several fields)

  Error() = default;
  Error(Code code_, std::string id_, std::string message_)
      : code(code_), id(std::move(id_)), message(std::move(message_)) {}

  Error&& with_field(std::string name) && {
    field = std::move(name);
    return std::move(*this);
  }
  Error&& with_expected(std::string text) && {
    expected = std::move(text);
    return std::move(*this);
  }
  Error&& with_internal(std::string text) && {
    internal = std::move(text);
    return std::move(*this);
  }
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }
inline std::unexpected<Error> fail(Code code, std::string id, std::string message) {
  return std::unexpected(Error(code, std::move(id), std::move(message)));
}
inline std::unexpected<Error> invalid(std::string id, std::string message) {
  return fail(Code::kInvalidArgument, std::move(id), std::move(message));
}

}  // namespace halcyon

#define HALCYON_CAT2(a, b) a##b
#define HALCYON_CAT(a, b) HALCYON_CAT2(a, b)
#define HALCYON_TRY(ret, tmp, decl, ...)                   \
  auto tmp = (__VA_ARGS__);                                \
  if (!tmp) ret ::std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)
// TRY(decl, expr): declares `decl` from the value of a Result, or returns its error.
#define TRY(decl, ...) HALCYON_TRY(return, HALCYON_CAT(try_, __COUNTER__), decl, __VA_ARGS__)
#define CO_TRY(decl, ...) HALCYON_TRY(co_return, HALCYON_CAT(try_, __COUNTER__), decl, __VA_ARGS__)
#define TRY_STATUS(...) \
  if (auto status_ = (__VA_ARGS__); !status_) return ::std::unexpected(std::move(status_).error())
#define CO_TRY_STATUS(...)                    \
  if (auto status_ = (__VA_ARGS__); !status_) \
  co_return ::std::unexpected(std::move(status_).error())
