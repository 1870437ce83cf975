#include "ledger/writer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace moegate::ledger {
namespace {

// Far above what any request can hold, far below where a sum of all requests of a life could leave 63 bits.
constexpr std::uint64_t kMaxTokensPerRequest = std::uint64_t{1} << 44;

std::int64_t stored(std::uint64_t value) { return static_cast<std::int64_t>(value); }

[[noreturn]] void refuse(const std::string& request_id, const char* why) {
  throw sql::Error(SQLITE_CONSTRAINT, "request " + request_id + ": " + why);
}

void check_counts(const std::string& request_id, const Counts& counts) {
  for (const std::uint64_t count :
       {counts.input, counts.cache_read, counts.cache_write, counts.output, counts.reasoning}) {
    if (count > kMaxTokensPerRequest) refuse(request_id, "a token count is beyond every bound");
  }
  if (counts.reasoning > counts.output) refuse(request_id, "more reasoning tokens than output tokens");
}

void append_counts(sql::Row& row, const Counts& counts) {
  for (const std::uint64_t count :
       {counts.input, counts.cache_read, counts.cache_write, counts.output, counts.reasoning}) {
    row.emplace_back(stored(count));
  }
}

bool has_terminal(const Batch& batch, const std::string& request_id) {
  return std::any_of(batch.terminals.begin(), batch.terminals.end(),
                     [&](const Terminal& terminal) { return terminal.request_id == request_id; });
}

std::string placeholders(int n) {
  std::string text = "?";
  for (int i = 1; i < n; ++i) text += ",?";
  return text;
}

}  // namespace

bool add_counts(Counts* sum, const Counts& more) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  Counts result;
  for (auto field : {&Counts::input, &Counts::cache_read, &Counts::cache_write, &Counts::output, &Counts::reasoning}) {
    if (__builtin_add_overflow(sum->*field, more.*field, &(result.*field)) || result.*field > kMax) return false;
  }
  *sum = result;
  return true;
}

Writer::Writer(sqlite3* db, std::vector<std::uint8_t> mac_key, bool durable_per_request)
    : db_(db),
      mac_key_(std::move(mac_key)),
      durable_per_request_(durable_per_request),
      insert_request_(db, "INSERT INTO requests VALUES(" + placeholders(17) + ")"),
      upsert_progress_(db, "INSERT OR REPLACE INTO progress VALUES(" + placeholders(7) + ")"),
      delete_progress_(db, "DELETE FROM progress WHERE request_id = ?"),
      insert_usage_(db, "INSERT INTO usage VALUES(" + placeholders(30) + ")") {}

void Writer::load() {
  sql::Statement last(db_, "SELECT seq, hash FROM usage ORDER BY seq DESC LIMIT 1");
  if (last.step()) {
    end_.seq = last.integer(0);
    const sql::Blob hash = last.blob(1);
    if (hash.size() == end_.hash.size()) std::copy(hash.begin(), hash.end(), end_.hash.begin());
  }
  durable_end_ = end_;
  sql::Statement sums(db_,
                      "SELECT model, sum(input), sum(cache_read), sum(cache_write), sum(output), sum(reasoning) "
                      "FROM usage GROUP BY model");
  while (sums.step()) {
    const auto count = [&](int column) { return static_cast<std::uint64_t>(sums.integer(column)); };
    const Counts counts{count(1), count(2), count(3), count(4), count(5)};
    model_totals_[sums.text(0)] = counts;
    if (!add_counts(&totals_, counts)) throw sql::Error(SQLITE_CORRUPT, "usage: the sum of all tokens overflows");
  }
}

bool Writer::needs_commit(const Batch& batch) const {
  if (durable_per_request_) return !batch.terminals.empty();
  return !batch.admissions.empty() || !batch.progress.empty() || !batch.terminals.empty();
}

const Admission& Writer::open_request(const std::string& request_id) const {
  const auto place = open_.find(request_id);
  if (place == open_.end()) refuse(request_id, "was never admitted here");
  if (std::find(ended_.begin(), ended_.end(), request_id) != ended_.end()) refuse(request_id, "has ended already");
  return place->second;
}

void Writer::apply(const Batch& batch, std::vector<std::int64_t>* records) {
  for (const Admission& admission : batch.admissions) admit(admission, batch);
  if (!durable_per_request_) {
    for (const Progress& progress : batch.progress) {
      check_counts(progress.request_id, progress.counts);
      open_request(progress.request_id);
      if (!has_terminal(batch, progress.request_id)) write_progress(progress);
    }
  }
  for (const Terminal& terminal : batch.terminals) {
    const Admission& admission = open_request(terminal.request_id);
    if (durable_per_request_) {
      sql::Row row = request_row(admission);
      append_mac("requests", row, mac_key_);
      insert_request_.bind_row(row).run();
    } else {
      delete_progress_.bind(1, std::string_view(terminal.request_id)).run();
    }
    records->push_back(write_terminal(admission, terminal));
    ended_.push_back(terminal.request_id);
  }
}

