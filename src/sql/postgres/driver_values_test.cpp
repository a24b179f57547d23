// Parts of the PostgreSQL driver that need no server.
#include "sql/postgres/driver_values.h"

#include <gtest/gtest.h>

#include "sql/postgres/driver_errors.h"

namespace halcyon::sql::postgres {
namespace {

TEST(PostgresHosts, AreSplitWithTheirPorts) {
  auto hosts = parse_hosts(" db1, db2:6432 ,/run/postgresql,::1", 5433);
  ASSERT_EQ(hosts.size(), 4u);
  EXPECT_EQ(hosts[0].name, "db1");
  EXPECT_EQ(hosts[0].port, 5433);
  EXPECT_EQ(hosts[1].name, "db2");
  EXPECT_EQ(hosts[1].port, 6432);
  EXPECT_EQ(hosts[2].name, "/run/postgresql");
  EXPECT_EQ(hosts[3].name, "::1");
  EXPECT_EQ(hosts[3].port, 5433);
  EXPECT_EQ(parse_hosts("", 1)[0].name, "localhost");
}

TEST(PostgresParameters, CarryTheTypeOfTheirValue) {
  std::vector<Value> values{Value(true),
                            Value(int64_t{258}),
                            Value("x"),
                            Value("a", Type::kUuid),
                            Value("{}", Type::kJsonb),
                            Value(Null{}, Type::kDate),
                            Value(std::string("\0\1", 2), Type::kBytes)};
  Parameters parameters;
  ASSERT_TRUE(parameters.encode(values, false));
  EXPECT_EQ(parameters.types(), (std::vector<Oid>{16, 20, 0, 2950, 3802, 1082, 17}));
  EXPECT_EQ(std::string_view(parameters.values()[1], 8), std::string_view("\0\0\0\0\0\0\1\2", 8));
  EXPECT_EQ(parameters.values()[5], nullptr);
  EXPECT_EQ(parameters.lengths()[6], 2);
  EXPECT_EQ(parameters.formats()[6], 1);
  EXPECT_EQ(parameters.formats()[2], 0);
  ASSERT_TRUE(parameters.encode(values, true));
  EXPECT_EQ(parameters.types()[2], 25u);
}

TEST(PostgresParameters, RefuseNulInText) {
  Parameters parameters;
  Status status = parameters.encode({Value(std::string("a\0b", 3))}, false);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().id, "INVALID_VALUE");
}

TEST(PostgresErrors, HaveTheirIds) {
  EXPECT_EQ(id_of_sqlstate("23505"), "UNIQUE_VIOLATION");
  EXPECT_EQ(id_of_sqlstate("23503"), "CHECK_VIOLATION");
  EXPECT_EQ(id_of_sqlstate("22001"), "VALUE_OUT_OF_RANGE");
  EXPECT_EQ(id_of_sqlstate("22P02"), "INVALID_VALUE");
  EXPECT_EQ(id_of_sqlstate("40001"), "SERIALIZATION_FAILURE");
  EXPECT_EQ(id_of_sqlstate("42703"), "UNKNOWN_TABLE_OR_COLUMN");
  EXPECT_EQ(id_of_sqlstate("42601"), "SQL_SYNTAX");
  EXPECT_EQ(id_of_sqlstate("53300"), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(id_of_sqlstate("57P01"), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(id_of_sqlstate("XX000"), "DATABASE_ERROR");
  EXPECT_TRUE(ends_session("57P01"));
  EXPECT_TRUE(ends_session("25006"));
  EXPECT_FALSE(ends_session("57014"));
  EXPECT_TRUE(is_permanent_refusal("FATAL:  28P01: password authentication failed"));
  EXPECT_FALSE(is_permanent_refusal("FATAL:  57P03: the database system is starting up"));
}

}  // namespace
}  // namespace halcyon::sql::postgres
