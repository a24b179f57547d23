#include "features/realtime/realtime.h"

#include <thread>

#include "features/realtime/testing.h"

namespace halcyon::features::realtime {
namespace {

using namespace std::chrono_literals;
using testing::Client;
using testing::Node;

class RealtimeTest : public testing::RealtimeTest {};
HALCYON_INSTANTIATE_DIALECTS(RealtimeTest);

TEST_P(RealtimeTest, ChangesReachSubscribersOfEveryReplica) {
  auto a = node();
  auto b = node();
  Client at_a(*a), at_b(*b);
  const std::string session = root(*a);
  at_a.sign_in(session);
  at_b.sign_in(session);
  const json::Object fields{{"fields", {"id", "title"}}};
  at_a.subscribe("notes", fields);
  const int64_t begin = at_b.subscribe("notes", fields);
  const int64_t id = create(*a, "notes", R"({"title":"one","secret":"s"})");
  update(*b, "notes", id, R"({"title":"two"})");
  destroy(*a, "notes", id);
  const std::string key = std::to_string(id);
  for (Client* client : {&at_a, &at_b}) {
    // What it is when it is told, not what it was: the later change may be in it already.
    const json::Object made = client->hear("records:changed");
    EXPECT_GT(json::get_int(made, "seq"), begin);
    std::string told = Client::changes_of(made);
    while (told.find("destroy") == std::string::npos) told += " | " + client->changes();
    EXPECT_TRUE(told.ends_with("destroy " + key)) << told;
    EXPECT_EQ(told.find("secret"), std::string::npos) << told;
    client->expect_silence();
  }
}

TEST_P(RealtimeTest, EachChangeIsToldOnceAndInOrder) {
  auto a = node();
  Client client(*a);
  client.sign_in(root(*a));
  client.subscribe("notes", {{"fields", {"title"}}});
  const int64_t id = create(*a, "notes", R"({"title":"1"})");
  const std::string key = std::to_string(id);
  EXPECT_EQ(client.changes(), "create " + key + R"( {"title":"1"})");
  update(*a, "notes", id, R"({"title":"2"})");
  EXPECT_EQ(client.changes(), "update " + key + R"( {"title":"2"})");
  update(*a, "notes", id, R"({"title":"2"})");  // changes nothing
  destroy(*a, "notes", id);
  EXPECT_EQ(client.changes(), "destroy " + key);
  // One write, one message, with all of it.
  write(*a, &data::Writer::create, "notes", R"([{"title":"x"},{"title":"y"}])");
  const std::string two = client.changes();
  EXPECT_NE(two.find(R"({"title":"x"} create)"), std::string::npos) << two;
  EXPECT_TRUE(two.ends_with(R"({"title":"y"})")) << two;
  client.say("records:unsubscribe", {{"id", 1}});
  client.subscribe("users", {{"fields", {"id"}}});
  create(*a, "notes", R"({"title":"nobody"})");
  client.expect_silence();
}

TEST_P(RealtimeTest, WhatListRefusesIsRefused) {
  auto a = node();
  Client client(*a);
  EXPECT_EQ(client.refused({{"collection", "notes"}}), "EMPTY_TOKEN");
  client.say("auth:token", {{"token", "nonsense"}});
  EXPECT_EQ(json::get_string(client.hear("unauthorized"), "code"), "INVALID_TOKEN");
  client.sign_in(account(*a, "mia", R"(["member"])"));
  EXPECT_EQ(client.refused({{"collection", "nowhere"}}), "NOT_FOUND");
  EXPECT_EQ(client.refused({{"collection", ""}}), "INVALID_MESSAGE");
  EXPECT_EQ(client.refused({{"collection", "notes"}, {"filter", 5}}), "INVALID_MESSAGE");
  EXPECT_EQ(client.refused({{"collection", "notes"}, {"after", "x"}}), "INVALID_MESSAGE");
  EXPECT_EQ(client.refused({{"collection", "roles"}}), "NO_PERMISSION");
  EXPECT_EQ(client.refused({{"collection", "users"}}), "NO_PERMISSION");
  Client chief(*a);
  chief.sign_in(root(*a));
  EXPECT_EQ(chief.refused({{"collection", "notes"}, {"filter", json::Object{{"nope", 1}}}}),
            "UNKNOWN_FIELD");
  EXPECT_EQ(chief.refused({{"collection", "notes"}, {"fields", {"nope"}}}), "UNKNOWN_FIELD");
  chief.say("records:subscribe", {{"collection", "notes"}});
  EXPECT_EQ(json::get_string(chief.hear("records:error"), "code"), "INVALID_MESSAGE");
  chief.wire().say("{");
  EXPECT_EQ(json::get_string(chief.hear("error"), "code"), "INVALID_MESSAGE");
}

TEST_P(RealtimeTest, ASocketHasALimitOfSubscriptions) {
  Limits limits;
  limits.subscriptions = 2;
  auto a = node(options(), limits);
  Client client(*a);
  client.sign_in(root(*a));
  for (const char* id : {"x", "y", "z"}) {
    client.say("records:subscribe", {{"id", id}, {"collection", "notes"}});
  }
  client.hear("records:subscribed");
  client.hear("records:subscribed");
  const json::Object refused = client.hear("records:error");
  EXPECT_EQ(json::get_string(refused, "code"), "TOO_MANY_SUBSCRIPTIONS");
  EXPECT_EQ(json::get_string(refused, "id"), "z");
}

// ---- what may not be seen

class RightsTest : public testing::RealtimeTest {
 protected:
  void give(Node& at, const std::string& role, const std::string& fields,
            const std::string& scope) {
    write(at, &data::Writer::create, "roles", R"({"name":")" + role + R"(","title":"R"})");
    std::string rights = R"({"name":"view","fields":)" + fields;
    if (!scope.empty()) {
      const int64_t id = create(
          at, "dataSourcesRolesResourcesScopes",
          R"({"key":"s)" + role + R"(","resourceName":"notes","name":"s","scope":)" + scope + "}");
      rights += R"(,"scopeId":)" + std::to_string(id);
    }
    resource_ = create(at, "dataSourcesRolesResources",
                       R"({"name":"notes","roleName":")" + role +
                           R"(","dataSourceKey":"main","usingActionsConfig":true,"actions":[)" +
                           rights + "}]}");
  }
  int64_t resource_ = 0;
};
HALCYON_INSTANTIATE_DIALECTS(RightsTest);

TEST_P(RightsTest, OnlyFieldsAndRowsOfTheUserAreTold) {
  auto a = node();
  auto b = node();
  give(*a, "reader", R"(["title"])", R"({"level":{"$lt":5}})");
  Client mia(*b), chief(*b);
  mia.sign_in(account(*a, "mia", R"(["reader"])"), "reader");
  chief.sign_in(root(*a));
  mia.subscribe("notes");
  chief.subscribe("notes", {{"fields", {"title", "secret", "level"}}});

  const int64_t low = create(*a, "notes", R"({"title":"low","secret":"s","level":1})");
  const std::string key = std::to_string(low);
  const std::string made = mia.changes();
  EXPECT_NE(made.find(R"("title":"low")"), std::string::npos) << made;
  EXPECT_EQ(made.find("secret"), std::string::npos) << made;
  EXPECT_EQ(made.find("level"), std::string::npos) << made;
  EXPECT_EQ(chief.changes(), "create " + key + R"( {"title":"low","secret":"s","level":1})");

  // A row that she may not see is not there, whatever happens to it.
  const int64_t high = create(*b, "notes", R"({"title":"high","level":9})");
  update(*a, "notes", high, R"({"title":"higher"})");
  destroy(*a, "notes", high);
  chief.changes();
  std::string rest = chief.changes();
  while (rest.find("destroy") == std::string::npos) rest = chief.changes();
  mia.expect_silence();

  // Out of her sight, and back.
  update(*a, "notes", low, R"({"level":7})");
  EXPECT_EQ(mia.changes(), "leave " + key);
  update(*b, "notes", low, R"({"secret":"t"})");
  mia.expect_silence();
  update(*b, "notes", low, R"({"level":2})");
  EXPECT_NE(mia.changes().find("update " + key + R"( {"id":)" + key), std::string::npos);
  destroy(*a, "notes", low);
  EXPECT_EQ(mia.changes(), "destroy " + key);
  // By what she may not read she may not ask either.
  mia.say("records:unsubscribe", {{"id", 1}});
  EXPECT_EQ(mia.refused({{"collection", "notes"}, {"filter", json::Object{{"secret", "s"}}}}),
            "FIELD_NOT_READABLE");
}

TEST_P(RightsTest, OwnRowsAreTheUsersOwn) {
  auto a = node();
  give(*a, "writer", "[]", R"({"createdById":{"$eq":"{{ctx.state.currentUser.id}}"}})");
  Client mia(*a), tom(*a);
  mia.sign_in(account(*a, "mia", R"(["writer"])"), "writer");
  tom.sign_in(account(*a, "tom", R"(["writer"])"), "writer");
  mia.subscribe("notes", {{"fields", {"title"}}});
  tom.subscribe("notes", {{"fields", {"title"}}});
  const json::Array users = find("users", R"({"username":"mia"})");
  const std::string of_mia = std::to_string(json::get_int(users[0].get_object(), "id"));
  const int64_t id = create(*a, "notes", R"({"title":"hers","createdById":)" + of_mia + "}");
  EXPECT_EQ(mia.changes(), "create " + std::to_string(id) + R"( {"title":"hers"})");
  tom.expect_silence();
}

// Conditions on other records are for the database; what it cannot know is not guessed.
TEST_P(RightsTest, ScopesOverRelations) {
  make(R"({"name":"teams","fields":[
      {"name":"id","type":"bigInt","primaryKey":true,"autoIncrement":true},
      {"name":"open","type":"boolean"}]})");
  auto a = node();
  ASSERT_TRUE(await(a->catalog->create_field(
      ctx(), "notes",
      schema::testing::object(
          R"({"name":"team","type":"belongsTo","target":"teams","foreignKey":"teamId"})"))));
  give(*a, "reader", R"(["title","team"])", R"({"team":{"open":true}})");
  const int64_t open = create(*a, "teams", R"({"open":true})");
  const int64_t shut = create(*a, "teams", R"({"open":false})");
  Client mia(*a);
  mia.sign_in(account(*a, "mia", R"(["reader"])"), "reader");
  mia.subscribe("notes", {{"fields", {"title"}}});
  const int64_t id = create(*a, "notes", R"({"title":"in","teamId":)" + std::to_string(open) + "}");
  EXPECT_EQ(mia.changes(), "create " + std::to_string(id) + R"( {"title":"in"})");
  create(*a, "notes", R"({"title":"out","teamId":)" + std::to_string(shut) + "}");
  mia.expect_silence();
  update(*a, "notes", id, R"({"teamId":)" + std::to_string(shut) + "}");
  mia.hear("records:stale");
  // So with a filter over a relation.
  Client chief(*a);
  chief.sign_in(root(*a));
  chief.subscribe("notes", {{"fields", {"title"}}, {"filter", {{"team.open", true}}}});
  update(*a, "notes", id, R"({"teamId":)" + std::to_string(open) + "}");
  EXPECT_EQ(chief.changes(), "update " + std::to_string(id) + R"( {"title":"in"})");
}

