// Replicas with realtime on one test database, and clients of it, in one process. For the tests of
// this folder.
//
//   auto a = node(), b = node();
//   Client client(*a);
//   client.sign_in("mia");
//   EXPECT_EQ(client.subscribe("notes"), ...);
//   b->create("notes", R"({"title":"x"})");
//   json::Object told = client.hear("records:changed");
//
// Thread rule: the test's own thread.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "access/testing.h"
#include "cluster/cluster.h"
#include "features/realtime/realtime.h"

namespace halcyon::features::realtime::testing {

// Both ends of a socket without a network between.
class Wire final : public net::WebSocket {
 public:
  Task<Result<std::string>> read() override {
    co_await runtime::Suspend([this](std::move_only_function<void()> resume) {
      std::unique_lock lock(mutex_);
      if (said_.empty() && !closed_) {
        waiting_ = std::move(resume);
        return;
      }
      lock.unlock();
      resume();
    });
    std::lock_guard lock(mutex_);
    if (said_.empty()) co_return fail(Code::kUnavailable, "WEBSOCKET_CLOSED", "closed");
    std::string text = std::move(said_.front());
    said_.pop_front();
    co_return text;
  }
  void send(std::string text) override {
    std::lock_guard lock(mutex_);
    heard_.push_back(std::move(text));
    changed_.notify_all();
  }
  size_t queued() const override { return stuck; }
  void close(int, std::string) override { hang_up(); }

  // The client's end.
  void say(std::string text) {
    std::unique_lock lock(mutex_);
    said_.push_back(std::move(text));
    wake(lock);
  }
  void hang_up() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    wake(lock);
  }
  // The next message, or "" after `patience`.
  std::string hear(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [this] { return !heard_.empty(); });
    if (heard_.empty()) return "";
    std::string text = std::move(heard_.front());
    heard_.pop_front();
    return text;
  }

  std::atomic<size_t> stuck{0};  // bytes that the client does not take

 private:
  void wake(std::unique_lock<std::mutex>& lock) {
    auto resume = std::exchange(waiting_, {});
    lock.unlock();
    if (resume) resume();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> said_, heard_;
  std::move_only_function<void()> waiting_;
  bool closed_ = false;
};

// The server's end belongs to the server, as a real socket does.
class WireEnd final : public net::WebSocket {
 public:
  explicit WireEnd(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  Task<Result<std::string>> read() override { return wire_->read(); }
  void send(std::string text) override { wire_->send(std::move(text)); }
  size_t queued() const override { return wire_->queued(); }
  void close(int code, std::string reason) override { wire_->close(code, std::move(reason)); }

 private:
  std::shared_ptr<Wire> wire_;
};

// One replica.
struct Node {
  sql::testing::TestDatabase& test;
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<cluster::Cluster> cluster;
  std::unique_ptr<schema::Catalog> catalog;
  data::Writer writer;
  std::unique_ptr<access::Access> access;
  std::unique_ptr<Realtime> realtime;
  std::atomic<int> sockets{0};

  explicit Node(sql::testing::TestDatabase& t) : test(t) {}
  ~Node() {
    const auto end = runtime::Clock::now() + std::chrono::seconds(10);
    while (sockets > 0 && runtime::Clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (realtime) test.await(realtime->stop());
    Context ctx;
    if (cluster) test.await(cluster->leave(ctx));
    realtime.reset();
    cluster.reset();
    access.reset();
    catalog.reset();
    if (db) test.await(db->close());
  }
};

class Client {
 public:
  explicit Client(Node& node) : node_(node) {
    ++node_.sockets;
    runtime::start(node_.test.io().thread(1),
                   node_.realtime->serve(std::make_unique<WireEnd>(wire_)),
                   [&node] { --node.sockets; });
  }
  ~Client() { wire_->hang_up(); }

