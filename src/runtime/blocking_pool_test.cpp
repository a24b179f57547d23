#include "runtime/blocking_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

namespace halcyon::runtime {
namespace {

Task<Result<std::thread::id>> where(BlockingPool& pool, IoThread** resumed_on) {
  auto work = []() -> Result<std::thread::id> { return std::this_thread::get_id(); };
  auto id = co_await pool.run(std::move(work));
  *resumed_on = IoThread::current();
  co_return id;
}

TEST(BlockingPool, RunsElsewhereAndResumesAtHome) {
  IoPool io(2);
  BlockingPool pool("test", 2, 10);
  IoThread* resumed_on = nullptr;
  const auto id = run(io.thread(1), where(pool, &resumed_on));
  ASSERT_TRUE(id);
  EXPECT_NE(*id, std::this_thread::get_id());
  EXPECT_EQ(resumed_on, &io.thread(1));
}

Task<Result<int>> number(BlockingPool& pool, std::latch& begun, std::latch& gate, int value) {
  auto work = [&begun, &gate, value]() -> Result<int> {
    begun.count_down();
    gate.wait();
    return value;
  };
  co_return co_await pool.run(std::move(work));
}

TEST(BlockingPool, AFullQueueIsRefusedAtOnce) {
  IoPool io(1);
  std::latch begun(1), done(2);
  std::latch gate(1);
  std::latch unused(1);
  BlockingPool pool("test", 1, 1);
  std::vector<int> values;
  auto keep = [&](Result<int> value) {
    values.push_back(value.value_or(-1));
    done.count_down();
  };
  start(io.thread(0), number(pool, begun, gate, 1), keep);
  begun.wait();  // the only thread is busy; the next one waits in the queue
  start(io.thread(0), number(pool, unused, gate, 2), keep);
  while (pool.queued() != 1) std::this_thread::yield();
  const auto refused = run(io.thread(0), number(pool, unused, gate, 3));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id, "OVERLOADED");
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  gate.count_down();
  done.wait();
  EXPECT_EQ(values, (std::vector<int>{1, 2}));
}

Task<Result<int>> breaks(BlockingPool& pool) {
  auto work = []() -> Result<int> { throw std::runtime_error("in the pool"); };
  co_return co_await pool.run(std::move(work));
}
Task<std::string> what_broke(BlockingPool& pool) {
  try {
    co_await breaks(pool);
  } catch (const std::exception& error) {
    co_return error.what();
  }
  co_return "nothing";
}

TEST(BlockingPool, ExceptionsTravelToTheTask) {
  IoPool io(1);
  BlockingPool pool("test", 1, 1);
  EXPECT_EQ(run(io.thread(0), what_broke(pool)), "in the pool");
  EXPECT_EQ(run(io.thread(0), what_broke(pool)), "in the pool");  // and the thread lives on
}

TEST(BlockingPool, TheEndFinishesWhatIsQueued) {
  std::atomic<int> ran{0};
  {
    BlockingPool pool("a name longer than the kernel takes", 2, 1000);
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(pool.submit([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 500);
}

Task<int> many(BlockingPool& pool, int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) {
    auto work = [i]() -> Result<int> { return i; };
    sum += (co_await pool.run(std::move(work))).value_or(0);
  }
  co_return sum;
}

TEST(BlockingPool, ManyTasksFromManyThreads) {
  IoPool io(2);
  BlockingPool pool("test", 3, 100);
  std::latch done(8);
  std::atomic<int> wrong{0};
  for (size_t i = 0; i < 8; ++i) {
    start(io.thread(i % 2), many(pool, 200), [&](int sum) {
      if (sum != 199 * 100) ++wrong;
      done.count_down();
    });
  }
  done.wait();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace halcyon::runtime