TEST_P(RightsTest, P5ChangedRightsCountForOpenSockets) {
  auto a = node();
  auto b = node();
  give(*a, "reader", R"(["title","secret"])", "");
  Client mia(*b);
  mia.sign_in(account(*a, "mia", R"(["reader"])"), "reader");
  mia.subscribe("notes");
  create(*a, "notes", R"({"title":"one","secret":"s"})");
  EXPECT_NE(mia.changes().find("secret"), std::string::npos);
  // When the call has returned nothing more of it is told.
  const json::Array actions = find("dataSourcesRolesResourcesActions",
                                   R"({"rolesResourceId":)" + std::to_string(resource_) + "}");
  ASSERT_EQ(actions.size(), 1u);
  update(*a, "dataSourcesRolesResourcesActions", json::get_int(actions[0].get_object(), "id"),
         R"({"fields":["title"]})");
  create(*a, "notes", R"({"title":"two","secret":"s"})");
  mia.hear("records:resync");
  const std::string told = mia.changes();
  EXPECT_NE(told.find("two"), std::string::npos) << told;
  EXPECT_EQ(told.find("secret"), std::string::npos) << told;
  // Without the right the subscription ends.
  destroy(*a, "dataSourcesRolesResources", resource_);
  create(*a, "notes", R"({"title":"three"})");
  EXPECT_EQ(json::get_string(mia.hear("records:error"), "code"), "NO_PERMISSION");
  create(*a, "notes", R"({"title":"four"})");
  mia.expect_silence();
}

