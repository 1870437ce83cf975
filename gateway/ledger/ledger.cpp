#include "ledger/ledger.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "ledger/files.hpp"
#include "ledger/readers.hpp"
#include "ledger/startup.hpp"
#include "ledger/verify.hpp"
#include "ledger/writer.hpp"

namespace moegate::ledger {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kRecordsPerHead = 256;
constexpr auto kHeadInterval = std::chrono::seconds(10);
constexpr auto kRetryInterval = std::chrono::milliseconds(250);
constexpr int kCheckpointFrames = 1000;  // 4 MiB of log
constexpr int kResetFrames = 8000;       // 32 MiB: wait a moment for readers and start the log anew
constexpr auto kResetInterval = std::chrono::seconds(10);

std::int64_t wall_clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Work of another thread, which waits for it.
struct Job {
  std::function<moe::Status(sqlite3*)> work;
  moe::Status status;
  bool is_done = false;  // guarded by the ledger's mutex
};

struct Item {
  Batch batch;
  Job* job = nullptr;
  std::uint64_t new_tokens = 0;  // of the batch, not yet durable
  std::vector<std::int64_t> records;
};

enum class Try : std::uint8_t { durable, retry, refused, failed };

class SqliteLedger final : public Ledger {
 public:
  explicit SqliteLedger(Options options) : options_(std::move(options)), readers_(options_.dir / "ledger.db") {}
  ~SqliteLedger() override;

  moe::Status start();
  bool submit(Batch batch) override;
  void on_room(std::function<void()> callback) override;
  void on_state(std::function<void(State)> callback) override;
  void on_commit(std::function<void(double, std::size_t)> callback) override;
  moe::Status transact(std::function<moe::Status(sqlite3*)> work) override;
  moe::Status read(std::function<moe::Status(sqlite3*)> work) const override;
  moe::Result<Verification> verify() const override;
  Stats stats() const override;
  const std::vector<std::uint8_t>& mac_key() const override { return options_.mac_key; }

 private:
  std::uint64_t count_new_tokens(const Batch& batch);  // under mutex_
  void run();
  std::vector<Item> take_work();
  void commit(std::vector<Item>& items);
  void commit_each(std::vector<Item>& items);
  Try try_commit(std::vector<Item>& items);
  Try classify(const sql::Error& error);
  void deliver(std::vector<Item>& items, CommitResult result);
  void finish(Job& job, moe::Status status);
  void run_job(Job& job);
  void fail_waiting_jobs();
  bool wait_for_retry();
  void fail_for_good();
  void set_state(State state);
  void sign_head_if_due(bool is_closing);
  moe::Status sign_head();
  void checkpoint_if_due();
  void publish_totals();

  const Options options_;
  mutable Readers readers_;

  // Of the ledger thread only (and start()).
  sql::Connection db_;
  std::unique_ptr<Writer> writer_;
  std::optional<Heads> heads_;
  Clock::time_point head_signed_;
  bool has_unsigned_changes_ = false;
  int wal_frames_ = 0;
  Clock::time_point reset_tried_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::deque<Item> queue_;
  std::size_t unsynced_ = 0;                                         // batches queued or in the running commit
  std::unordered_map<std::string, std::uint64_t> submitted_output_;  // of each open request
  bool wants_room_ = false;
  bool is_stopping_ = false;
  Stats stats_;
  std::function<void()> room_callback_;
  std::function<void(State)> state_callback_;
  std::function<void(double, std::size_t)> commit_callback_;

