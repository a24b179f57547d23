#include <algorithm>
#include <array>

#include "base/text.h"
#include "sql/errors.h"
#include "sql/mysql/driver_internal.h"

namespace halcyon::sql::mysql {

namespace {

struct Mapping {
  unsigned code;
  std::string_view id;
};

// Numbers, because the header of libmariadb lacks those that only MySQL has.
constexpr std::array kMappings{
    Mapping{1062, "UNIQUE_VIOLATION"},         // duplicate entry
    Mapping{1586, "UNIQUE_VIOLATION"},         // the same, with the key's name
    Mapping{1048, "NOT_NULL_VIOLATION"},       // column cannot be null
    Mapping{1364, "NOT_NULL_VIOLATION"},       // field has no default value
    Mapping{1171, "NOT_NULL_VIOLATION"},       // part of a primary key
    Mapping{1138, "NOT_NULL_VIOLATION"},       // ALTER found NULL
    Mapping{3819, "CHECK_VIOLATION"},          // MySQL
    Mapping{4025, "CHECK_VIOLATION"},          // MariaDB
    Mapping{1451, "CHECK_VIOLATION"},          // foreign keys
    Mapping{1452, "CHECK_VIOLATION"},          //
    Mapping{1264, "VALUE_OUT_OF_RANGE"},       // out of range for column
    Mapping{1406, "VALUE_OUT_OF_RANGE"},       // data too long
    Mapping{1690, "VALUE_OUT_OF_RANGE"},       // arithmetic
    Mapping{1153, "VALUE_OUT_OF_RANGE"},       // max_allowed_packet
    Mapping{1365, "INVALID_VALUE"},            // division by zero
    Mapping{1366, "INVALID_VALUE"},            // incorrect integer value, incorrect string value
    Mapping{1292, "INVALID_VALUE"},            // incorrect datetime value
    Mapping{1265, "INVALID_VALUE"},            // data truncated
    Mapping{1367, "INVALID_VALUE"},            // illegal number
    Mapping{1300, "INVALID_VALUE"},            // invalid utf8
    Mapping{1411, "INVALID_VALUE"},            // str_to_date
    Mapping{1139, "INVALID_VALUE"},            // regular expression
    Mapping{3140, "INVALID_VALUE"},            // JSON text (MySQL)
    Mapping{3141, "INVALID_VALUE"},            //
    Mapping{4037, "INVALID_VALUE"},            // JSON text (MariaDB)
    Mapping{4038, "INVALID_VALUE"},            //
    Mapping{1213, "DEADLOCK"},                 //
    Mapping{1205, "DEADLOCK"},                 // lock wait timeout: a deadlock for all we know
    Mapping{1020, "SERIALIZATION_FAILURE"},    // record changed since last read
    Mapping{1146, "UNKNOWN_TABLE_OR_COLUMN"},  // no such table
    Mapping{1051, "UNKNOWN_TABLE_OR_COLUMN"},  // unknown table in DROP
    Mapping{1054, "UNKNOWN_TABLE_OR_COLUMN"},  // unknown column
    Mapping{1091, "UNKNOWN_TABLE_OR_COLUMN"},  // cannot drop, it is not there
    Mapping{1072, "UNKNOWN_TABLE_OR_COLUMN"},  // key column
    Mapping{1064, "SQL_SYNTAX"},               //
    Mapping{1065, "SQL_SYNTAX"},               // empty query
    Mapping{1317, "DATABASE_TIMEOUT"},         // interrupted
    Mapping{1969, "DATABASE_TIMEOUT"},         // max_statement_time (MariaDB)
    Mapping{3024, "DATABASE_TIMEOUT"},         // max_execution_time (MySQL)
};

// Of the server: it goes down, has no room, or does not take writes.
constexpr std::array<unsigned, 15> kServerGone{1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203,
                                               1226, 1290, 1792, 1836, 1927, 4031, 1047};
constexpr unsigned kFirstClientCode = 2000, kLastClientCode = 2999;
// Client errors that say nothing of the connection: wrong use, out of sync.
constexpr std::array<unsigned, 4> kClientMisuse{2014, 2030, 2031, 2034};

bool is_client_code(unsigned code) {
  return code >= kFirstClientCode && code <= kLastClientCode &&
         std::ranges::find(kClientMisuse, code) == kClientMisuse.end();
}

// "... for column `db`.`t`.`x` at row 1", "Column 'x' cannot be null" -> x
std::string column_in(const std::string& message) {
  size_t start = message.rfind("olumn ");
  size_t skip = 6;
  if (start == std::string::npos) {
    start = message.find("Field ");
    if (start == std::string::npos) return {};
  }
  std::string_view rest = std::string_view(message).substr(start + skip);
  if (rest.empty() || (rest.front() != '\'' && rest.front() != '`')) return {};
  char mark = rest.front();
  std::string name;
  for (;;) {  // each part of a qualified name replaces the one before
    size_t end = rest.find(mark, 1);
    if (end == std::string_view::npos) return name;
    name = std::string(rest.substr(1, end - 1));
    rest.remove_prefix(end + 1);
    if (rest.size() < 2 || rest[0] != '.' || rest[1] != mark) break;
    rest.remove_prefix(1);
  }
  if (size_t dot = name.rfind('.'); mark == '\'' && dot != std::string::npos) {
    name.erase(0, dot + 1);
  }
  return name;
}

}  // namespace

bool ends_connection(unsigned code) {
  return is_client_code(code) || std::ranges::find(kServerGone, code) != kServerGone.end();
}

bool is_unanswered(unsigned code) { return is_client_code(code); }

bool is_permanent(unsigned code) { return code == 1044 || code == 1045 || code == 1049; }

Error map_error(unsigned code, const std::string& message) {
  std::string text = message + " (" + std::to_string(code) + ")";
  if (ends_connection(code)) return database_error("DATABASE_UNAVAILABLE", text);
  for (const Mapping& mapping : kMappings) {
    if (mapping.code != code) continue;
    std::string field;
    Code kind = database_error(mapping.id, "").code;
    bool of_value = kind == Code::kInvalidArgument && mapping.id != "CHECK_VIOLATION";
    return database_error(mapping.id, text, of_value ? column_in(message) : "");
  }
  return database_error("DATABASE_ERROR", text);
}

std::vector<Host> parse_hosts(const std::string& list, int default_port) {
  std::vector<Host> hosts;
  for (std::string_view part : split(list, ',')) {
    part = trim(part);
    if (part.empty()) continue;
    Host host{std::string(part), default_port};
    size_t colon = part.rfind(':');
    if (colon != std::string_view::npos && part.find(':') == colon) {
      if (auto port = to_int64(part.substr(colon + 1))) {
        host = Host{std::string(part.substr(0, colon)), static_cast<int>(*port)};
      }
    }
    hosts.push_back(std::move(host));
  }
  if (hosts.empty()) hosts.push_back(Host{"localhost", default_port});
  return hosts;
}

}  // namespace halcyon::sql::mysql