TEST_P(RightsTest, P5WhoSignsOutHearsNothingMore) {
  auto a = node();
  auto b = node();
  Client chief(*b), other(*b);
  const std::string session = root(*a);
  chief.sign_in(session);
  other.sign_in(root(*a));
  chief.subscribe("notes");
  other.subscribe("notes");
  Context time;
  auto who = await(a->access->identify(time, {session, "basic", ""}, true));
  ASSERT_TRUE(who);
  must_be(await(a->access->sign_out(time, **who)));
  must_be(await(a->cluster->bus().settle(time)));
  create(*a, "notes", R"({"title":"one"})");
  EXPECT_EQ(json::get_string(chief.hear("records:error"), "code"), "BLOCKED_TOKEN");
  EXPECT_EQ(json::get_string(chief.hear("unauthorized"), "code"), "BLOCKED_TOKEN");
  other.changes();
  chief.expect_silence();
  EXPECT_EQ(chief.refused({{"collection", "notes"}}), "EMPTY_TOKEN");
}

TEST_P(RightsTest, P5ARoleTakenAwayCountsForItsUser) {
  auto a = node();
  auto b = node();
  give(*a, "reader", "[]", "");
  Client mia(*b), tom(*b);
  mia.sign_in(account(*a, "mia", R"(["reader","member"])"), "reader");
  tom.sign_in(account(*a, "tom", R"(["reader"])"), "reader");
  mia.subscribe("notes");
  tom.subscribe("notes");
  const json::Array users = find("users", R"({"username":"mia"})");
  const std::string id = std::to_string(json::get_int(users[0].get_object(), "id"));
  destroy_where(*a, "rolesUsers", R"({"userId":)" + id + R"(,"roleName":"reader"})");
  create(*a, "notes", R"({"title":"one"})");
  EXPECT_EQ(json::get_string(mia.hear("records:error"), "code"), "ROLE_NOT_FOUND_FOR_USER");
  mia.hear("unauthorized");
  EXPECT_NE(tom.changes().find("one"), std::string::npos);
  mia.expect_silence();
}

