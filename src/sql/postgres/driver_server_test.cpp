// The PostgreSQL driver against servers of its own, which may be stopped, be read-only or speak
// TLS. Skipped where PostgreSQL's programs are not installed.
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "runtime/io.h"
#include "sql/postgres/driver.h"
#include "sql/testing.h"

namespace halcyon::sql::postgres {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using runtime::Clock;

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin/";

int free_port() {
  static int next = 33'000 + getpid() % 5000;
  return next++;
}

std::string read_text(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Server {
 public:
  Server() {
    std::string path = (fs::temp_directory_path() / "halcyon-pg-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = path;
    if (getuid() == 0) shell("chown postgres: '" + path + "'");
    shell(as_user() + kPrograms + "initdb -D " + data() +
          " -U tester -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null 2>&1");
  }
  ~Server() {
    stop(SIGINT);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Server(const Server&) = delete;

  static bool installed() { return fs::exists(std::string(kPrograms) + "initdb"); }

  // A certificate for the name localhost, signed by itself.
  void make_certificate() {
    shell("cd '" + folder_.string() +
          "' && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
          "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null && "
          "chmod 600 key.pem" +
          (getuid() == 0 ? " && chown postgres: key.pem cert.pem" : ""));
  }
  std::string certificate() const { return read_text(folder_ / "cert.pem"); }
  std::string certificate_path() const { return (folder_ / "cert.pem").string(); }

  void start(const std::string& settings = "") {
    pid_ = fork();
    if (pid_ == 0) {
      setsid();
      std::string command = "cd '" + folder_.string() + "' && exec " + as_user() + kPrograms +
                            "postgres -D " + data() + " -k '" + folder_.string() + "' -p " +
                            std::to_string(port) + " -c listen_addresses=127.0.0.1 -c fsync=off " +
                            settings + " >>log 2>&1";
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    std::string ready =
        std::string(kPrograms) + "pg_isready -q -h 127.0.0.1 -p " + std::to_string(port);
    for (int i = 0; i < 200; ++i) {
      if (std::system(ready.c_str()) == 0) return;
      std::this_thread::sleep_for(50ms);
    }
    throw std::runtime_error("PostgreSQL did not start: " + read_text(folder_ / "log"));
  }
  void stop(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  const int port = free_port();

 private:
  static std::string as_user() {
    return getuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups -- " : "";
  }
  std::string data() const { return "'" + (folder_ / "data").string() + "'"; }
  static void shell(const std::string& command) {
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  }

  fs::path folder_;
  pid_t pid_ = 0;
};

class PostgresServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Server::installed()) return;
    if (testing::all_required()) FAIL() << "PostgreSQL's programs are not installed";
    GTEST_SKIP() << "PostgreSQL's programs are not installed";
  }
  Options options_for(const std::string& host, int port) {
    Options options;
    options.dialect = DialectKind::kPostgres;
    options.host = host;
    options.port = port;
    options.user = "tester";
    options.database = "postgres";
    options.failover_wait_ms = 15'000;
    return options;
  }
  template <class T>
  T await(Task<T> task) {
    return runtime::run(io_.thread(0), std::move(task));
  }
  Result<std::unique_ptr<Database>> open(const Options& options) {
    return await(open_postgres(options, io_));
  }
  Result<Rows> run(Database& db, const char* text) {
    return await(db.run(ctx_, testing::statement(db.dialect(), text)));
  }
  // The error of connecting, or whether the connection is encrypted ("true" or "false").
  std::string connect_with(const Options& options) {
    auto db = open(options);
    if (!db) return db.error().internal;
    auto rows = run(**db, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    std::string answer = rows ? std::string(rows->cell(0, 0).text()) : rows.error().internal;
    // More than one TLS record and than libpq's buffer.
    auto large = run(**db, "SELECT repeat('0123456789', 5000) FROM generate_series(1, 200)");
    if (!large || large->size() != 200) answer += " but no large answer";
    await((*db)->close());
    return answer;
  }

  runtime::IoPool io_{2};
  Context ctx_;
};

TEST_F(PostgresServerTest, TlsIsVerifiedUnlessToldOtherwise) {
  Server server;
  Server stranger;
  server.make_certificate();
  stranger.make_certificate();
  server.start("-c ssl=on -c ssl_cert_file=../cert.pem -c ssl_key_file=../key.pem");
  Options options = options_for("localhost", server.port);
  EXPECT_EQ(connect_with(options), "true");  // "prefer" takes what it gets

  options.ssl_ca = server.certificate();
  EXPECT_EQ(connect_with(options), "true");
  for (size_t at = 0; (at = options.ssl_ca.find('\n', at)) != std::string::npos;) {
    options.ssl_ca.replace(at, 1, "\\n");  // as it looks in the environment
  }
  EXPECT_EQ(connect_with(options), "true");
  options.ssl_ca = server.certificate_path();
  EXPECT_EQ(connect_with(options), "true");

  options.ssl_ca = stranger.certificate();
  auto start = Clock::now();
  EXPECT_TRUE(connect_with(options).contains("certificate verify failed"));
  EXPECT_LT(Clock::now() - start, 5s);  // waiting would not help
  options.ssl_reject_unauthorized = false;
  EXPECT_EQ(connect_with(options), "true");

  Options by_address = options_for("127.0.0.1", server.port);
  by_address.ssl_ca = server.certificate();
  EXPECT_TRUE(connect_with(by_address).contains("does not match")) << "the name counts";
  by_address.ssl_mode = "verify-ca";
  EXPECT_EQ(connect_with(by_address), "true");
  by_address.ssl_mode = "disable";
  EXPECT_EQ(connect_with(by_address), "false");
  by_address.ssl_mode = "nonsense";
  EXPECT_FALSE(open(by_address));
}

TEST_F(PostgresServerTest, ARestartCostsAWait) {
  Server server;
  server.start();
  auto db = open(options_for("127.0.0.1", server.port));
  ASSERT_TRUE(db) << db.error().internal;
  ASSERT_TRUE(run(**db, "CREATE TABLE t (id BIGINT)"));
  for (int signal : {SIGINT, SIGQUIT}) {  // in good order, and as after a crash
    std::atomic<int> failed{0}, done{0};
    std::atomic<bool> stop{false};
    auto read = [&]() -> Task<Status> {
      while (!stop.load()) {
        auto rows =
            co_await (*db)->run(ctx_, testing::statement((*db)->dialect(), "SELECT 1 AS one"));
        (rows ? done : failed).fetch_add(1);
      }
      co_return Status{};
    };
    std::vector<std::future<Status>> running;
    for (size_t i = 0; i < 8; ++i) {
      auto promise = std::make_shared<std::promise<Status>>();
      running.push_back(promise->get_future());
      runtime::start(io_.thread(i % 2), read(), [promise](Status s) { promise->set_value(s); });
    }
    while (done.load() < 100) std::this_thread::sleep_for(1ms);
    server.stop(signal);
    std::this_thread::sleep_for(700ms);
    server.start();
    auto up = Clock::now();
    int before = done.load();
    while (done.load() < before + 8 && Clock::now() - up < 10s) std::this_thread::sleep_for(1ms);
    EXPECT_LT(Clock::now() - up, 3s);
    stop = true;
    for (auto& task : running) EXPECT_TRUE(task.get());
    EXPECT_EQ(failed.load(), 0);
    auto written = run(**db, "INSERT INTO t (id) VALUES (1)");
    EXPECT_TRUE(written) << written.error().internal;
  }
  await((*db)->close());
}

TEST_F(PostgresServerTest, TheServerThatTakesWritesIsFollowed) {
  Server first, second;
  first.start();
  second.start("-c default_transaction_read_only=on");
  Options options = options_for(
      "127.0.0.1:" + std::to_string(second.port) + ",127.0.0.1:" + std::to_string(first.port), 0);
  auto db = open(options);
  ASSERT_TRUE(db) << db.error().internal;
  EXPECT_TRUE(run(**db, "CREATE TABLE t (id BIGINT)"));
  EXPECT_TRUE(run(**db, "SELECT * FROM t"));
  // The roles change.
  first.stop(SIGINT);
  second.stop(SIGINT);
  second.start();
  auto created = run(**db, "CREATE TABLE t (id BIGINT)");
  EXPECT_TRUE(created) << created.error().internal;
  auto read = run(**db, "SELECT * FROM t");
  EXPECT_TRUE(read) << read.error().internal;
  await((*db)->close());
}

// Threads of this process with this name.
int threads_called(const std::string& name) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "comm");
    std::string found;
    if (std::getline(file, found) && found == name) ++count;
  }
  return count;
}

// Takes connections on a port and never says a word.
class Mute {
 public:
  explicit Mute(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(socket_, 100) != 0) {
      throw std::runtime_error("no socket");
    }
  }
  ~Mute() { ::close(socket_); }
  Mute(const Mute&) = delete;

