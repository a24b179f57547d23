// Random identifiers. For ordered 53-bit ids see base/snowflake.h.
#pragma once

#include <string>
#include <string_view>

namespace halcyon {

std::string uuid_v4();  // lower case, with dashes
// `size` characters of `alphabet` (1 to 256 characters), each equally likely.
std::string nanoid(size_t size, std::string_view alphabet);
std::string uid(std::string_view prefix = "");  // prefix and 11 lower-case letters and digits
std::string request_id();                       // 16 hexadecimal digits

}  // namespace halcyon
