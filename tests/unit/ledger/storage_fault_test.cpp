// A disk that is full, fails or answers in parts: SQLite's own writes go through replaceable system calls, and the sync
// of this program is replaced for all.
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "fixture.hpp"

namespace {

enum class Fault { none, no_space, write_error, short_write, sync_error };
std::atomic<Fault> active{Fault::none};
std::atomic<int> calls_before{0};   // the fault begins behind so many calls
std::atomic<int> faulty_calls{-1};  // and lasts for so many, -1 = for ever
std::atomic<int> faults_made{0};
std::atomic<int> syncs{0};

bool is_faulty() {
  if (calls_before.fetch_sub(1) > 0) return false;
  calls_before = 0;
  if (faulty_calls == 0) return false;
  if (faulty_calls > 0) --faulty_calls;
  ++faults_made;
  return true;
}

ssize_t faulty_pwrite(int file, const void* data, size_t size, off_t place) {
  const Fault fault = active;
  if (fault != Fault::none && fault != Fault::sync_error && is_faulty()) {
    if (fault == Fault::short_write) return ::pwrite(file, data, size > 1 ? size / 2 : size, place);
    errno = fault == Fault::no_space ? ENOSPC : EIO;
    return -1;
  }
  return ::pwrite(file, data, size, place);
}

}  // namespace

// Replaces the C library's: SQLite and files.cpp sync with it.
extern "C" __attribute__((visibility("default"))) int fdatasync(int file) {
  ++syncs;
  if (active == Fault::sync_error && is_faulty()) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

namespace moegate::ledger {
namespace {

class StorageFault : public ::testing::Test {
 protected:
  void SetUp() override {
    sqlite3_initialize();
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    for (const char* name : {"pwrite", "pwrite64"}) {
      vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(&faulty_pwrite));
    }
    end_fault();
    faults_made = 0;
  }
  void TearDown() override {
    end_fault();
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    vfs->xSetSystemCall(vfs, nullptr, nullptr);
  }
  static void begin_fault(Fault fault, int after, int lasting) {
    calls_before = after;
    faulty_calls = lasting;
    active = fault;
  }
  static void end_fault() { active = Fault::none; }
  std::int64_t records() {
    auto ledger = open_ledger(test_options(folder_.path()));
    return ledger == nullptr ? -1 : query(*ledger, "SELECT count(*) FROM usage");
  }

  TemporaryFolder folder_;
};

// Waits until the callback's state is there.
class States {
 public:
  explicit States(Ledger& ledger) {
    ledger.on_state([this](State state) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(state);
      changed_.notify_all();
    });
  }
  void wait_for(State state) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !seen_.empty() && seen_.back() == state; });
  }
  std::vector<State> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<State> seen_;
};

TEST_F(StorageFault, D5_a_full_disk_holds_everything_back_and_goes_on_by_itself) {
  {
    auto ledger = open_ledger(test_options(folder_.path()));
    States states(*ledger);
    run_request(*ledger, "before", 1);
    std::atomic<int> durable{0};
    begin_fault(Fault::no_space, 0, -1);
    Batch batch;
    batch.admissions = {admission("during")};
    batch.terminals = {terminal("during", 2)};
    batch.after_commit = [&](CommitResult result, const auto&) { durable += result == CommitResult::durable; };
    ledger->submit(std::move(batch));
    states.wait_for(State::disk_full);
    EXPECT_EQ(durable, 0);
    EXPECT_EQ(ledger->stats().state, State::disk_full);
    const auto refused = ledger->transact([](sqlite3*) { return moe::Status(); });
    EXPECT_EQ(refused.code(), moe::Code::unavailable);
    EXPECT_EQ(query(*ledger, "SELECT count(*) FROM usage"), 1);
    end_fault();
    states.wait_for(State::serving);
    EXPECT_EQ(run_request(*ledger, "after", 3).result, CommitResult::durable);
    EXPECT_EQ(durable, 1);
    EXPECT_EQ(states.seen(), (std::vector<State>{State::disk_full, State::serving}));
    EXPECT_TRUE(ledger->verify()->findings.empty());
  }
  EXPECT_EQ(records(), 3);
}

