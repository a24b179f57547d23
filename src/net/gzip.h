// gzip of answers, with one reused compressor a thread.
#pragma once

#include <string>
#include <string_view>

namespace halcyon::net {

// False (and `out` untouched) when compressing fails or does not help.
bool gzip(std::string_view input, std::string& out);
// Is a body of this type worth compressing?
bool is_compressible_type(std::string_view content_type);

}  // namespace halcyon::net
