// `halcyon-jobs`: members of a cluster with handlers for tests, as a feature of the product has
// them. Settings are those of `halcyon`.
//
//   halcyon-jobs tables              # makes the table `effects`
//   halcyon-jobs work                # on the topics "effect", "tick" and "failing", until SIGTERM
//   halcyon-jobs enqueue effect 10000
//   halcyon-jobs schedule            # "tick" each second; unschedule ends it
//   halcyon-jobs report              # what is in the tables, as a line of JSON
//
// Each job adds a row to `effects` in the transaction that ends it, so a job that had its effects
// twice shows as two rows.
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <random>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "cluster/background.h"
#include "cluster/build.h"
#include "cluster/info.h"
#include "server/options.h"

namespace halcyon {
namespace {

using cluster::JobRun;
using cluster::Within;
using std::chrono::milliseconds;

const std::string kTable = "effects";
constexpr size_t kBatch = 250;

Task<Status> write_effect(sql::Transaction& tx, const Context& ctx, const char* kind,
                          int64_t what) {
  sql::Insert insert;
  insert.table = sql::table(kTable, "");
  insert.columns = {"kind", "what", "worker"};
  insert.rows = {{cluster::text(kind), cluster::number(what), cluster::number(getpid())}};
  CO_TRY_STATUS(co_await tx.run(ctx, render(insert, tx.dialect())));
  co_return Status{};
}

// Takes some milliseconds before and within its transaction, so that a killed worker dies in the
// middle of some.
Task<Status> run_job(JobRun& run, const char* kind, int64_t what) {
  thread_local std::minstd_rand random(std::random_device{}());
  const auto some = [] { return milliseconds(std::uniform_int_distribution(0, 10)(random)); };
  co_await runtime::sleep_for(some());
  co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await write_effect(tx, run.ctx(), kind, what));
    if (what % 8 == 0) co_await runtime::sleep_for(some());
    co_return Status{};
  });
}

void add_handlers(cluster::Jobs& jobs) {
  cluster::JobOptions options;
  options.lease = milliseconds(2'000);
  options.first_backoff = milliseconds(50);
  options.concurrency = 8;
  jobs.handle("effect", options, [](JobRun& run) -> Task<Status> {
    co_return co_await run_job(run, "effect", run.payload().as_int64());
  });
  jobs.handle("tick", options, [](JobRun& run) -> Task<Status> {
    co_return co_await run_job(run, "tick", json::get_int(run.payload().as_object(), "fireAt"));
  });
  jobs.handle("failing", options, [](JobRun&) -> Task<Status> {
    co_return fail(Code::kInternal, "NO_LUCK", "Not today.");
  });
}

// The database, and a member of the cluster on it.
struct Member {
  runtime::IoPool io{1};
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<cluster::Cluster> cluster;
  Within ctx{milliseconds(60'000)};

  Status join(const Config& config) {
    TRY(db, await(sql::open(server::database_options(config), io)));
    cluster::Options options =
        server::cluster_options(config, server::WorkerMode::parse("*"), "test");
    options.lease_ttl = std::max(options.lease_ttl, db->longest_stall());
    TRY(cluster, await(cluster::Cluster::join(*db, io, std::move(options), ctx)));
    return {};
  }
  template <class T>
  T await(Task<T> task) {
    return runtime::run(io.thread(0), std::move(task));
  }
  ~Member() {
    Within time(milliseconds(10'000));
    if (cluster) await(cluster->leave(time));
    cluster.reset();
    if (db) await(db->close());
  }
};

Status make_tables(Member& member) {
  sql::TableSpec spec;
  spec.name = kTable;
  spec.if_not_exists = true;
  spec.columns = {cluster::not_null("kind", sql::Type::kText, 20),
                  cluster::not_null("what", sql::Type::kInt64),
                  cluster::not_null("worker", sql::Type::kInt64)};
  for (std::string& text : sql::create_table(spec, member.db->dialect())) {
    sql::Statement statement;
    statement.text = std::move(text);
    statement.is_write = statement.is_slow = true;
    TRY_STATUS(member.await(member.db->run(member.ctx, std::move(statement))));
  }
  return {};
}

Status work(Member& member) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  add_handlers(member.cluster->jobs());
  TRY_STATUS(member.await(member.cluster->start(member.ctx)));
  TRY_STATUS(member.await(member.cluster->set_state(member.ctx, cluster::MemberState::kReady)));
  log_info("worker ready");
  int signal = 0;
  sigwait(&ends, &signal);
  return {};
}

Status enqueue(Member& member, const std::string& topic, int64_t count) {
  for (int64_t made = 0; made < count;) {
    std::vector<cluster::NewJob> batch;
    for (; made < count && batch.size() < kBatch; ++made) {
      cluster::NewJob job;
      job.topic = topic;
      job.payload = made;
      job.priority = static_cast<int>(made % 3);
      if (made % 10 == 0) job.delay = milliseconds(made % 5'000);
      job.max_attempts = topic == "failing" ? 1 : 100;
      batch.push_back(std::move(job));
    }
    Within time(milliseconds(60'000));
    TRY_STATUS(member.await(member.cluster->jobs().enqueue(time, std::move(batch))));
  }
  return {};
}

Status schedule(Member& member) {
  cluster::Schedule tick;
  tick.name = tick.topic = "tick";
  tick.cron = "* * * * * *";
  tick.missed = cluster::Missed::kAll;
  return member.await(member.cluster->schedules().put(member.ctx, std::move(tick)));
}

Result<json::Object> effects_of(Member& member, const char* kind) {
  sql::Statement statement;
  statement.text = std::string(
                       "SELECT count(*), count(DISTINCT what), min(what), max(what), "
                       "count(DISTINCT worker) FROM effects WHERE kind = '") +
                   kind + "'";
  statement.is_slow = true;
  TRY(sql::Rows rows, member.await(member.db->run(member.ctx, std::move(statement))));
  const auto cell = [&](size_t column) { return cluster::to_number(rows.cell(0, column)); };
  return json::Object{{"rows", cell(0)},
                      {"distinct", cell(1)},
                      {"first", cell(2)},
                      {"last", cell(3)},
                      {"workers", cell(4)}};
}

Status report(Member& member) {
  json::Object all;
  TRY(all["effect"], effects_of(member, "effect"));
  TRY(all["tick"], effects_of(member, "tick"));
  TRY(auto stats, member.await(member.cluster->jobs().stats(member.ctx)));
  json::Object topics;
  for (const auto& [topic, figures] : stats) topics[topic] = cluster::to_json(figures);
  all["topics"] = std::move(topics);
  std::cout << json::dump(json::Value(std::move(all))) << '\n';
  return {};
}

Status act(const std::vector<std::string>& words) {
  TRY(Config config, Config::load(process_environment(), ".env"));
  Member member;
  TRY_STATUS(member.join(config));
  const std::string& command = words.at(0);
  if (command == "tables") return make_tables(member);
  if (command == "work") return work(member);
  if (command == "enqueue") return enqueue(member, words.at(1), to_int64(words.at(2)).value_or(0));
  if (command == "schedule") return schedule(member);
  if (command == "unschedule")
    return member.await(member.cluster->schedules().remove(member.ctx, "tick"));
  return report(member);
}

}  // namespace
}  // namespace halcyon

int main(int argc, char** argv) {
  // Before any thread: they inherit it, so that sigwait gets the signal.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  if (argc < 2) return 2;
  const halcyon::Status done = halcyon::act({argv + 1, argv + argc});
  if (done) return 0;
  std::cerr << done.error().id << ": " << done.error().message << ' ' << done.error().internal
            << '\n';
  return 1;
}