TEST_P(RightsTest, TheModelMayChange) {
  auto a = node();
  Client client(*a);
  client.sign_in(root(*a));
  client.subscribe("notes");
  Context time;
  ASSERT_TRUE(await(a->catalog->destroy_field(time, "notes", "secret")));
  must_be(await(a->cluster->bus().settle(time)));
  create(*a, "notes", R"({"title":"one"})");
  client.hear("records:resync");
  EXPECT_EQ(client.changes().find("secret"), std::string::npos);
  ASSERT_TRUE(await(a->catalog->destroy_collection(time, "notes", false)));
  must_be(await(a->cluster->bus().settle(time)));
}

// ---- coming back

TEST_P(RealtimeTest, WhoComesBackIsToldWhatItMissedOnAnyReplica) {
  auto a = node();
  auto b = node();
  const json::Object fields{{"fields", {"title"}}};
  int64_t seq = 0;
  {
    Client client(*a);
    client.sign_in(root(*a));
    client.subscribe("notes", fields);
    create(*a, "notes", R"({"title":"0"})");
    seq = json::get_int(client.hear("records:changed"), "seq");
  }
  for (int i = 1; i <= 5; ++i) {
    create(i % 2 == 0 ? *a : *b, "notes", R"({"title":")" + std::to_string(i) + R"("})");
  }
  // c never saw the messages come by: it reads them from the bus.
  auto c = node();
  for (Node* at : {a.get(), b.get(), c.get()}) {
    Client client(*at);
    client.sign_in(root(*at));
    json::Object more = fields;
    more["after"] = seq;
    EXPECT_EQ(client.subscribe("notes", std::move(more)), seq);
    int64_t last = seq;
    for (int i = 1; i <= 5; ++i) {
      const json::Object told = client.hear("records:changed");
      EXPECT_NE(Client::changes_of(told).find("\"" + std::to_string(i) + "\""), std::string::npos)
          << i << Client::changes_of(told);
      EXPECT_GT(json::get_int(told, "seq"), last);
      last = json::get_int(told, "seq");
    }
    client.expect_silence(100ms);
  }
}

