// Any JSON as a filter either plans, and then renders on every dialect, or is refused with a 4xx.
#include <cstdlib>

#include "data/read/filter.h"
#include "data/read/test_support.h"

namespace {

using namespace halcyon;

// Planning needs no database; this one is never asked.
class NoDatabase : public sql::Database {
 public:
  Task<Result<sql::Rows>> run(const Context&, sql::Statement) override { std::abort(); }
  const sql::Dialect& dialect() const override { return sql::sqlite_dialect(); }
  Task<Status> in_transaction(const Context&, Body) override { std::abort(); }
  Task<Status> ping(const Context&) override { std::abort(); }
  sql::PoolStats stats() const override { return {}; }
  const sql::Options& options() const override { return options_; }
  Task<void> close() override { std::abort(); }

 private:
  sql::Options options_;
};

std::shared_ptr<const schema::Snapshot> make_model() {
  data::test::Model model;
  model.add("a", {{"s", "string"},
                  {"n", "integer"},
                  {"d", "date"},
                  {"b", "boolean"},
                  {"j", "json"},
                  {"l", "array"},
                  {"u", "uuid"},
                  {"t", "time"},
                  {"o", "dateOnly"},
                  {"x", "unixTimestamp"},
                  {"f", "double"},
                  {"p", "password"}});
  model.add("c", {{"s", "string"}});
  model.belongs_to("a", "one", "c", "oneId");
  model.has(true, "a", "many", "c", "aId");
  model.has(false, "a", "single", "c", "aId");
  model.belongs_to_many("a", "both", "c", "ac");
  model.belongs_to_array("a", "keys", "c", "keyIds");
  return model.snapshot();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const std::shared_ptr<const schema::Snapshot> model = make_model();
  static NoDatabase database;
  const auto filter = json::parse({reinterpret_cast<const char*>(bytes), size});
  if (!filter) return 0;
  const Context ctx;
  const data::Caller caller;
  const data::Call call{ctx, model, database, caller, data::unrestricted()};
  const schema::Collection& collection = *model->find("a");
  data::Aliases aliases;
  const auto plan = data::plan_filter(call, collection, "r", aliases, *filter);
  if (!plan) {
    const int status = http_status(plan.error().code);
    if (status < 400 || status > 499 || plan.error().id.empty()) std::abort();
    return 0;
  }
  sql::Select select;
  select.columns.push_back({sql::literal("1"), "c"});
  select.from = collection.table_ref("r");
  select.joins = plan->joins;
  select.where = plan->where;
  for (const sql::Dialect* dialect : {&sql::postgres_dialect(), &sql::mysql_dialect(),
                                      &sql::mariadb_dialect(), &sql::sqlite_dialect()})
    if (sql::render(select, *dialect).text.empty()) std::abort();
  (void)data::plan_filter_by_tk(call, collection, "r", *filter);
  return 0;
}
