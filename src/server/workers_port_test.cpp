#include "server/workers_port.h"

#include <gtest/gtest.h>

namespace halcyon::server {
namespace {

TEST(JoinMetrics, GivesEachFamilyOnceAndTellsWorkersApart) {
  const std::string one =
      "# HELP a_total Things\n# TYPE a_total counter\na_total{status=\"2xx\"} 3\n"
      "# HELP b Time\n# TYPE b histogram\nb_bucket{le=\"1\"} 2\nb_sum 0.5\nb_count 2\n";
  const std::string two =
      "# HELP a_total Things\n# TYPE a_total counter\na_total{status=\"2xx\"} 4\n";
  const std::string own = "# HELP c Own\n# TYPE c gauge\nc 1\n";
  EXPECT_EQ(join_metrics({{"", own}, {"1", one}, {"2", two}}),
            "# HELP a_total Things\n# TYPE a_total counter\n"
            "a_total{worker=\"1\",status=\"2xx\"} 3\na_total{worker=\"2\",status=\"2xx\"} 4\n"
            "# HELP b Time\n# TYPE b histogram\n"
            "b_bucket{worker=\"1\",le=\"1\"} 2\nb_sum{worker=\"1\"} 0.5\nb_count{worker=\"1\"} 2\n"
            "# HELP c Own\n# TYPE c gauge\nc 1\n");
  EXPECT_EQ(join_metrics({}), "");
}

}  // namespace
}  // namespace halcyon::server
