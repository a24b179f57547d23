// Random models, rows, filters and sorts: every dialect gives the rows that the in-memory evaluator
// says match, in the order it says.
//
// Seeds are fixed, so a failure repeats; PROPERTY_ROUNDS asks for more rounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "data/read/evaluate.h"
#include "data/read/test_support.h"
#include "data/records.h"
#include "sql/testing.h"

namespace halcyon::data {
namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int below(int n) { return static_cast<int>(engine_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[static_cast<size_t>(below(static_cast<int>(list.size())))];
  }

 private:
  std::mt19937 engine_;
};

const std::vector<std::string> kTypes = {"string",   "integer",      "double", "boolean", "date",
                                         "dateOnly", "datetimeNoTz", "array",  "text",    "bigInt"};
const std::vector<std::string> kWords = {"",     "a",  "A",  "ab", "b_", "b%",
                                         "aB c", "\\", "10", "'x", "zz", "ba"};
const std::vector<std::string> kDays = {"2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01",
                                        "2026-06-15"};
const std::vector<std::string> kHours = {"00:00:00", "07:59:59", "16:00:00", "23:30:00"};

// Values few enough to collide.
json::Value random_value(Random& random, const std::string& type) {
  if (type == "string" || type == "text") return json::Value(random.pick(kWords));
  if (type == "integer" || type == "bigInt") return random.below(6) - 1;
  if (type == "double") return (random.below(8) - 2) / 2.0;
  if (type == "boolean") return random.chance(50);
  if (type == "date") return json::Value(random.pick(kDays) + "T" + random.pick(kHours) + ".000Z");
  if (type == "datetimeNoTz") return json::Value(random.pick(kDays) + " " + random.pick(kHours));
  if (type == "dateOnly") return json::Value(random.pick(kDays));
  json::Array list;
  for (int i = random.below(4); i > 0; --i) list.emplace_back(random.pick(kWords));
  return list;
}

struct World {
  test::Model model;
  std::vector<std::string> names;  // collections without the through ones
  MemoryRows rows;
};

void add_relations(World& world, Random& random) {
  int number = 0;
  for (const std::string& from : world.names) {
    for (int i = 1 + random.below(3); i > 0; --i) {
      const std::string& to = random.pick(world.names);
      const std::string n = world.names.front() + std::to_string(number++);
      switch (random.below(5)) {
        case 0:
          world.model.belongs_to(from, "one" + n, to, "fk" + n);
          break;
        case 1:
          world.model.has(true, from, "many" + n, to, "of" + n);
          break;
        case 2:
          world.model.has(false, from, "single" + n, to, "of" + n);
          break;
        case 3:
          world.model.belongs_to_many(from, "both" + n, to, "link" + n);
          break;
        default:
          world.model.belongs_to_array(from, "list" + n, to, "keys" + n);
      }
    }
  }
}

json::Object random_row(const schema::Collection& collection, Random& random, int id) {
  json::Object row;
  for (const schema::Field& field : collection.fields) {
    if (field.column.empty()) continue;
    if (field.name == "id") {
      row["id"] = id;
    } else if (field.name.starts_with("fk") || field.name.starts_with("of")) {
      row[field.name] = random.chance(25) ? json::Value() : json::Value(1 + random.below(7));
    } else if (field.name.starts_with("keys")) {
      json::Array keys;
      for (int i = random.below(3); i > 0; --i) keys.push_back(1 + random.below(7));
      row[field.name] = random.chance(20) ? json::Value() : json::Value(keys);
    } else {
      row[field.name] = random.chance(20) ? json::Value() : random_value(random, field.type);
    }
  }
  return row;
}

void fill(World& world, const schema::Snapshot& snapshot, Random& random) {
  for (const auto& [name, collection] : snapshot.collections) {
    json::Array& rows = world.rows[name];
    if (collection->is_through) {
      const std::string& a = collection->primary_key[0];
      const std::string& b = collection->primary_key[1];
      for (int from = 1; from <= 6; ++from)
        for (int to = 1; to <= 7; ++to)  // 7 dangles
          if (random.chance(20)) rows.push_back(json::Object{{a, from}, {b, to}});
      continue;
    }
    for (int id = 1, n = 4 + random.below(4); id <= n; ++id)
      rows.push_back(random_row(*collection, random, id));
  }
}

json::Value random_operators(Random& random, const schema::Field& field) {
  auto value = [&] { return random_value(random, field.type); };
  auto list = [&] {
    json::Array values;
    for (int i = random.below(4); i > 0; --i)
      values.push_back(random.chance(15) ? json::Value() : value());
    return values;
  };
  const schema::Family family = field.kind->family();
  auto op = [](std::string_view name, json::Value operand) {
    json::Object object;
    object[name] = std::move(operand);
    return json::Value(std::move(object));
  };
  if (family == schema::Family::kArray) {
    const std::vector<std::string> ops = {"$match",      "$notMatch", "$anyOf",
                                          "$noneOf",     "$contains", "$contained",
                                          "$arrayEmpty", "$empty",    "$notEmpty"};
    return op(random.pick(ops),
              field.name.starts_with("keys") ? json::Value(json::Array{1, 2}) : value());
  }
  if (random.chance(15)) return op(random.pick<std::string>({"$eq", "$ne", "$not"}), nullptr);
  if (random.chance(15))
    return op(random.pick<std::string>({"$in", "$notIn", "$eq", "$ne"}), list());
  if (random.chance(10))
    return op(random.pick<std::string>({"$empty", "$notEmpty", "$exists", "$notExists"}), true);
  if (family == schema::Family::kBoolean)
    return op(random.pick<std::string>({"$isTruly", "$isFalsy", "$eq", "$ne", "$is", "$not"}),
              random.chance(50));
  const bool date = family == schema::Family::kDateTime || family == schema::Family::kDateOnly;
  if (date && random.chance(70)) {
    static const std::vector<std::string> kPeriods = {
        "2026",    "2025Q4",           "2026-01",       "2026-01-31",
        "2026W01", "2026-02-01+08:00", "2026-01-31 23", "2026-01-31T16:00:00.000Z"};
    if (random.chance(25))
      return op("$dateBetween",
                json::Array{json::Value(random.pick(kDays)), json::Value(random.pick(kDays))});
    return op(random.pick<std::string>({"$dateOn", "$dateNotOn", "$dateBefore", "$dateNotBefore",
                                        "$dateAfter", "$dateNotAfter"}),
              json::Value(random.pick(kPeriods)));
  }
  if (family == schema::Family::kText && random.chance(60)) {
    const bool many = random.chance(20);
    return op(random.pick<std::string>({"$includes", "$notIncludes", "$startsWith",
                                        "$notStartsWith", "$endWith", "$notEndWith", "$substring"}),
              many ? json::Value(json::Array{value(), value()}) : value());
  }
  if (random.chance(15)) return op("$between", json::Array{value(), value()});
  const bool text = family == schema::Family::kText;  // collations order text differently
  return op(text ? random.pick<std::string>({"$eq", "$ne", "$not"})
                 : random.pick<std::string>({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"}),
            value());
}

json::Value random_filter(const schema::Snapshot& model, const schema::Collection& collection,
                          Random& random, int depth) {
  json::Object filter;
  if (depth > 0 && random.chance(45)) {
    const std::string op = random.pick<std::string>({"$and", "$or", "$or", "$not"});
    if (op == "$not") {
      filter[op] = random_filter(model, collection, random, depth - 1);
      return filter;
    }
    json::Array members;
    for (int i = 1 + random.below(3); i > 0; --i)
      members.push_back(random_filter(model, collection, random, depth - 1));
    filter[op] = std::move(members);
    return filter;
  }
  for (int i = 1 + random.below(2); i > 0; --i) {
    const schema::Field& field =
        collection
            .fields[static_cast<size_t>(random.below(static_cast<int>(collection.fields.size())))];
    if (!field.relation) {
      filter[field.name] = random_operators(random, field);
    } else if (random.chance(25)) {
      filter[field.name + (random.chance(50) ? ".$exists" : ".$notExists")] = true;
    } else if (depth > 0) {
      filter[field.name] = random_filter(model, *model.find(field.relation->target), random, 0);
    }
  }
  return filter;
}

class PropertyTest : public sql::testing::DatabaseTest {
 protected:
  static int rounds() {
    const char* const more = std::getenv("PROPERTY_ROUNDS");
    return more == nullptr ? 3 : std::atoi(more);
  }

  std::string answer(const std::shared_ptr<const schema::Snapshot>& model,
                     const schema::Collection& collection, const json::Value& filter,
                     const std::string& sort) {
    const Call call{*ctx_, model, db(), caller_, unrestricted()};
    Target target;
    target.collection = &collection;
    Params params;
    params.filter = filter;
    params.fields = {"id"};
    if (!sort.empty()) params.sort = {sort};
    params.paginate = false;
    const Result<Answer> found = await(list(call, target, params));
    if (!found) return found.error().id + ": " + found.error().message + found.error().internal;
    return found->data;
  }

  std::string expected(const World& world, const schema::Snapshot& model,
                       const schema::Collection& collection, const json::Value& filter,
                       const std::string& sort) {
    Evaluation evaluation{&model, &world.rows, ctx_->utc_offset_minutes, std::nullopt};
    std::vector<const json::Object*> rows;
    for (const json::Value& row : world.rows.find(collection.name)->second) {
      const Result<bool> yes = evaluate(evaluation, &collection, row.get_object(), filter);
      if (!yes) return yes.error().id + ": " + yes.error().message;
      if (*yes) rows.push_back(&row.get_object());
    }
    if (!sort.empty()) order(rows, sort);
    json::Array ids;
    for (const json::Object* row : rows) ids.push_back(json::Object{{"id", row->at("id")}});
    return json::dump(ids);
  }

  static void order(std::vector<const json::Object*>& rows, std::string name) {
    const bool descending = name.starts_with('-');
    if (descending) name = name.substr(1);
    auto number = [](const json::Value& v) {
      return v.is_bool() ? double(v.get_bool()) : v.to_number<double>();
    };
    std::ranges::sort(rows, [&](const json::Object* a, const json::Object* b) {
      const json::Value &x = a->at(name), &y = b->at(name);
      if (x.is_null() != y.is_null()) return y.is_null();
      if (!x.is_null()) {
        const int sign = x.is_string()           ? x.get_string().compare(y.get_string())
                         : number(x) < number(y) ? -1
                         : number(x) > number(y) ? 1
                                                 : 0;
        if (sign != 0) return descending ? sign > 0 : sign < 0;
      }
      return a->at("id").get_int64() < b->at("id").get_int64();
    });
  }

  Caller caller_;
};

TEST_P(PropertyTest, EveryDialectGivesTheSameRows) {
  for (int round = 0; round < rounds(); ++round) {
    Random random(static_cast<unsigned>(1000 + round));
    World world;
    for (int i = 0, n = 2 + random.below(3); i < n; ++i) {
      world.names.push_back("r" + std::to_string(round) + "c" + std::to_string(i));
      test::Model::Fields fields;
      for (int f = 0; f < 6; ++f) fields.emplace_back("f" + std::to_string(f), random.pick(kTypes));
      world.model.add(world.names.back(), fields);
    }
    add_relations(world, random);
    const auto model = world.model.snapshot();
    ctx_->utc_offset_minutes = random.pick<int>({0, 480, -330});
    fill(world, *model, random);
    const Status created = await(test::create_tables(db(), ctx(), *model));
    ASSERT_TRUE(created) << created.error().internal;
    const int offset = std::exchange(ctx_->utc_offset_minutes, 0);
    for (const auto& [name, rows] : world.rows) {
      const Status inserted = await(test::insert_rows(db(), ctx(), *model->find(name), rows));
      ASSERT_TRUE(inserted) << inserted.error().message << inserted.error().internal;
    }
    ctx_->utc_offset_minutes = offset;
    for (int i = 0; i < 150; ++i) {
      const schema::Collection& collection = *model->find(random.pick(world.names));
      const json::Value filter = random_filter(*model, collection, random, 3);
      const schema::Field& by = collection.fields[static_cast<size_t>(random.below(7))];
      const schema::Family family = by.kind->family();
      const bool sortable =
          family != schema::Family::kArray && family != schema::Family::kText && !by.relation;
      const std::string sort = !sortable ? "" : random.chance(50) ? by.name : "-" + by.name;
      EXPECT_EQ(answer(model, collection, filter, sort),
                expected(world, *model, collection, filter, sort))
          << "round " << round << " filter " << i << " zone " << offset << " sort " << sort << " "
          << collection.name << " " << json::dump(filter);
      if (HasFailure()) return;
    }
  }
}

HALCYON_INSTANTIATE_DIALECTS(PropertyTest);

}  // namespace
}  // namespace halcyon::data
