// LISTEN on a connection of its own.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "sql/errors.h"
#include "sql/postgres/driver.h"
#include "sql/postgres/driver_core.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql::postgres {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestPause{1000};

// Lives until its last handler ran, so that the Listener may go at any time.
class Listening : public std::enable_shared_from_this<Listening> {
 public:
  Listening(std::shared_ptr<Connector> connector, runtime::IoThread& io,
            Listener::Callback callback, std::function<void()> reconnected)
      : connector_(std::move(connector)),
        connects_(std::make_unique<runtime::BlockingPool>("pg-listen", 1, 10)),
        io_(io),
        callback_(std::move(callback)),
        reconnected_(std::move(reconnected)) {}

  bool connected() const { return connected_; }

  void add(std::string channel) {
    if (std::ranges::find(channels_, channel) != channels_.end()) return;
    channels_.push_back(channel);
    unsent_.push_back(std::move(channel));
    send_next();
    if (!connection_ && !connecting_) keep_connecting(shared_from_this());
  }

  void close() {
    closed_ = true;
    connector_->stop();
    drop();
  }
  bool at_connect() const { return at_connect_; }

 private:
  using Descriptor =
      boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  static runtime::Detached keep_connecting(std::shared_ptr<Listening> self) {
    self->connecting_ = true;
    for (int attempt = 1; !self->closed_; ++attempt) {
      auto work = [connector = self->connector_]() -> Result<ConnectionPtr> {
        auto made = connector->connect(Purpose::kListen, milliseconds(5000));
        if (made) return std::move(*made);
        return fail(std::move(made).error().error);
      };
      self->at_connect_ = true;
      Result<ConnectionPtr> made = co_await self->connects_->run(std::move(work));
      self->at_connect_ = false;
      if (self->closed_) break;
      if (made) {
        self->start(std::move(*made));
        break;
      }
      if (attempt == 1) log_warn("no LISTEN connection", {{"reason", made.error().internal}});
      co_await runtime::sleep_for(std::min(kLongestPause, retry_pause(attempt + 3)));
    }
    self->connecting_ = false;
  }

  void start(ConnectionPtr connection) {
    connection_ = std::move(connection);
    ++attachment_;
    auto& context = *static_cast<boost::asio::io_context*>(io_.native());
    descriptor_.emplace(context.get_executor(), PQsocket(connection_.get()));
    unsent_.assign(channels_.begin(), channels_.end());
    announce_ = true;
    wait_readable();
    send_next();
  }

  // One LISTEN after the other.
  void send_next() {
    if (!connection_ || busy_) return;
    if (unsent_.empty()) {
      if (!std::exchange(announce_, false)) return;
      connected_ = true;
      if (reconnected_) reconnected_();
      return;
    }
    PGconn* pg = connection_.get();
    std::string channel = std::move(unsent_.front());
    unsent_.pop_front();
    char* name = PQescapeIdentifier(pg, channel.c_str(), channel.size());
    std::string sql = "LISTEN " + std::string(name != nullptr ? name : "\"\"");
    PQfreemem(name);
    busy_ = PQsendQuery(pg, sql.c_str()) != 0;
    if (!busy_) return lost();
    write_out();
  }

  void write_out() {
    if (!connection_) return;
    int left = PQflush(connection_.get());
    if (left < 0) return lost();
    if (left == 0) return;
    descriptor_->async_wait(Descriptor::wait_write,
                            [self = shared_from_this(), number = attachment_](auto error) {
                              if (!error && number == self->attachment_) self->write_out();
                            });
  }

  void wait_readable() {
    descriptor_->async_wait(Descriptor::wait_read,
                            [self = shared_from_this(), number = attachment_](auto error) {
                              if (!error && number == self->attachment_) self->read();
                            });
  }

  void read() {
    bool intact = PQconsumeInput(connection_.get()) != 0;
    while (connection_ && busy_ && PQisBusy(connection_.get()) == 0) {
      ResultPtr result(PQgetResult(connection_.get()));
      if (!result) busy_ = false;
    }
    deliver();
    if (!connection_) return;  // closed by a callback
    if (!intact || PQstatus(connection_.get()) == CONNECTION_BAD) return lost();
    wait_readable();
    send_next();
  }

  void deliver() {
    auto self = shared_from_this();
    while (connection_) {
      std::unique_ptr<PGnotify, void (*)(void*)> note(PQnotifies(connection_.get()), PQfreemem);
      if (!note) return;
      callback_(note->relname, note->extra);
    }
  }

  void drop() {
    ++attachment_;
    if (descriptor_) descriptor_->release();
    descriptor_.reset();
    connection_.reset();
    connected_ = busy_ = false;
  }

  void lost() {
    log_warn("LISTEN connection lost", {{"reason", trim(PQerrorMessage(connection_.get()))}});
    drop();
    if (!closed_ && !connecting_) keep_connecting(shared_from_this());
  }

  std::shared_ptr<Connector> connector_;
  std::unique_ptr<runtime::BlockingPool> connects_;
  runtime::IoThread& io_;
  Listener::Callback callback_;
  std::function<void()> reconnected_;
  ConnectionPtr connection_;
  std::optional<Descriptor> descriptor_;
  uint64_t attachment_ = 0;
  std::vector<std::string> channels_;
  std::deque<std::string> unsent_;
  std::atomic<bool> connected_{false}, at_connect_{false};
  bool connecting_ = false, closed_ = false, busy_ = false, announce_ = false;
};

class PostgresListener final : public Listener {
 public:
  PostgresListener(std::shared_ptr<Listening> listening, runtime::IoThread& io)
      : listening_(std::move(listening)), io_(io) {}
  ~PostgresListener() override { close(); }

  void listen(std::string channel) override {
    io_.post([listening = listening_, channel = std::move(channel)]() mutable {
      listening->add(std::move(channel));
    });
  }
  bool connected() const override { return listening_->connected(); }
  bool connecting() const override { return listening_->at_connect(); }

  void close() override {
    if (std::exchange(closed_, true)) return;
    if (runtime::IoThread::current() == &io_) return listening_->close();
    std::promise<void> done;
    io_.post([listening = listening_, &done] {
      listening->close();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  std::shared_ptr<Listening> listening_;
  runtime::IoThread& io_;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Listener>> open_listener(const Options& options, runtime::IoThread& io,
                                                Listener::Callback callback,
                                                std::function<void()> reconnected) {
  TRY(std::shared_ptr<Connector> connector, Connector::create(options));
  auto listening = std::make_shared<Listening>(std::move(connector), io, std::move(callback),
                                               std::move(reconnected));
  return std::make_unique<PostgresListener>(std::move(listening), io);
}

}  // namespace halcyon::sql::postgres