// Sockets come and go on both replicas while both write: each client hears every write once.
TEST_P(RealtimeTest, NothingIsLostOrRepeatedWhileSocketsBreak) {
  auto a = node();
  auto b = node();
  constexpr int kWrites = 60;
  const std::string session = root(*a);
  std::vector<std::jthread> listeners;
  std::atomic<int> ready{0};
  for (int n = 0; n < 3; ++n) {
    listeners.emplace_back([&, n] {
      std::vector<std::string> heard;
      int64_t seq = -1;
      bool done = false;
      for (int round = 0; !done; ++round) {
        Client client((round + n) % 2 == 0 ? *a : *b);
        client.sign_in(session);
        json::Object more{{"fields", {"title"}}};
        if (seq >= 0) more["after"] = seq;
        const int64_t begin = client.subscribe("notes", std::move(more));
        if (seq < 0) {
          seq = begin;
          ++ready;
        }
        const int64_t messages = 1 + (round * 7 + n) % 5;
        for (int i = 0; i < messages && !done; ++i) {
          const json::Object told = client.hear("records:changed");
          if (told.empty()) return;
          EXPECT_GT(json::get_int(told, "seq"), seq);
          seq = json::get_int(told, "seq");
          heard.push_back(Client::changes_of(told));
          done = heard.back().find("end") != std::string::npos;
        }
      }
      EXPECT_EQ(heard.size(), static_cast<size_t>(kWrites + 1));
      std::set<std::string> distinct(heard.begin(), heard.end());
      EXPECT_EQ(distinct.size(), heard.size());
    });
  }
  while (ready < 3) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < kWrites; ++i) {
    create(i % 2 == 0 ? *a : *b, "notes", R"({"title":")" + std::to_string(i) + R"("})");
  }
  create(*a, "notes", R"({"title":"end"})");
  listeners.clear();
}

TEST_P(RealtimeTest, WhoWasAwayTooLongListsAnew) {
  auto a = node(options(400ms));
  int64_t seq = 0;
  {
    Client client(*a);
    client.sign_in(root(*a));
    seq = client.subscribe("notes");
  }
  // Messages are kept for less time than this, and after a while nobody publishes any.
  const auto end = runtime::Clock::now() + 20s;
  while (a->cluster->interests().wanted("notes") && runtime::Clock::now() < end) {
    std::this_thread::sleep_for(10ms);
  }
  create(*a, "notes", R"({"title":"missed"})");
  Client client(*a);
  client.sign_in(root(*a));
  const int64_t now = client.subscribe("notes", {{"after", seq}});
  EXPECT_GT(now, seq);
  EXPECT_EQ(json::get_int(client.hear("records:resync"), "seq"), now);
  create(*a, "notes", R"({"title":"heard"})");
  EXPECT_NE(client.changes().find("heard"), std::string::npos);
  // A place that there never was: another database, or this one set back.
  Client lost(*a);
  lost.sign_in(root(*a));
  lost.subscribe("notes", {{"after", 1'000'000}});
  lost.hear("records:resync");
}

