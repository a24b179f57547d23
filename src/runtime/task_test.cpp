#include "runtime/task.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "base/result.h"
#include "runtime/io.h"

namespace halcyon::runtime {
namespace {

Task<int> answer() { co_return 42; }
Task<int> deep(int levels) {
  if (levels == 0) co_return 0;
  co_return 1 + co_await deep(levels - 1);
}
Task<int> throws() {
  throw std::runtime_error("a bug");
  co_return 0;
}
Task<std::string> catches() {
  try {
    co_await throws();
  } catch (const std::runtime_error& error) {
    co_return error.what();
  }
  co_return "nothing";
}
Task<int> loops(int times) {
  int sum = 0;
  for (int i = 0; i < times; ++i) sum += co_await answer();
  co_return sum;
}
Task<Result<int>> fails() { co_return invalid("ODD", "Odd."); }
Task<Result<int>> twice() {
  CO_TRY(int value, co_await fails());
  co_return value * 2;
}

TEST(Task, ValuesAndExceptionsTravelToTheAwaiter) {
  IoPool io(1);
  EXPECT_EQ(run(io.thread(0), answer()), 42);
  EXPECT_EQ(run(io.thread(0), catches()), "a bug");
  EXPECT_THROW(run(io.thread(0), throws()), std::runtime_error);
  auto result = run(io.thread(0), twice());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().id, "ODD");
}

TEST(Task, AwaitingLongLoopsTakesNoStack) {
  IoPool io(1);
  EXPECT_EQ(run(io.thread(0), loops(100'000)), 4'200'000);
  EXPECT_EQ(run(io.thread(0), deep(500)), 500);
}

TEST(Task, OneThatIsNeverStartedFreesItsArguments) {
  auto alive = std::make_shared<int>(1);
  auto hold = [](std::shared_ptr<int> held) -> Task<int> { co_return *held; };
  {
    Task<int> task = hold(alive);
    EXPECT_EQ(alive.use_count(), 2);
  }
  EXPECT_EQ(alive.use_count(), 1);
}

}  // namespace
}  // namespace halcyon::runtime
