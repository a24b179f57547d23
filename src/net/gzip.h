// gzip of answers, with one reused compressor a thread.
#pragma once

#include <string>
#include <string_view>

namespace halcyon::net {

// False (and `out` untouched) when compressing fails or does not help.
bool gzip(std::string_view input, std::string& out);
// `encoding` ("gzip", "br") stands in an Accept-Encoding header, and not with q=0.
bool accepts_encoding(std::string_view accept_encoding, std::string_view encoding);
// Is a body of this type worth compressing?
bool is_compressible_type(std::string_view content_type);

}  // namespace halcyon::net
