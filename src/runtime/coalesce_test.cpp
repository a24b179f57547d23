#include "runtime/coalesce.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace halcyon::runtime {
namespace {

// Work that says when it begins and ends when it is told to.
class Bench {
 public:
  Task<Result<int>> work() {
    const int number = ++begun;
    co_await Suspend([this](std::move_only_function<void()> resume) {
      const std::scoped_lock lock(mutex_);
      ends_.push_back(std::move(resume));
    });
    if (number == failing) co_return fail(Code::kUnavailable, "FAILED", "");
    co_return number;
  }
  std::future<Result<int>> ask() {
    auto promise = std::make_shared<std::promise<Result<int>>>();
    start(pool.thread(0), coalescer.get("key", [this] { return work(); }),
          [promise](Result<int> result) { promise->set_value(std::move(result)); });
    settle();
    return promise->get_future();
  }
  void end() {
    std::move_only_function<void()> resume;
    {
      const std::scoped_lock lock(mutex_);
      ASSERT_FALSE(ends_.empty());
      resume = std::move(ends_.front());
      ends_.erase(ends_.begin());
    }
    resume();
    settle();
  }
  // Everything that was posted has run.
  void settle() {
    for (int i = 0; i < 4; ++i) {
      std::promise<void> done;
      pool.thread(0).post([&] { done.set_value(); });
      done.get_future().wait();
    }
  }

  std::atomic<int> begun{0};
  int failing = 0;
  IoPool pool{1};
  Coalescer<int> coalescer;

 private:
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> ends_;
};

TEST(Coalescer, GivesNobodyAnAnswerThatBeganBeforeHeAsked) {
  Bench bench;
  auto first = bench.ask();
  auto second = bench.ask();
  auto third = bench.ask();
  EXPECT_EQ(bench.begun, 1);
  bench.end();
  EXPECT_EQ(first.get().value(), 1);
  EXPECT_EQ(bench.begun, 2) << "the two that asked meanwhile share a turn";
  auto fourth = bench.ask();
  bench.end();
  EXPECT_EQ(second.get().value(), 2);
  EXPECT_EQ(third.get().value(), 2);
  bench.end();
  EXPECT_EQ(fourth.get().value(), 3);
  auto fifth = bench.ask();
  EXPECT_EQ(bench.begun, 4) << "nothing is kept";
  bench.end();
  EXPECT_EQ(fifth.get().value(), 4);
}

TEST(Coalescer, AsksAgainWhenAnotherFailed) {
  Bench bench;
  bench.failing = 2;
  auto first = bench.ask();
  auto second = bench.ask();
  auto third = bench.ask();
  bench.end();
  bench.end();
  EXPECT_EQ(second.get().error().id, "FAILED");
  EXPECT_EQ(bench.begun, 3);
  bench.end();
  EXPECT_EQ(third.get().value(), 3);
  EXPECT_EQ(first.get().value(), 1);
}

}  // namespace
}  // namespace halcyon::runtime