// An open request always has a progress row, so that recovery need not search; one that ends in its first batch has
// none.
void Writer::admit(const Admission& admission, const Batch& batch) {
  if (!open_.emplace(admission.request_id, admission).second) refuse(admission.request_id, "was admitted before");
  opened_.push_back(admission.request_id);
  if (durable_per_request_) return;
  sql::Row row = request_row(admission);
  append_mac("requests", row, mac_key_);
  insert_request_.bind_row(row).run();
  if (!has_terminal(batch, admission.request_id)) write_progress({admission.request_id, {}});
}

void Writer::write_progress(const Progress& progress) {
  sql::Row row{progress.request_id};
  append_counts(row, progress.counts);
  append_mac("progress", row, mac_key_);
  upsert_progress_.bind_row(row).run();
}

std::int64_t Writer::write_terminal(const Admission& admission, const Terminal& terminal) {
  check_counts(terminal.request_id, terminal.counts);
  sql::Blob digests;
  for (const auto& digest : terminal.route_digests) digests.insert(digests.end(), digest.begin(), digest.end());
  sql::Row row{end_.seq + 1,
               "usage",
               terminal.request_id,
               std::monostate{},
               admission.org,
               admission.project,
               admission.key_id,
               admission.model,
               admission.asked_model,
               admission.api,
               admission.mode,
               admission.end_user,
               std::string(outcome_name(terminal.outcome)),
               std::int64_t{terminal.billable}};
  append_counts(row, terminal.counts);
  row.insert(row.end(),
             {admission.counts_grade, admission.admitted_at_us, terminal.ended_at_us, stored(terminal.queue_us),
              stored(terminal.ttft_us), stored(terminal.duration_us), std::monostate{}, std::move(digests)});
  const Hash hash = append_link("usage", row, end_.hash, mac_key_);
  insert_usage_.bind_row(row).run();
  end_ = {end_.seq + 1, hash};
  added_.emplace_back(admission.model, terminal.counts);
  return end_.seq;
}

void Writer::recover(const Admission& admission, const Terminal& terminal) {
  write_terminal(admission, terminal);
  delete_progress_.bind(1, std::string_view(terminal.request_id)).run();
}

void Writer::committed() {
  durable_end_ = end_;
  for (const auto& [model, counts] : added_) {
    // Bounded by check_counts: overflow would need half a million requests of 2^44 tokens.
    if (add_counts(&totals_, counts)) add_counts(&model_totals_[model], counts);
  }
  for (const std::string& request_id : ended_) open_.erase(request_id);
  opened_.clear();
  ended_.clear();
  added_.clear();
}

void Writer::rolled_back() {
  end_ = durable_end_;
  for (const std::string& request_id : opened_) open_.erase(request_id);
  opened_.clear();
  ended_.clear();
  added_.clear();
}

sql::Row request_row(const Admission& a) {
  return {a.request_id,
          a.org,
          a.project,
          a.key_id,
          a.model,
          a.asked_model,
          a.api,
          a.mode,
          a.build_id,
          a.counts_grade,
          a.end_user,
          a.admitted_at_us,
          stored(a.prompt_tokens),
          stored(a.hold_tokens),
          stored(a.seed),
          std::int64_t{a.choices}};
}

Admission admission_of(const sql::Row& row) {
  const auto text = [&](std::size_t i) { return std::get<std::string>(row[i]); };
  const auto integer = [&](std::size_t i) { return std::get<std::int64_t>(row[i]); };
  Admission a;
  a.request_id = text(0);
  a.org = text(1);
  a.project = text(2);
  a.key_id = text(3);
  a.model = text(4);
  a.asked_model = text(5);
  a.api = text(6);
  a.mode = text(7);
  a.build_id = text(8);
  a.counts_grade = text(9);
  a.end_user = text(10);
  a.admitted_at_us = integer(11);
  a.prompt_tokens = static_cast<std::uint64_t>(integer(12));
  a.hold_tokens = static_cast<std::uint64_t>(integer(13));
  a.seed = static_cast<std::uint64_t>(integer(14));
  a.choices = static_cast<std::uint32_t>(integer(15));
  return a;
}

}  // namespace moegate::ledger