TEST_F(StorageFault, D5_no_place_of_a_full_disk_loses_or_doubles_a_record) {
  for (int after = 0; after < 12; after += 2) {
    TemporaryFolder folder;
    {
      auto ledger = open_ledger(test_options(folder.path()));
      begin_fault(Fault::no_space, after, 1);
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(run_request(*ledger, "r" + std::to_string(i), 1).result, CommitResult::durable) << after;
      }
      end_fault();
    }
    auto ledger = open_ledger(test_options(folder.path()));
    EXPECT_EQ(query(*ledger, "SELECT count(*) FROM usage"), 4) << after;
    EXPECT_TRUE(ledger->verify()->findings.empty()) << after;
  }
  EXPECT_GE(faults_made, 5);
}

TEST_F(StorageFault, closing_on_a_full_disk_delivers_nothing) {
  std::atomic<int> durable{0}, failed{0};
  {
    auto ledger = open_ledger(test_options(folder_.path()));
    States states(*ledger);
    begin_fault(Fault::no_space, 0, -1);
    for (int i = 0; i < 3; ++i) {
      Batch batch;
      batch.admissions = {admission("r" + std::to_string(i))};
      batch.after_commit = [&](CommitResult result, const auto&) {
        result == CommitResult::durable ? ++durable : ++failed;
      };
      ledger->submit(std::move(batch));
    }
    states.wait_for(State::disk_full);
  }
  EXPECT_EQ(durable, 0);
  EXPECT_EQ(failed, 3);
  end_fault();
  EXPECT_EQ(records(), 0);
}

TEST_F(StorageFault, D6_a_failed_sync_or_write_stops_the_ledger_for_good) {
  for (const Fault fault : {Fault::sync_error, Fault::write_error}) {
    TemporaryFolder folder;
    auto ledger = open_ledger(test_options(folder.path()));
    States states(*ledger);
    EXPECT_EQ(run_request(*ledger, "before", 1).result, CommitResult::durable);
    begin_fault(fault, 0, 1);  // one single failure
    EXPECT_EQ(run_request(*ledger, "during", 2).result, CommitResult::failed);
    states.wait_for(State::failed);
    EXPECT_EQ(run_request(*ledger, "after", 3).result, CommitResult::failed);
    EXPECT_FALSE(ledger->submit({}));
    EXPECT_EQ(ledger->transact([](sqlite3*) { return moe::Status(); }).code(), moe::Code::unavailable);
    EXPECT_EQ(ledger->stats().totals.output, 1u);
    const int syncs_before_close = syncs;
    ledger.reset();
    EXPECT_EQ(syncs, syncs_before_close);  // never again as if it were clean
  }
}

TEST_F(StorageFault, D6_whatever_call_fails_nothing_undurable_was_promised) {
  for (const Fault fault : {Fault::sync_error, Fault::write_error}) {
    int clean_runs = 0;
    for (int after = 0; after < 80 && clean_runs == 0; ++after) {
      TemporaryFolder folder;
      int durable = 0;
      bool has_failed = false;
      {
        auto ledger = open_ledger(test_options(folder.path()));
        faults_made = 0;
        begin_fault(fault, after, 1);
        for (int i = 0; i < 2; ++i) {
          const bool is_durable = run_request(*ledger, "r" + std::to_string(i), 1).result == CommitResult::durable;
          EXPECT_FALSE(has_failed && is_durable) << after;
          has_failed = has_failed || !is_durable;
          durable += is_durable;
        }
      }
      end_fault();
      clean_runs += faults_made == 0;
      auto ledger = open_ledger(test_options(folder.path()));
      ASSERT_NE(ledger, nullptr) << after;
      EXPECT_GE(query(*ledger, "SELECT count(*) FROM usage"), durable) << after;
      EXPECT_TRUE(ledger->verify()->findings.empty()) << after;
    }
    EXPECT_EQ(clean_runs, 1);  // every call of the session was reached
  }
}

TEST_F(StorageFault, D7_writes_in_parts_lose_no_byte) {
  {
    auto ledger = open_ledger(test_options(folder_.path()));
    begin_fault(Fault::short_write, 0, -1);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(run_request(*ledger, "r" + std::to_string(i), 1).result, CommitResult::durable);
    }
    end_fault();
    EXPECT_TRUE(ledger->verify()->findings.empty());
  }
  EXPECT_GT(faults_made, 20);
  EXPECT_EQ(records(), 20);
}

}  // namespace
}  // namespace moegate::ledger