TEST_P(RealtimeTest, QuietSubscriptionsAreToldThePlace) {
  Limits limits;
  limits.position = 1s;
  auto a = node(options(), limits);
  Client client(*a);
  client.sign_in(root(*a));
  const int64_t begin = client.subscribe("notes");
  Context time;
  must_be(
      await(a->cluster->bus().publish(time, "t", json::Value(1), cluster::Delivery::kConfirmed)));
  must_be(await(a->cluster->bus().settle(time)));
  int64_t place = 0;
  const auto end = runtime::Clock::now() + 15s;
  while (place <= begin && runtime::Clock::now() < end) {
    place = json::get_int(client.hear("records:position"), "seq");
  }
  EXPECT_GT(place, begin);
}

// ---- slow sockets, large writes, writes under way

TEST_P(RealtimeTest, ASlowSocketIsToldLater) {
  auto a = node();
  Client slow(*a), quick(*a);
  slow.sign_in(root(*a));
  quick.sign_in(root(*a));
  const json::Object fields{{"fields", {"title"}}};
  slow.subscribe("notes", fields);
  quick.subscribe("notes", fields);
  slow.wire().stuck = 100'000'000;
  for (int i = 0; i < 5; ++i) {
    create(*a, "notes", R"({"title":")" + std::to_string(i) + R"("})");
    quick.changes();
  }
  slow.expect_silence();
  slow.wire().stuck = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string told = slow.changes();
    EXPECT_NE(told.find("\"" + std::to_string(i) + "\""), std::string::npos) << told;
  }
  create(*a, "notes", R"({"title":"5"})");
  EXPECT_NE(slow.changes().find("\"5\""), std::string::npos);
}

TEST_P(RealtimeTest, AVeryLargeWriteIsListedAnew) {
  auto a = node();
  Client client(*a);
  client.sign_in(root(*a));
  client.subscribe("notes", {{"fields", {"title"}}});
  std::string many = "[";
  for (int i = 0; i < 600; ++i) many += R"({"title":"t"},)";
  many.back() = ']';
  write(*a, &data::Writer::create, "notes", many);
  client.hear("records:resync");
  create(*a, "notes", R"({"title":"one"})");
  EXPECT_NE(client.changes().find("one"), std::string::npos);
}

// A write that began before anybody listened and ends when somebody does.
TEST_P(RealtimeTest, AWriteUnderWayIsNotMissed) {
  if (GetParam() == sql::DialectKind::kSqlite) GTEST_SKIP() << "has one writer";
  auto a = node();
  auto b = node();
  std::atomic<bool> wrote{false}, commit{false};
  std::jthread writer([&] {
    Context time;
    Status status = database().await(
        b->db->in_transaction(
            time,
            [&](sql::Transaction& tx) -> Task<Status> {
              const data::Caller nobody;
              data::Call call{time, b->catalog->snapshot(), *b->db, nobody, data::unrestricted()};
              call.tx = &tx;
              data::Target target;
              target.collection = call.model->find("notes");
              data::Params params;
              params.values = json::Object{{"title", "early"}};
              CO_TRY(auto made, co_await b->writer.create(call, target, std::move(params)));
              wrote = true;
              while (!commit) co_await runtime::sleep_for(1ms);
              co_return Status{};
            }),
        1);
    must_be(status);
  });
  while (!wrote) std::this_thread::sleep_for(1ms);
  Client client(*a);
  client.sign_in(root(*a));
  client.subscribe("notes");
  commit = true;
  writer.join();
  client.hear("records:resync");
}

}  // namespace
}  // namespace halcyon::features::realtime
