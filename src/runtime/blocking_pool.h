// Bounded threads for work that blocks: SQLite, libmariadb, scrypt, files.
//
//   CO_TRY(Rows rows, co_await pool.run([&] { return driver.execute(sql); }));   // Result<Rows>
//
// When `max_queue` pieces of work wait already, `run` answers UNAVAILABLE / "OVERLOADED" without
// running it, so that overload is seen by the caller and not by memory.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime/io.h"

namespace halcyon::runtime {

class BlockingPool {
 public:
  BlockingPool(std::string name, size_t threads, size_t max_queue);
  ~BlockingPool();  // finishes what is queued, joins

  // False when the queue is full.
  bool submit(std::move_only_function<void()> work);

  // F returns Result<T>; the awaiting task resumes on its io thread. An exception from `work`
  // travels to it.
  template <class F>
  auto run(F work) -> Task<std::invoke_result_t<F>> {
    using R = std::invoke_result_t<F>;
    std::optional<R> result;
    std::exception_ptr thrown;
    auto starter = [this, &work, &result, &thrown](std::move_only_function<void()> resume) {
      // Shared, since a refused submit drops its copy.
      auto shared = std::make_shared<std::move_only_function<void()>>(std::move(resume));
      const bool accepted = submit([&work, &result, &thrown, shared] {
        try {
          result.emplace(work());
        } catch (...) {
          thrown = std::current_exception();
        }
        (*shared)();
      });
      if (!accepted) {
        result.emplace(fail(Code::kUnavailable, "OVERLOADED", "The server is busy, try again."));
        (*shared)();
      }
    };
    co_await Suspend(std::move(starter));
    if (thrown) std::rethrow_exception(thrown);
    co_return std::move(*result);
  }

  size_t queued() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::runtime