  std::thread thread_;
};

moe::Status SqliteLedger::start() {
  if (options_.mac_key.size() != 32) return {moe::Code::internal, "ledger: the mac key must have 32 bytes"};
  const std::filesystem::path file = options_.dir / "ledger.db";
  const bool is_new = !std::filesystem::exists(file);
  // SQLite gives its log and index the mode of the database.
  const File made(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!made.is_open()) return system_error(file, errno);
  auto heads = Heads::open(options_.dir / "heads", options_.mac_key);
  if (!heads) return heads.status();
  heads_ = std::move(*heads);
  if (!is_new && !heads_->last().has_value() && std::filesystem::file_size(file) > 0) {
    return moe::invalid("the file heads beside ledger.db is missing or empty: restore it from the same backup");
  }
  try {
    db_ = sql::Connection(file, sql::Connection::Mode::read_write);
    if (!heads_->last().has_value()) {
      if (auto status = heads_->append({}); !status.ok()) return status;
    }
    prepare_database(db_.get(), file);
    if (auto status = check_at_start(db_.get(), options_, heads_->last()); !status.ok()) return status;
    writer_ = std::make_unique<Writer>(db_.get(), options_.mac_key, options_.durable_per_request);
    writer_->load();
    stats_.recovered_records = recover_interrupted(db_.get(), *writer_, options_.now_us());
    publish_totals();
    stats_.model_totals_at_start = stats_.model_totals;
    if (auto status = sign_head(); !status.ok()) return status;
    sqlite3_wal_hook(
        db_.get(),
        [](void* self, sqlite3*, const char*, int frames) {
          static_cast<SqliteLedger*>(self)->wal_frames_ = frames;
          return SQLITE_OK;
        },
        this);
  } catch (const sql::Error& error) {
    return error.primary() == SQLITE_NOTADB || error.primary() == SQLITE_CORRUPT
               ? moe::invalid(std::string("ledger.db: ") + error.what())
               : status_of(error);
  } catch (const std::exception& error) {
    return {moe::Code::unavailable, std::string("ledger.db: ") + error.what()};
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

SqliteLedger::~SqliteLedger() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Counts are cumulative: what is new is the difference to what was handed over before.
std::uint64_t SqliteLedger::count_new_tokens(const Batch& batch) {
  std::uint64_t tokens = 0;
  for (const Progress& progress : batch.progress) {
    std::uint64_t& known = submitted_output_[progress.request_id];
    tokens += progress.counts.output - std::min(known, progress.counts.output);
    known = std::max(known, progress.counts.output);
  }
  for (const Terminal& terminal : batch.terminals) {
    const auto place = submitted_output_.find(terminal.request_id);
    const std::uint64_t known = place == submitted_output_.end() ? 0 : place->second;
    tokens += terminal.counts.output - std::min(known, terminal.counts.output);
    if (place != submitted_output_.end()) submitted_output_.erase(place);
  }
  return tokens;
}

bool SqliteLedger::submit(Batch batch) {
  {
    const std::lock_guard lock(mutex_);
    if (stats_.state != State::failed && !is_stopping_) {
      const std::uint64_t new_tokens = count_new_tokens(batch);
      stats_.unsynced_tokens += new_tokens;
      queue_.push_back({std::move(batch), nullptr, new_tokens, {}});
      stats_.unsynced_batches = ++unsynced_;
      wants_room_ = wants_room_ || unsynced_ >= options_.max_unsynced_steps;
      changed_.notify_all();
      return unsynced_ < options_.max_unsynced_steps;
    }
  }
  if (batch.after_commit) batch.after_commit(CommitResult::failed, {});
  return false;
}

void SqliteLedger::on_room(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  room_callback_ = std::move(callback);
}

void SqliteLedger::on_state(std::function<void(State)> callback) {
  const std::lock_guard lock(mutex_);
  state_callback_ = std::move(callback);
}

void SqliteLedger::on_commit(std::function<void(double, std::size_t)> callback) {
  const std::lock_guard lock(mutex_);
  commit_callback_ = std::move(callback);
}

moe::Status SqliteLedger::transact(std::function<moe::Status(sqlite3*)> work) {
  Job job{std::move(work), {}, false};
  std::unique_lock lock(mutex_);
  if (stats_.state == State::failed)
    return {moe::Code::unavailable, "the ledger failed: restart after checking the disk"};
  if (stats_.state == State::disk_full) return {moe::Code::unavailable, "the disk of the data directory is full"};
  if (is_stopping_) return {moe::Code::unavailable, "the ledger is closing"};
  queue_.push_back({{}, &job, 0, {}});
  changed_.notify_all();
  changed_.wait(lock, [&] { return job.is_done; });
  return job.status;
}

moe::Status SqliteLedger::read(std::function<moe::Status(sqlite3*)> work) const {
  return readers_.run(std::chrono::milliseconds(options_.read_limit_ms), work);
}

Stats SqliteLedger::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

moe::Result<Verification> SqliteLedger::verify() const { return verify_all(readers_, options_.dir, options_.mac_key); }

// ---- the ledger thread -------------------------------------------------------------------------------------------

void SqliteLedger::run() {
  while (true) {
    std::vector<Item> items = take_work();
    if (items.empty()) {
      const std::lock_guard lock(mutex_);
      if (is_stopping_ && queue_.empty()) break;
    } else if (items.front().job != nullptr) {
      run_job(*items.front().job);
    } else {
      commit(items);
    }
    sign_head_if_due(false);
    checkpoint_if_due();
  }
  sign_head_if_due(true);
  // After a failed write or sync nothing is touched again as if it were clean; the next start recovers from the log.
  if (stats().state != State::failed) {
    sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  }
  writer_.reset();
  db_.close();
}

// One job, or every batch that waits in front of the next job; nothing when a head is due or the ledger closes.
std::vector<Item> SqliteLedger::take_work() {
  std::unique_lock lock(mutex_);
  const auto is_ready = [&] { return !queue_.empty() || is_stopping_; };
  if (has_unsigned_changes_) {
    changed_.wait_until(lock, head_signed_ + kHeadInterval, is_ready);
  } else {
    changed_.wait(lock, is_ready);
  }
  std::vector<Item> items;
  while (!queue_.empty()) {
    const bool is_job = queue_.front().job != nullptr;
    if (is_job && !items.empty()) break;
    items.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (is_job) break;
  }
  return items;
}

Try SqliteLedger::classify(const sql::Error& error) {
  switch (error.primary()) {
    case SQLITE_FULL:
    case SQLITE_BUSY:  // another program holds the write lock for a moment
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return Try::retry;
    case SQLITE_CONSTRAINT:
      return Try::refused;
    default:
      // Growing the shared index on a full disk touches no data yet; every other input or output error is final.
      return error.code() == SQLITE_IOERR_SHMSIZE ? Try::retry : Try::failed;
  }
}

Try SqliteLedger::try_commit(std::vector<Item>& items) {
  for (Item& item : items) item.records.clear();
  const auto apply = [&] {
    for (Item& item : items) writer_->apply(item.batch, &item.records);
  };
  try {
    const bool writes =
        std::any_of(items.begin(), items.end(), [&](const Item& item) { return writer_->needs_commit(item.batch); });
    if (!writes) {
      apply();
      writer_->committed();
      return Try::durable;
    }
    sql::Transaction transaction(db_.get());
    apply();
#ifdef MOE_TEST_DELIVER_BEFORE_COMMIT
    // The planted fault that tests/tools/verify_ledger.py must catch; never in a build that serves.
    deliver(items, CommitResult::durable);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // wide enough for a kill to fall in
#endif
    const Clock::time_point before = Clock::now();
    transaction.commit();
    writer_->committed();
    has_unsigned_changes_ = true;
    const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
    std::function<void(double, std::size_t)> callback;
    {
      const std::lock_guard lock(mutex_);
      ++stats_.commits;
      callback = commit_callback_;
    }
    if (callback) callback(seconds, items.size());
    return Try::durable;
  } catch (const sql::Error& error) {
    writer_->rolled_back();
    return classify(error);
  } catch (const std::bad_alloc&) {
    writer_->rolled_back();
    return Try::retry;
  }
}

void SqliteLedger::commit(std::vector<Item>& items) {
  while (true) {
    switch (try_commit(items)) {
      case Try::durable:
        publish_totals();
        set_state(State::serving);
        deliver(items, CommitResult::durable);
        return;
      case Try::refused:
        if (items.size() == 1) {
          deliver(items, CommitResult::failed);
        } else {
          commit_each(items);
        }
        return;
      case Try::failed:
        deliver(items, CommitResult::failed);
        fail_for_good();
        return;
      case Try::retry:
        set_state(State::disk_full);
        fail_waiting_jobs();
        if (!wait_for_retry()) {
          deliver(items, CommitResult::failed);
          return;
        }
        break;
    }
  }
}

// One batch of the group contradicts the ledger: the others must not suffer from it.
void SqliteLedger::commit_each(std::vector<Item>& items) {
  for (Item& item : items) {
    std::vector<Item> single;
    single.push_back(std::move(item));
    commit(single);
  }
}

void SqliteLedger::deliver(std::vector<Item>& items, CommitResult result) {
  for (Item& item : items) {
    if (result == CommitResult::failed) item.records.clear();
    if (item.batch.after_commit) {
      item.batch.after_commit(result, item.records);
      item.batch.after_commit = nullptr;
    }
  }
  std::function<void()> room;
  {
    const std::lock_guard lock(mutex_);
    for (const Item& item : items) {
      stats_.unsynced_tokens -= std::min(stats_.unsynced_tokens, item.new_tokens);
      stats_.records += item.records.size();
    }
    unsynced_ -= std::min(unsynced_, items.size());
    stats_.unsynced_batches = unsynced_;
    if (wants_room_ && unsynced_ < options_.max_unsynced_steps) {
      wants_room_ = false;
      room = room_callback_;
    }
  }
  if (room) room();
}

void SqliteLedger::finish(Job& job, moe::Status status) {
  const std::lock_guard lock(mutex_);
  job.status = std::move(status);
  job.is_done = true;
  changed_.notify_all();
}

void SqliteLedger::run_job(Job& job) {
  moe::Status status;
  bool is_final = false;
  try {
    sql::Transaction transaction(db_.get());
    status = job.work(db_.get());
    if (status.ok()) {
      transaction.commit();
      has_unsigned_changes_ = true;
    }
  } catch (const sql::Error& error) {
    status = status_of(error);
    is_final = classify(error) == Try::failed && (error.primary() == SQLITE_IOERR || error.primary() == SQLITE_CORRUPT);
  } catch (const std::exception& error) {
    status = {moe::Code::internal, error.what()};
  }
  if (is_final) fail_for_good();
  finish(job, std::move(status));
}

void SqliteLedger::fail_waiting_jobs() {
  const std::lock_guard lock(mutex_);
  for (auto place = queue_.begin(); place != queue_.end();) {
    if (place->job == nullptr) {
      ++place;
      continue;
    }
    place->job->status = {moe::Code::unavailable, "the disk of the data directory is full"};
    place->job->is_done = true;
    place = queue_.erase(place);
  }
  changed_.notify_all();
}

// False if the ledger closes meanwhile.
bool SqliteLedger::wait_for_retry() {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, kRetryInterval, [&] { return is_stopping_; });
}

void SqliteLedger::fail_for_good() {
  set_state(State::failed);
  std::vector<Item> waiting;
  {
    const std::lock_guard lock(mutex_);
    while (!queue_.empty()) {
      if (Job* job = queue_.front().job; job != nullptr) {
        job->status = {moe::Code::unavailable, "the ledger failed: restart after checking the disk"};
        job->is_done = true;
      } else {
        waiting.push_back(std::move(queue_.front()));
      }
      queue_.pop_front();
    }
    changed_.notify_all();
  }
  deliver(waiting, CommitResult::failed);
}

void SqliteLedger::set_state(State state) {
  std::function<void(State)> callback;
  {
    const std::lock_guard lock(mutex_);
    if (stats_.state == state || stats_.state == State::failed) return;
    stats_.state = state;
    callback = state_callback_;
  }
  if (callback) callback(state);
}

moe::Status SqliteLedger::sign_head() {
  Head head{writer_->end().seq, writer_->end().hash, 0, {}, options_.now_us()};
  sql::Statement audit(db_.get(), "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
  if (audit.step()) {
    head.audit_seq = audit.integer(0);
    const sql::Blob hash = audit.blob(1);
    if (hash.size() == head.audit_hash.size()) std::copy(hash.begin(), hash.end(), head.audit_hash.begin());
  }
  head_signed_ = Clock::now();
  const auto& last = heads_->last();
  if (last && last->usage_seq == head.usage_seq && last->audit_seq == head.audit_seq) return {};
  return heads_->append(head);
}

void SqliteLedger::sign_head_if_due(bool is_closing) {
  if (!has_unsigned_changes_ || stats().state == State::failed) return;
  const std::int64_t unsigned_records = writer_->end().seq - heads_->last()->usage_seq;
  if (!is_closing && unsigned_records < kRecordsPerHead && Clock::now() < head_signed_ + kHeadInterval) return;
  moe::Status status;
  try {
    status = sign_head();
  } catch (const sql::Error& error) {
    status = status_of(error);
  }
  // A full disk is tried again at the next interval; a failed write or sync is final.
  if (status.ok()) {
    has_unsigned_changes_ = false;
  } else if (status.code() != moe::Code::resource_exhausted) {
    fail_for_good();
  }
}

void SqliteLedger::checkpoint_if_due() {
  if (wal_frames_ >= kCheckpointFrames && stats().state != State::failed) {
    // Waiting for readers holds commits for a moment: not again and again while a foreign one keeps its snapshot.
    const bool may_wait = wal_frames_ >= kResetFrames && Clock::now() >= reset_tried_ + kResetInterval;
    if (may_wait) reset_tried_ = Clock::now();
    const int mode = may_wait ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    const int code = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, mode, nullptr, nullptr) & 0xff;
    wal_frames_ = 0;  // the next commit says how many there are
    if (code == SQLITE_IOERR || code == SQLITE_CORRUPT) fail_for_good();
  }
  std::error_code ignored;
  const auto size = std::filesystem::file_size(options_.dir / "ledger.db-wal", ignored);
  const std::lock_guard lock(mutex_);
  stats_.wal_bytes = ignored ? 0 : size;
}

void SqliteLedger::publish_totals() {
  const std::lock_guard lock(mutex_);
  stats_.totals = writer_->totals();
  stats_.model_totals = writer_->model_totals();
}

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::completed:
      return "completed";
    case Outcome::length:
      return "length";
    case Outcome::cancelled:
      return "cancelled";
    case Outcome::disconnected:
      return "disconnected";
    case Outcome::deadline:
      return "deadline";
    case Outcome::shed:
      return "shed";
    case Outcome::engine_error:
      return "engine_error";
    case Outcome::interrupted:
      return "interrupted";
  }
  return "interrupted";
}

moe::Result<std::unique_ptr<Ledger>> Ledger::open(Options options) {
  if (!options.now_us) options.now_us = wall_clock_us;
  auto ledger = std::make_unique<SqliteLedger>(std::move(options));
  if (auto status = ledger->start(); !status.ok()) return status;
  return std::unique_ptr<Ledger>(std::move(ledger));
}

}  // namespace moegate::ledger
