#include "runtime/io.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

namespace halcyon::runtime {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST(Io, WorkPostedFromAnyThreadRunsOnTheRightOne) {
  IoPool io(3);
  EXPECT_EQ(IoThread::current(), nullptr);
  constexpr int kEach = 2000;
  std::atomic<int> wrong{0}, ran{0};
  std::latch done(4 * kEach);
  std::vector<std::jthread> posters;
  for (int p = 0; p < 4; ++p) {
    posters.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        IoThread& target = io.thread(static_cast<size_t>(i) % io.size());
        target.post([&, t = &target] {
          if (IoThread::current() != t) ++wrong;
          ++ran;
          done.count_down();
        });
      }
    });
  }
  done.wait();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(ran, 4 * kEach);
}

TEST(Io, PostsOfOneThreadKeepTheirOrder) {
  IoPool io(1);
  std::vector<int> seen;
  std::latch done(1);
  for (int i = 0; i < 1000; ++i) io.thread(0).post([&seen, i] { seen.push_back(i); });
  io.thread(0).post([&] { done.count_down(); });
  done.wait();
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST(Io, TimersFireInOrderAndNeverEarly) {
  IoPool io(1);
  IoThread& thread = io.thread(0);
  std::vector<int> seen;
  std::latch done(4);
  std::atomic<int> early{0};
  const auto began = Clock::now();
  for (int delay : {60, 20, 40, 0}) {
    thread.after(std::chrono::milliseconds(delay), [&, delay] {
      if (Clock::now() - began < std::chrono::milliseconds(delay)) ++early;
      seen.push_back(delay);
      done.count_down();
    });
  }
  done.wait();
  EXPECT_EQ(seen, (std::vector<int>{0, 20, 40, 60}));
  EXPECT_EQ(early, 0);
}

TEST(Io, ACancelledTimerDoesNotFireEvenWhenItIsDue) {
  IoPool io(1);
  IoThread& thread = io.thread(0);
  std::latch done(1);
  std::atomic<int> fired{0};
  thread.post([&] {
    // Two timers of one tick: the first takes the second back.
    auto second = std::make_shared<uint64_t>(0);
    thread.after(20ms, [&thread, &fired, second] {
      ++fired;
      thread.cancel(*second);
      thread.cancel(*second);  // unknown by now: ignored
    });
    *second = thread.after(20ms, [&fired] { fired += 100; });
    thread.cancel(thread.after(10ms, [&fired] { fired += 100; }));
    thread.after(60ms, [&done] { done.count_down(); });
  });
  done.wait();
  EXPECT_EQ(fired, 1);
}

TEST(Io, ATimerMaySetTheNextAndManyLiveAtOnce) {
  IoPool io(2);
  std::latch done(2 * 500 + 1);
  for (size_t t = 0; t < 2; ++t) {
    for (int i = 0; i < 500; ++i)
      io.thread(t).after(std::chrono::milliseconds(i % 50), [&] { done.count_down(); });
  }
  io.thread(0).after(5ms, [&] { io.thread(0).after(5ms, [&] { done.count_down(); }); });
  done.wait();
}

Task<IoThread*> sleeps() {
  co_await sleep_for(15ms);
  co_return IoThread::current();
}

TEST(Io, ASleepingTaskResumesOnItsThread) {
  IoPool io(2);
  const auto began = Clock::now();
  EXPECT_EQ(run(io.thread(1), sleeps()), &io.thread(1));
  EXPECT_GE(Clock::now() - began, 15ms);
}

Task<IoThread*> resumed_elsewhere(std::vector<std::jthread>* threads) {
  auto starter = [threads](std::move_only_function<void()> resume) {
    threads->emplace_back([resume = std::move(resume)]() mutable { resume(); });
  };
  co_await Suspend(std::move(starter));
  co_return IoThread::current();
}

TEST(Io, ASuspendedTaskComesHomeFromAPlainThread) {
  IoPool io(1);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(run(io.thread(0), resumed_elsewhere(&threads)), &io.thread(0));
  }
}

Task<void> nothing() { co_return; }

TEST(Io, StartCallsBackWithOrWithoutAValue) {
  IoPool io(1);
  std::latch done(2);
  IoThread* where = nullptr;
  start(io.thread(0), sleeps(), [&](IoThread* thread) {
    where = thread;
    done.count_down();
  });
  start(io.thread(0), nothing(), [&] { done.count_down(); });
  done.wait();
  EXPECT_EQ(where, &io.thread(0));
}

TEST(Io, StopDropsWaitingTimersAndCanBeRepeated) {
  auto held = std::make_shared<int>(1);
  {
    IoPool io(2);
    io.thread(0).after(1h, [held] {});
    io.stop();
    io.stop();
    io.thread(1).post([held] {});  // after the end: never run, but freed
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace halcyon::runtime
