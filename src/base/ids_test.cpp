#include "base/ids.h"

#include <gtest/gtest.h>

namespace halcyon {
namespace {

TEST(Ids, Forms) {
  const std::string id = uuid_v4();
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(uuid_v4(), id);
  EXPECT_EQ(nanoid(12, "ab").find_first_not_of("ab"), std::string::npos);
  EXPECT_EQ(uid("r_").size(), 13u);
}

}  // namespace
}  // namespace halcyon
