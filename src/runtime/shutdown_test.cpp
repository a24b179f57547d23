#include "runtime/shutdown.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <future>
#include <latch>
#include <optional>
#include <thread>

#include "runtime/io.h"

namespace halcyon::runtime {
namespace {

using namespace std::chrono_literals;

TEST(Shutdown, GoesThroughItsStatesOnceAndInOrder) {
  Shutdown shutdown;
  EXPECT_EQ(shutdown.state(), Shutdown::State::kRunning);
  std::string order;
  shutdown.on_drain([&] { order += "a"; });
  shutdown.on_drain([&] { order += "b"; });
  std::jthread waiter([&] { shutdown.wait_for(Shutdown::State::kStopped); });
  shutdown.drain();
  shutdown.drain();
  EXPECT_EQ(order, "ab");
  EXPECT_TRUE(shutdown.draining());
  shutdown.on_drain([&] { order += "c"; });  // too late to wait for it
  EXPECT_EQ(order, "abc");
  shutdown.stop();
  EXPECT_EQ(shutdown.state(), Shutdown::State::kStopped);
}

TEST(Shutdown, WaitsUntilWorkInFlightEnds) {
  IoPool io(2);
  Shutdown shutdown;
  EXPECT_TRUE(run(io.thread(0), shutdown.wait_idle(0ms)));
  std::optional<Shutdown::Work> one(shutdown), two(shutdown);
  EXPECT_EQ(shutdown.in_flight(), 2);
  EXPECT_FALSE(run(io.thread(0), shutdown.wait_idle(20ms)));
  EXPECT_FALSE(shutdown.wait_idle_here(1ms));
  std::promise<bool> idle;
  start(io.thread(1), shutdown.wait_idle(10s), [&](bool value) { idle.set_value(value); });
  auto future = idle.get_future();
  one.reset();
  EXPECT_EQ(future.wait_for(10ms), std::future_status::timeout);
  two.reset();
  EXPECT_TRUE(future.get());
  EXPECT_TRUE(shutdown.wait_idle_here(0ms));
}

TEST(Shutdown, TheLastWorkAndTheTimerMayMeet) {
  IoPool io(2);
  Shutdown shutdown;
  for (int i = 0; i < 50; ++i) {
    std::latch done(1);
    io.thread(1).after(10ms, [&, work = Shutdown::Work(shutdown)]() mutable {
      Shutdown::Work ended(std::move(work));
      done.count_down();
    });
    run(io.thread(0), shutdown.wait_idle(10ms));  // either answer is right; once each
    done.wait();
  }
  EXPECT_TRUE(run(io.thread(0), shutdown.wait_idle(10s)));
}

TEST(SignalWatch, DeliversSignalsToTheCallback) {
  std::promise<int> first, second;
  int count = 0;
  {
    SignalWatch watch({SIGHUP, SIGTERM},
                      [&](int number) { (count++ == 0 ? first : second).set_value(number); });
    kill(getpid(), SIGHUP);
    EXPECT_EQ(first.get_future().get(), SIGHUP);
    kill(getpid(), SIGTERM);
    EXPECT_EQ(second.get_future().get(), SIGTERM);
  }
  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace halcyon::runtime