  Wire& wire() { return *wire_; }
  void say(std::string_view type, json::Object payload) {
    wire_->say(json::dump(json::Object{{"type", type}, {"payload", std::move(payload)}}));
  }
  // The payload of the next message, which must be of this type; positions are passed over.
  json::Object hear(std::string_view type,
                    std::chrono::milliseconds patience = std::chrono::seconds(15)) {
    while (true) {
      const std::string text = wire_->hear(patience);
      const auto message = json::parse(text);
      if (!message) {
        ADD_FAILURE() << "nothing was heard, waiting for " << type;
        return {};
      }
      const json::Object& object = message->get_object();
      const std::string heard = json::get_string(object, "type");
      if (heard == "records:position" && type != heard) continue;
      EXPECT_EQ(heard, type) << text;
      const json::Object* payload = json::get_object(object, "payload");
      return payload == nullptr ? json::Object() : *payload;
    }
  }
  void expect_silence(std::chrono::milliseconds patience = std::chrono::milliseconds(300)) {
    EXPECT_EQ(wire_->hear(patience), "");
  }
  void sign_in(const std::string& token, const std::string& role = "") {
    say("auth:token", {{"token", token}, {"authenticator", "basic"}, {"role", role}});
    hear("authorized");
  }
  // Where it begins.
  int64_t subscribe(std::string_view collection, json::Object more = {}) {
    more["id"] = 1;
    more["collection"] = collection;
    say("records:subscribe", std::move(more));
    return json::get_int(hear("records:subscribed"), "seq");
  }
  // The code of the refusal.
  std::string refused(json::Object payload) {
    payload["id"] = 1;
    say("records:subscribe", std::move(payload));
    return json::get_string(hear("records:error"), "code");
  }
  // "create 1 {...} destroy 2": what the next message says was changed.
  std::string changes() { return changes_of(hear("records:changed")); }
  static std::string changes_of(const json::Object& payload) {
    std::string text;
    const json::Array* list = json::get_array(payload, "changes");
    if (list == nullptr) return "none";
    for (const json::Value& item : *list) {
      const json::Object& change = item.get_object();
      if (!text.empty()) text += ' ';
      text += json::get_string(change, "action") + " " + json::dump(*json::find(change, "key"));
      if (const json::Value* record = json::find(change, "record")) {
        text += " " + json::dump(*record);
      }
    }
    return text;
  }

 private:
  Node& node_;
  std::shared_ptr<Wire> wire_ = std::make_shared<Wire>();
};

class RealtimeTest : public access::testing::AccessTest {
 protected:
  void SetUp() override {
    AccessTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    make(R"({"name":"notes","fields":[
        {"name":"id","type":"bigInt","primaryKey":true,"autoIncrement":true},
        {"name":"title","type":"string"},{"name":"secret","type":"string"},
        {"name":"level","type":"integer"},{"name":"createdById","type":"bigInt"}]})");
  }

  cluster::Options options(std::chrono::milliseconds life = std::chrono::minutes(10)) {
    cluster::Options o;
    o.host = "test";
    o.version = "1";
    o.lease_ttl = std::chrono::seconds(10);
    o.message_life = life;
    return o;
  }

