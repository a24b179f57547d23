// halcyon-ids: a member of the cluster that does nothing but make ids, for tests of their
// uniqueness (promise P8). It makes some thousand a second for little, where a replica would have to
// write a row for each.
//
//   halcyon-ids FILE PER_SECOND
//
// Takes the database from the environment as halcyon does, appends to FILE every id that it was
// given, eight bytes each, and ends on SIGTERM. Ids are written out before the next ones are made,
// so a SIGKILL hides at most a batch.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "base/config.h"
#include "base/text.h"
#include "cluster/cluster.h"
#include "runtime/io.h"
#include "server/options.h"
#include "server/schema_version.h"
#include "sql/database.h"

namespace halcyon::server {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kBatch = 100;

volatile std::sig_atomic_t stopping = 0;

int failed(const Error& error) {
  std::cerr << "halcyon-ids: " << error.id << ' ' << error.message << ' ' << error.internal << '\n';
  return 1;
}

// Refused: nothing is written, so nothing was given out.
size_t make(cluster::Cluster& cluster, std::array<int64_t, kBatch>& ids) {
  size_t made = 0;
  while (made < ids.size()) {
    auto id = cluster.next_id();
    if (!id) break;
    ids[made++] = *id;
  }
  return made;
}

int make_ids(cluster::Cluster& cluster, const char* file, int64_t per_second) {
  const int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return failed(Error{Code::kUnavailable, "FILE", file});
  const auto pause = std::chrono::nanoseconds(1s) * kBatch / per_second;
  runtime::Clock::time_point next = runtime::Clock::now();
  std::array<int64_t, kBatch> ids{};
  while (stopping == 0) {
    const size_t made = make(cluster, ids);
    const auto size = static_cast<ssize_t>(made * sizeof(int64_t));
    if (size > 0 && write(fd, ids.data(), static_cast<size_t>(size)) != size) return 1;
    // What could not be made in time (no lease, no worker ids left) is not made up for.
    next = std::max<runtime::Clock::time_point>(next + pause, runtime::Clock::now() - 100ms);
    std::this_thread::sleep_until(next);
  }
  return close(fd);
}

int run(const char* file, int64_t per_second) {
  auto config = Config::load(process_environment(), "");
  if (!config) return failed(config.error());
  runtime::IoPool io(1);
  auto db = runtime::run(io.thread(0), sql::open(database_options(*config), io));
  if (!db) return failed(db.error());
  cluster::Options options = cluster_options(*config, WorkerMode::parse("-"), "ids");
  options.seal_key = std::string(32, 's');
  options.schema_version = schema_version();
  Context ctx;
  auto cluster = runtime::run(io.thread(0), cluster::Cluster::join(**db, io, options, ctx));
  if (!cluster) return failed(cluster.error());
  if (auto begun = runtime::run(io.thread(0), (*cluster)->start(ctx)); !begun)
    return failed(begun.error());
  const int result = make_ids(**cluster, file, per_second);
  Context leaving;
  leaving.deadline = runtime::Clock::now() + 5s;
  runtime::run(io.thread(0), (*cluster)->leave(leaving));
  return result;
}

}  // namespace
}  // namespace halcyon::server

int main(int argc, char** argv) {
  const auto per_second = argc == 3 ? halcyon::to_int64(argv[2]) : std::nullopt;
  if (!per_second || *per_second <= 0) {
    std::cerr << "usage: halcyon-ids FILE PER_SECOND\n";
    return 2;
  }
  std::signal(SIGTERM, [](int) { halcyon::server::stopping = 1; });
  return halcyon::server::run(argv[1], *per_second);
}
