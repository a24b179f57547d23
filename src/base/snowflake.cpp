#include "base/snowflake.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/time.h"

namespace halcyon {
namespace {

constexpr int64_t kAhead = 2;            // seconds
constexpr int64_t kStandStillMs = 1000;  // a smaller step back is waited out

std::vector<Snowflake::Worker> sorted(std::vector<Snowflake::Worker> workers) {
  std::ranges::sort(workers, {}, &Snowflake::Worker::id);
  const bool twice =
      std::ranges::adjacent_find(workers, {}, &Snowflake::Worker::id) != workers.end();
  if (twice ||
      (!workers.empty() && (workers.front().id < 0 || workers.back().id >= Snowflake::kWorkers))) {
    throw std::invalid_argument("worker ids are different numbers from 0 to 1023");
  }
  return workers;
}

std::vector<Snowflake::Worker> usable_at_once(const std::vector<int64_t>& ids) {
  if (ids.empty()) throw std::invalid_argument("there must be a worker id");
  std::vector<Snowflake::Worker> workers;
  for (int64_t id : ids) workers.push_back({id, 0});
  return workers;
}

}  // namespace

Snowflake::Snowflake(int64_t worker, ClockMs clock)
    : Snowflake(std::vector<int64_t>{worker}, 0, std::move(clock)) {}

Snowflake::Snowflake(std::vector<int64_t> workers, int64_t after, ClockMs clock)
    : Snowflake(usable_at_once(workers), kForEver, std::move(clock)) {
  int64_t first = seconds_now() + kAhead;
  if (const int64_t next_second = (after >> 21) + 1; next_second > first) {
    lead_ms_ = (next_second - first) * 1000;
    first = next_second;
  }
  enter(first);
}

Snowflake::Snowflake(std::vector<Worker> workers, int64_t last_second, ClockMs clock)
    : workers_(sorted(std::move(workers))),
      clock_(clock ? std::move(clock) : ClockMs(&now_ms)),
      last_second_(last_second) {
  last_ms_ = clock_();
  enter(seconds_now());
}

int64_t Snowflake::seconds_now() {
  const int64_t ms = clock_();
  if (ms >= last_ms_) {
    last_ms_ = ms;
  } else if (last_ms_ - ms > kStandStillMs) {
    lead_ms_ += last_ms_ - ms;
    last_ms_ = ms;
  }
  return (last_ms_ + lead_ms_) / 1000 - kEpochSeconds;
}

void Snowflake::enter(int64_t second) {
  second_ = second;
  used_ = 0;
  active_.clear();
  for (const Worker& worker : workers_) {
    if (worker.first_second <= second) active_.push_back(worker.id);
  }
}

Snowflake::Outcome Snowflake::try_next(int64_t& id) {
  std::lock_guard lock(mutex_);
  if (workers_.empty()) return Outcome::kExpired;
  const int64_t now = seconds_now();
  if (now > second_) {
    enter(now);
  } else if (used_ >= capacity() && !active_.empty()) {
    if (second_ >= now + kAhead) return Outcome::kTooFast;
    enter(second_ + 1);
  }
  if (active_.empty()) {
    // Every worker id was used further ahead than now: go on from there.
    const int64_t first = std::ranges::min(workers_, {}, &Worker::first_second).first_second;
    lead_ms_ += (first - now) * 1000;
    enter(first);
  } else if (second_ > now + kAhead) {
    return Outcome::kTooFast;
  }
  if (second_ > last_second_) return Outcome::kExpired;
  // One worker's numbers after the other's, so that ids grow within a second too.
  const int64_t worker = active_[static_cast<size_t>(used_ / kSequences)];
  id = second_ << 21 | worker << 11 | used_++ % kSequences;
  ++made_;
  return Outcome::kMade;
}

int64_t Snowflake::next() {
  int64_t id = 0;
  while (true) {
    switch (try_next(id)) {
      case Outcome::kMade:
        return id;
      case Outcome::kTooFast:
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        break;
      case Outcome::kExpired:
        throw std::logic_error("the worker ids are leased: use try_next");
    }
  }
}

void Snowflake::assign(std::vector<Worker> workers) {
  workers = sorted(std::move(workers));
  std::lock_guard lock(mutex_);
  if (workers == workers_) return;
  workers_ = std::move(workers);
  // Numbers of this second are counted over its workers, so others begin with the next one.
  enter(used_ > 0 ? second_ + 1 : second_);
}

void Snowflake::extend(int64_t last_second) {
  std::lock_guard lock(mutex_);
  last_second_ = std::max(last_second_, last_second);
}

int64_t Snowflake::second() const {
  std::lock_guard lock(mutex_);
  return second_;
}
int64_t Snowflake::used_in_second() const {
  std::lock_guard lock(mutex_);
  return used_;
}
int64_t Snowflake::made() const {
  std::lock_guard lock(mutex_);
  return made_;
}

}  // namespace halcyon