 private:
  const int socket_;
};

// The io threads may go as soon as close() has returned, even when it was called amid connecting.
TEST_F(PostgresServerTest, CloseEndsConnectsUnderWay) {
  Server server;
  server.start();
  runtime::IoPool io(2);
  auto db = runtime::run(io.thread(0), open_postgres(options_for("127.0.0.1", server.port), io));
  ASSERT_TRUE(db) << db.error().internal;
  (*db)->on_hint("some", [](auto&&...) {});
  server.stop(SIGINT);
  Mute mute(server.port);
  Context brief;
  brief.deadline = Clock::now() + 300ms;
  auto read = testing::statement((*db)->dialect(), "SELECT 1 AS one");
  EXPECT_FALSE(runtime::run(io.thread(0), (*db)->run(brief, std::move(read))));
  EXPECT_GT(threads_called("pg-connect"), 0);
  const auto begun = Clock::now();
  runtime::run(io.thread(0), (*db)->close());
  EXPECT_LT(Clock::now() - begun, 2s);  // one connect may take 5 s
  db->reset();
  io.stop();
  EXPECT_EQ(threads_called("pg-connect"), 0);
  EXPECT_EQ(threads_called("pg-listen"), 0);
}

TEST_F(PostgresServerTest, WithoutAServerCallsGiveUpInTime) {
  Server server;
  server.start();
  Options options = options_for("127.0.0.1", server.port);
  options.failover_wait_ms = 600;
  auto db = open(options);
  ASSERT_TRUE(db) << db.error().internal;
  server.stop(SIGINT);
  for (const char* text : {"SELECT 1", "CREATE TABLE t (id BIGINT)"}) {
    auto start = Clock::now();
    auto rows = run(**db, text);
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().id, "DATABASE_UNAVAILABLE") << rows.error().internal;
    EXPECT_LT(Clock::now() - start, 3s);
  }
  EXPECT_FALSE(await((*db)->ping(ctx_)));
  await((*db)->close());
}

}  // namespace
}  // namespace halcyon::sql::postgres
