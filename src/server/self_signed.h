// A certificate for trials: signed by itself, so browsers warn about it.
//
//   TRY(TlsFiles files, self_signed(folder, {"halcyon.example"}));   // made once, then kept
//
// Reads and writes files; from a plain thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace halcyon::server {

struct TlsFiles {
  std::string cert, key;  // PEM
};

// halcyon.crt and halcyon.key in `folder` (made if need be), for a year, for `names` (or
// localhost) and this machine's loopback addresses. A pair that is there is left alone. Error
// INVALID_CONFIG: the files cannot be written.
Result<TlsFiles> self_signed(const std::string& folder, std::vector<std::string> names);

}  // namespace halcyon::server
