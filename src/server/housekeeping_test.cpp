#include "server/housekeeping.h"

#include <atomic>

#include "base/time.h"
#include "cluster/test_support.h"

namespace halcyon::server {
namespace {

using std::chrono::milliseconds;

class HousekeepingTest : public cluster::testing::ClusterTest {};

TEST_P(HousekeepingTest, OneMemberDoesAChoreForAllWhateverItWorksOn) {
  std::atomic<int> swept{0}, tried{0};
  const auto chores = [&] {
    std::vector<Chore> list;
    list.push_back({"sweep", "0 0 1 1 *", [&](const Context&) -> Task<Status> {
                      ++swept;
                      co_return Status{};
                    }});
    list.push_back({"hopeless", "0 0 1 1 *", [&](const Context&) -> Task<Status> {
                      ++tried;
                      co_return fail(Code::kInternal, "NO_LUCK", "Not today.");
                    }});
    return list;
  };
  std::vector<std::unique_ptr<Housekeeping>> houses;  // outlive their members
  std::vector<std::unique_ptr<cluster::testing::Replica>> replicas;
  for (int i = 0; i < 3; ++i) {
    cluster::Options o = options();
    o.poll_interval = milliseconds(20);
    o.serves_topic = [](std::string_view) { return false; };
    houses.push_back(std::make_unique<Housekeeping>(chores()));
    replicas.push_back(joined(o));
    houses.back()->handle(replicas.back()->cluster->jobs());
    start(*replicas.back());
    ASSERT_TRUE(await(houses.back()->put(ctx(), replicas.back()->cluster->schedules())));
  }
  const auto rest = [&] { return count("SELECT count(*) FROM halcyon_jobs") == 0; };
  for (int times = 1; times <= 3; ++times) {
    must("UPDATE halcyon_schedules SET due_at = due_at - ?", {sql::Value(400 * kDayMs)});
    ASSERT_TRUE(eventually([&] { return swept == times && tried == times && rest(); }));
  }
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_schedules"), 2);
  // What a member of a later version put there is left to it.
  cluster::NewJob job;
  job.topic = "housekeeping";
  job.payload = json::Object{{"fireAt", 1}, {"payload", json::Object{{"chore", "unheard of"}}}};
  ASSERT_TRUE(await(replicas[0]->cluster->jobs().enqueue(ctx(), std::vector{job})));
  EXPECT_TRUE(eventually(rest));
}

HALCYON_INSTANTIATE_DIALECTS(HousekeepingTest);

}  // namespace
}  // namespace halcyon::server
