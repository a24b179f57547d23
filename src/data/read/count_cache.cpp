#include "data/read/count_cache.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "runtime/coalesce.h"

namespace halcyon::data {
namespace {

using Clock = runtime::Clock;

std::string cache_key(const sql::Statement& statement, uint64_t generation) {
  std::string key = std::to_string(generation);
  key += '\n';
  key += statement.text;
  for (const sql::Value& value : statement.params) {
    key += '\n';
    key += std::to_string(value.data.index());
    key += ':';
    if (const auto* text = std::get_if<std::string>(&value.data)) {
      key += std::to_string(text->size()) + ":" + *text;
    } else if (const auto* number = std::get_if<int64_t>(&value.data)) {
      key += std::to_string(*number);
    } else if (const auto* real = std::get_if<double>(&value.data)) {
      key.append(reinterpret_cast<const char*>(real), sizeof *real);
    } else if (const auto* flag = std::get_if<bool>(&value.data)) {
      key += *flag ? '1' : '0';
    }
  }
  return key;
}

struct Total {
  int64_t number = 0;
  std::string mark;  // of what the count saw; empty: not known
};

Task<Result<Total>> run_count(const Context& ctx, sql::Executor& db, sql::Statement statement) {
  CO_TRY(sql::Rows rows, co_await db.run(ctx, std::move(statement)));
  if (rows.empty()) co_return fail(Code::kInternal, "DATABASE_ERROR", "The count gave no row");
  const auto number = to_int64(rows.cell(0, 0).text());
  if (!number) co_return fail(Code::kInternal, "DATABASE_ERROR", "The count gave no number");
  Total total;
  total.number = *number;
  if (rows.columns.size() > 1) total.mark = rows.cell(0, 1).text();
  co_return total;
}

Task<Result<std::string>> run_mark(const Context& ctx, sql::Database& db) {
  sql::Select select;
  select.columns = {{db.dialect().snapshot_mark(), "mark"}};
  CO_TRY(sql::Rows rows, co_await db.run(ctx, sql::render(select, db.dialect())));
  co_return rows.empty() ? std::string() : std::string(rows.cell(0, 0).text());
}

}  // namespace

struct CountCache::Impl {
  struct Entry {
    Total total;
    Clock::time_point expires;  // views may depend on the time, or on what others have
    uint64_t alone = 0;         // when the count began
    std::vector<std::pair<std::string, uint64_t>> versions;  // of its collections, at that time
  };

  Options options;
  mutable std::mutex mutex;
  StringMap<Entry> entries;
  StringMap<uint64_t> versions;
  StringMap<int64_t> last_totals;
  runtime::Coalescer<Total> counts;
  runtime::Coalescer<std::string> marks;

  uint64_t alone() const { return options.alone ? options.alone() : 1; }
  uint64_t version(std::string_view collection) const {
    const auto it = versions.find(collection);
    return it == versions.end() ? 0 : it->second;
  }
  bool is_current(const Entry& entry, uint64_t alone) const {
    if (alone == 0 || entry.alone != alone) return false;
    return std::ranges::all_of(
        entry.versions, [&](const auto& known) { return version(known.first) == known.second; });
  }
  void make_room() {
    if (entries.size() < options.capacity) return;
    const auto now = Clock::now();
    std::erase_if(entries, [&](const auto& e) { return e.second.expires < now; });
    if (entries.size() >= options.capacity) entries.clear();
  }

  // What was known when a count began.
  Entry begin(const std::vector<std::string>& collections) const {
    Entry entry;
    entry.alone = alone();
    const std::scoped_lock lock(mutex);
    for (const std::string& name : collections) entry.versions.emplace_back(name, version(name));
    return entry;
  }

  // A kept total that may be used as it is; else, with `mark`, one that may be if that still holds.
  std::optional<int64_t> find(const std::string& key, std::string& mark) const {
    const uint64_t now_alone = alone();
    const std::scoped_lock lock(mutex);
    const auto it = entries.find(key);
    if (it == entries.end() || it->second.expires <= Clock::now()) return std::nullopt;
    if (is_current(it->second, now_alone)) return it->second.total.number;
    mark = it->second.total.mark;
    return std::nullopt;
  }
  std::optional<int64_t> find_marked(const std::string& key, const std::string& mark) const {
    const std::scoped_lock lock(mutex);
    const auto it = entries.find(key);
    if (it == entries.end() || it->second.total.mark != mark) return std::nullopt;
    return it->second.total.number;
  }

  void keep(const std::string& key, Entry entry) {
    if (options.ttl.count() == 0) return;
    entry.expires = Clock::now() + options.ttl;
    const std::scoped_lock lock(mutex);
    make_room();
    entries.insert_or_assign(key, std::move(entry));
  }
  void remember_total(const std::string& text, int64_t total) {
    const std::scoped_lock lock(mutex);
    if (last_totals.size() >= options.capacity) last_totals.clear();
    last_totals[text] = total;
  }

  Task<Result<Total>> count(const Context& ctx, sql::Database& db, sql::Statement statement,
                            std::optional<int64_t> last);
};

CountCache::CountCache(Options options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
}
CountCache::~CountCache() = default;

Task<Result<Total>> CountCache::Impl::count(const Context& ctx, sql::Database& db,
                                            sql::Statement statement, std::optional<int64_t> last) {
  statement.is_slow = last && *last > options.large;
  sql::Statement again = statement;
  Result<Total> total = co_await run_count(ctx, db, std::move(statement));
  // Too slow for the short lanes, which end a statement early: once more, off them.
  if (!total && total.error().id == "DATABASE_TIMEOUT" && !again.is_slow && !ctx.expired()) {
    again.is_slow = true;
    total = co_await run_count(ctx, db, std::move(again));
  }
  if (total) remember_total(again.text, total->number);
  co_return total;
}

Task<Result<int64_t>> CountCache::count(const Context& ctx, sql::Database& db,
                                        sql::Statement statement,
                                        std::vector<std::string> collections, uint64_t generation) {
  Impl& impl = *impl_;
  std::string key = cache_key(statement, generation);
  const bool replica = db.options().is_replica;
  if (replica) {
    key += '\n' + db.options().host;
  } else {
    std::string mark;
    if (const auto total = impl.find(key, mark)) co_return *total;
    if (!mark.empty()) {
      const auto now = co_await impl.marks.get("", [&] { return run_mark(ctx, db); });
      if (now && *now == mark) {
        if (const auto total = impl.find_marked(key, mark)) co_return *total;
      }
    }
  }
  const auto work = [&]() -> Task<Result<Total>> {
    const auto last = last_total(statement.text);
    Impl::Entry entry = impl.begin(collections);
    CO_TRY(entry.total, co_await impl.count(ctx, db, statement, last));
    Total total = entry.total;
    if (!replica) impl.keep(key, std::move(entry));
    co_return total;
  };
  CO_TRY(const Total total, co_await impl.counts.get(key, work));
  co_return total.number;
}

void CountCache::touched(std::string_view collection) {
  const std::scoped_lock lock(impl_->mutex);
  const auto it = impl_->versions.find(collection);
  if (it == impl_->versions.end())
    impl_->versions.emplace(collection, 1);
  else
    ++it->second;
}

std::optional<int64_t> CountCache::last_total(std::string_view text) const {
  const std::scoped_lock lock(impl_->mutex);
  const auto it = impl_->last_totals.find(text);
  if (it == impl_->last_totals.end()) return std::nullopt;
  return it->second;
}

}  // namespace halcyon::data
