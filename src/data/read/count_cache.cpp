#include "data/read/count_cache.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "runtime/io.h"

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

}  // namespace

struct CountCache::Impl {
  // One count, under way or finished.
  struct Entry {
    std::vector<std::pair<std::string, uint64_t>> versions;  // of its collections, at the start
    bool done = false;
    bool failed = false;
    int64_t total = 0;
    Clock::time_point started, expires;
    std::vector<std::move_only_function<void()>> waiters;
  };

  Options options;
  mutable std::mutex mutex;
  StringMap<std::shared_ptr<Entry>> entries;
  StringMap<uint64_t> versions;
  StringMap<int64_t> last_totals;

  uint64_t version(std::string_view collection) const {
    const auto it = versions.find(collection);
    uint64_t version = it == versions.end() ? 0 : it->second;
    if (options.changes) version += options.changes(collection) << 32;
    return version;
  }
  bool is_current(const Entry& entry) const {
    return std::ranges::all_of(
        entry.versions, [&](const auto& known) { return version(known.first) == known.second; });
  }
  void make_room() {
    if (entries.size() < options.capacity) return;
    const auto now = Clock::now();
    std::erase_if(entries,
                  [&](const auto& e) { return e.second->done && e.second->expires < now; });
    if (entries.size() < options.capacity) return;
    std::erase_if(entries, [](const auto& e) { return e.second->done; });
  }
  void remember_total(const std::string& text, int64_t total) {
    if (last_totals.size() >= options.capacity) last_totals.clear();
    last_totals[text] = total;
  }

  // A usable entry, or a new one that the caller must fill (`mine`).
  std::shared_ptr<Entry> find_or_begin(const std::string& key,
                                       const std::vector<std::string>& collections, bool& mine) {
    const std::scoped_lock lock(mutex);
    const auto it = entries.find(key);
    mine = false;
    if (it != entries.end()) {
      Entry& entry = *it->second;
      const bool fresh = !entry.done || (!entry.failed && Clock::now() < entry.expires);
      if (fresh && is_current(entry)) return it->second;
    }
    make_room();
    mine = true;
    auto entry = std::make_shared<Entry>();
    for (const std::string& name : collections) entry->versions.emplace_back(name, version(name));
    entries.insert_or_assign(key, entry);
    return entry;
  }

  void finish(const std::string& key, const std::string& text, Entry& entry,
              const Result<int64_t>& total) {
    std::vector<std::move_only_function<void()>> waiters;
    {
      const std::scoped_lock lock(mutex);
      entry.done = true;
      entry.failed = !total;
      if (total) {
        entry.total = *total;
        remember_total(text, *total);
      }
      entry.expires = Clock::now() + options.ttl;
      waiters.swap(entry.waiters);
      const auto it = entries.find(key);
      const bool useless = entry.failed || options.ttl.count() == 0;
      if (it != entries.end() && it->second.get() == &entry && useless) entries.erase(it);
    }
    for (auto& waiter : waiters) waiter();
  }
};

CountCache::CountCache(Options options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
}
CountCache::~CountCache() = default;

namespace {
Task<Result<int64_t>> run_count(const Context& ctx, sql::Executor& db, sql::Statement statement) {
  CO_TRY(sql::Rows rows, co_await db.run(ctx, std::move(statement)));
  if (rows.empty()) co_return fail(Code::kInternal, "DATABASE_ERROR", "The count gave no row");
  const auto total = to_int64(rows.cell(0, 0).text());
  if (!total) co_return fail(Code::kInternal, "DATABASE_ERROR", "The count gave no number");
  co_return *total;
}
}  // namespace

Task<Result<int64_t>> CountCache::count(const Context& ctx, sql::Database& db,
                                        sql::Statement statement,
                                        std::vector<std::string> collections, uint64_t generation) {
  const std::string key = cache_key(statement, generation);
  const std::string text = statement.text;
  bool mine = false;
  std::shared_ptr<Impl::Entry> entry = impl_->find_or_begin(key, collections, mine);
  if (!mine) {
    co_await runtime::Suspend([this, entry](std::move_only_function<void()> resume) {
      {
        const std::scoped_lock lock(impl_->mutex);
        if (!entry->done) {
          entry->waiters.push_back(std::move(resume));
          return;
        }
      }
      resume();
    });
    if (!entry->failed) co_return entry->total;
    // The one who counted may have had less time, or gone away: count for ourselves.
    co_return co_await run_count(ctx, db, std::move(statement));
  }
  const auto last = last_total(text);
  statement.is_slow = last && *last > impl_->options.large;
  sql::Statement again = statement;
  Result<int64_t> total = co_await run_count(ctx, db, std::move(statement));
  // Too slow for the short lanes, which end a statement early: once more, off them.
  if (!total && total.error().id == "DATABASE_TIMEOUT" && !again.is_slow && !ctx.expired()) {
    again.is_slow = true;
    total = co_await run_count(ctx, db, std::move(again));
  }
  impl_->finish(key, text, *entry, total);
  co_return total;
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
