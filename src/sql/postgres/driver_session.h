// One connection in pipeline mode: statements go out without waiting for the answers of those
// before. Lanes and the pool are built on it. Only for sql/postgres.
//
//   struct MyCall : Session::Call { void finished() override {...} };
//   session->send(call);          // any number of them
//   session->sync();              // ends an implicit transaction: an error reaches no further
//   session->flush();             // call.finished() follows, with call.outcome
//
// Thread rule: one io thread, the one it is attached to. Between detach() and attach() it may be
// handed to another.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/blocking_pool.h"
#include "runtime/io.h"
#include "sql/postgres/driver_connect.h"
#include "sql/postgres/driver_values.h"

namespace halcyon::sql::postgres {

class Session : public std::enable_shared_from_this<Session> {
 public:
  enum class Outcome {
    kAnswered,
    kFailed,       // the server refused it: nothing was done
    kNotExecuted,  // a neighbour's error or the lost connection kept it from being done
    kStale,        // the same, because the prepared statement no longer fits; send it again
    kSlow,         // not sent: it takes too long to share a connection
    kUnknown,      // a write whose answer was lost
    kTimeout,      // given up at its deadline
  };

  // A statement under way; it must live until finished() or withdraw.
  struct Call {
    const Statement* statement = nullptr;
    const Context* ctx = nullptr;
    bool typed_text = false;      // text as text, where the server could not infer a type
    bool short_only = false;      // kSlow rather than keep the neighbours waiting
    bool at_sync = false;         // finish when the Sync was answered, that is after the commit
    bool in_transaction = false;  // undone if the connection is lost
    bool one_way = false;         // never known to be undone (COMMIT)
    Outcome outcome = Outcome::kAnswered;
    Rows rows;           // kAnswered
    Error error;         // the other outcomes
    char state[6] = {};  // SQLSTATE of kFailed

    virtual void finished() = 0;

   protected:
    ~Call() = default;

   private:
    friend class Session;
    bool settled = false;  // outcome is known
    bool given_up = false;
    runtime::Clock::time_point given_up_at = {};
  };

  struct Owner {
    virtual void on_progress() = 0;  // answers came: there is room for more
    virtual void on_lost(const Error& reason) = 0;

   protected:
    ~Owner() = default;
  };

  Session(ConnectionPtr connection, runtime::BlockingPool& cancels);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // `owner` may be null and must outlive the attachment.
  void attach(runtime::IoThread& io, Owner* owner);
  void detach();

  // False when it could not even be sent: it finishes with the reason.
  bool send(Call& call);
  void skip(Call& call, Error reason);  // finishes it without sending
  void send_begin();
  void tidy();  // names the server may forget; not within a transaction
  void sync();
  void flush();
  // Several sends and syncs as one packet.
  void begin_batch();
  void end_batch();

  size_t under_way() const { return calls_; }
  bool lost() const { return !connection_; }
  // Fit for another user: nothing under way, no transaction, no cancellation that could still hit.
  bool is_clean() const;
  // False when the server closed it meanwhile. Costs no round trip.
  bool is_alive();
  // Closes it; calls under way finish as after a lost connection.
  void abandon(const Error& reason) { lose(reason); }

  int uses = 0;                                // by the pool
  runtime::Clock::time_point idle_since = {};  // by the pool

 private:
  using Time = runtime::Clock::time_point;
  using Descriptor =
      boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  // A statement text (with types of parameters) that was seen on this connection.
  struct Seen {
    std::string text;
    std::vector<Oid> types;
    std::string name;     // once prepared
    uint64_t number = 0;  // of the name
    int uses = 0;
    Time slow_until = {};
    std::list<Seen*>::iterator age;
  };
  enum class Kind : uint8_t { kPrepare, kQuery, kSync };
  struct Op {
    Kind kind;
    bool answered = false;
    bool is_call = false;  // it counts in calls_, even when the call was given up
    Call* call = nullptr;
    Seen* seen = nullptr;
    uint64_t name = 0;  // the statement's name it was sent with, 0 for none
  };

  Seen& look_up(const std::string& text);
  void evict();
  void forget(Seen& seen);
  bool prepare(Seen& seen, Call* call);
  void push(Kind kind, Call* call, Seen* seen);
  void pop();

  void wait_readable();
  void wait_writable();
  void read();
  void drain();
  bool needs_another_read();
  void take(ResultPtr result);
  void take_answer(Op& op, ResultPtr result);
  void take_error(Op& op, const PGresult* result);
  void settle(Call& call, Outcome outcome, Error error = {});
  void finish(Call* call);
  void deliver();
  void lose(Error reason);
  void lose_call(const Op& op, bool is_head, const Error& reason);

  void watch();
  void on_tick();
  void check_head(Time now);
  static void mark_slow(Op& op);
  void mark_if_slow(Op& op);
  void give_up(Op& op, Time now);
  void cancel();

  ConnectionPtr connection_;
  runtime::BlockingPool& cancels_;
  runtime::IoThread* io_ = nullptr;
  Owner* owner_ = nullptr;
  std::optional<Descriptor> descriptor_;
  std::atomic<uint64_t> attachment_ = 0;  // handlers of an earlier one do nothing
  bool waiting_for_write_ = false, tls_ = false, can_cork_ = true, corked_ = false;
  bool unsynced_ = false;     // something was sent since the last Sync
  std::string graceful_end_;  // the server said that it ends the session, in good order

  std::vector<Op> ops_;  // from head_ on, in the order of the answers
  size_t head_ = 0;
  size_t calls_ = 0;
  uint64_t popped_ = 0;
  std::vector<Call*> finished_;
  bool delivering_ = false;

  bool ticking_ = false;
  uint64_t popped_at_tick_ = 0, cancelled_head_ = UINT64_MAX;
  Time head_since_ = {}, read_at_ = {};
  bool was_cancelled_ = false;

  Parameters parameters_;
  std::unordered_multimap<std::string_view, std::unique_ptr<Seen>> seen_;
  std::list<Seen*> by_age_;  // most recently used first
  uint64_t names_ = 0;
  std::vector<std::string> to_deallocate_;
};

}  // namespace halcyon::sql::postgres