  std::unique_ptr<Node> node(cluster::Options o, Limits limits = {}) {
    auto n = std::make_unique<Node>(database());
    n->db = database().open_another();
    Context time;
    auto joined = await(cluster::Cluster::join(*n->db, database().io(), std::move(o), time));
    if (!joined) throw std::runtime_error(joined.error().id + joined.error().internal);
    n->cluster = std::move(*joined);
    n->catalog = open_catalog(*n->db);
    must_be(await(n->catalog->refresh(time)));
    n->access = std::make_unique<access::Access>(*n->db, *n->catalog, n->writer, hashing_,
                                                 access_settings());
    n->writer.listeners.push_back(&n->access->listener());
    cluster::Bus& bus = n->cluster->bus();
    n->access->join(bus);
    n->catalog->on_change([&bus](const Context& ctx, sql::Transaction& tx, const schema::Snapshot&,
                                 const schema::Snapshot& after) -> Task<Status> {
      json::Object payload{{"generation", after.generation}};
      co_return co_await bus.publish(ctx, tx, "model", std::move(payload),
                                     cluster::Delivery::kConfirmed);
    });
    bus.subscribe("model", [c = n->catalog.get()](const cluster::Message&) -> Task<Status> {
      Context ctx;
      co_return co_await c->refresh(ctx);
    });
    n->realtime =
        std::make_unique<Realtime>(Parts{*n->db, *n->catalog, *n->access, bus,
                                         n->cluster->interests(), database().io().thread(0)},
                                   limits);
    n->writer.listeners.push_back(&n->realtime->listener());
    must_be(await(n->cluster->start(time)));
    return n;
  }
  std::unique_ptr<Node> node() { return node(options()); }

  static void must_be(const Status& status) {
    EXPECT_TRUE(status) << status.error().id << " " << status.error().message << " "
                        << status.error().internal;
  }

  // A signed-in session of a new account with these roles.
  std::string account(Node& at, const std::string& name, const std::string& roles) {
    write(at, &data::Writer::create, "users",
          R"({"username":")" + name + R"(","password":"a-good-secret","roles":)" + roles + "}");
    return token(at, name, "a-good-secret");
  }
  std::string token(Node& at, const std::string& name, const std::string& password) {
    Context time;
    json::Object values{{"account", name}, {"password", password}};
    auto session = await(at.access->sign_in(time, "basic", std::move(values)));
    EXPECT_TRUE(session) << (session ? "" : session.error().message + session.error().internal);
    return session ? json::get_string(session->get_object(), "token") : "";
  }
  std::string root(Node& at) { return token(at, "root", "first-password"); }

  using Action = Task<Result<data::Answer>> (data::Writer::*)(const data::Call&, data::Target,
                                                              data::Params);
  // As the server itself; everyone has confirmed when it returns. The record(s) it answers.
  json::Value write(Node& at, Action action, const std::string& collection, std::string_view values,
                    json::Value key = {}) {
    Context time;
    auto answer = await(write_task(at, time, action, collection, std::string(values), key));
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().message + answer.error().internal);
    return answer ? *json::parse(answer->data) : json::Value();
  }
  static Task<Result<data::Answer>> write_task(Node& at, const Context& ctx, Action action,
                                               std::string collection, std::string values,
                                               json::Value key, json::Value filter = {}) {
    const data::Caller nobody;
    const data::Call call{ctx, at.catalog->snapshot(), *at.db, nobody, data::unrestricted()};
    data::Target target;
    target.collection = call.model->find(collection);
    data::Params params;
    params.values = *json::parse(values);
    params.filter_by_tk = std::move(key);
    params.filter = std::move(filter);
    CO_TRY(data::Answer answer, co_await (at.writer.*action)(call, target, std::move(params)));
    CO_TRY_STATUS(co_await at.cluster->bus().settle(ctx));
    co_return answer;
  }
  int64_t create(Node& at, const std::string& collection, std::string_view values) {
    const json::Value made = write(at, &data::Writer::create, collection, values);
    return made.is_object() ? json::get_int(made.get_object(), "id") : 0;
  }
  void update(Node& at, const std::string& collection, int64_t id, std::string_view values) {
    write(at, &data::Writer::update, collection, values, id);
  }
  void destroy_where(Node& at, const std::string& collection, std::string_view filter) {
    Context time;
    auto done = await(
        write_task(at, time, &data::Writer::destroy, collection, "null", {}, *json::parse(filter)));
    EXPECT_TRUE(done) << (done ? "" : done.error().message + done.error().internal);
  }
  void destroy(Node& at, const std::string& collection, int64_t id) {
    write(at, &data::Writer::destroy, collection, "null", id);
  }
};

}  // namespace halcyon::features::realtime::testing
