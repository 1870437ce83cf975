#include <algorithm>
#include <atomic>
#include <thread>

#include "fixture.hpp"
#include "ledger/schema.hpp"

namespace moegate::ledger {
namespace {

TEST(Ledger, a_request_that_ends_in_its_first_step_has_one_record_and_no_progress) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  const Answer answer = run_request(*ledger, "r1", 5);
  EXPECT_EQ(answer.result, CommitResult::durable);
  EXPECT_EQ(answer.records, std::vector<std::int64_t>{1});
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM usage"), 1);
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM requests"), 1);
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM progress"), 0);
  EXPECT_EQ(ledger->stats().totals.output, 5u);
  EXPECT_EQ(ledger->stats().model_totals.at("demo").input, 10u);
}

TEST(Ledger, progress_is_cumulative_and_goes_with_the_terminal_record) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  Batch first;
  first.admissions = {admission("r1")};
  first.progress = {progress("r1", 1)};
  EXPECT_EQ(submit_and_wait(*ledger, std::move(first)).result, CommitResult::durable);
  Batch second;
  second.progress = {progress("r1", 2)};
  EXPECT_EQ(submit_and_wait(*ledger, std::move(second)).result, CommitResult::durable);
  EXPECT_EQ(query(*ledger, "SELECT output FROM progress"), 2);
  Batch last;
  last.terminals = {terminal("r1", 3, Outcome::length)};
  EXPECT_EQ(submit_and_wait(*ledger, std::move(last)).records, std::vector<std::int64_t>{1});
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM progress"), 0);
  EXPECT_EQ(query(*ledger, "SELECT output FROM usage"), 3);
}

TEST(Ledger, requests_left_open_become_interrupted_with_their_durable_counts) {
  TemporaryFolder folder;
  {
    auto ledger = open_ledger(test_options(folder.path()));
    Batch batch;
    batch.admissions = {admission("r1"), admission("r2")};
    batch.progress = {progress("r1", 7)};
    submit_and_wait(*ledger, std::move(batch));
    run_request(*ledger, "r3", 4);
  }
  auto ledger = open_ledger(test_options(folder.path()));
  EXPECT_EQ(ledger->stats().recovered_records, 2u);
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM usage WHERE outcome = 'interrupted'"), 2);
  EXPECT_EQ(query(*ledger, "SELECT output FROM usage WHERE request_id = 'r1'"), 7);
  // r2 was admitted and never computed a token: it bills nothing.
  EXPECT_EQ(query(*ledger, "SELECT input + output FROM usage WHERE request_id = 'r2'"), 0);
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM progress"), 0);
  EXPECT_EQ(ledger->stats().totals.output, 11u);
  EXPECT_EQ(ledger->stats().model_totals_at_start.at("demo").output, 11u);
  const auto verification = ledger->verify();
  ASSERT_TRUE(verification.ok());
  EXPECT_TRUE(verification->findings.empty());
  EXPECT_EQ(verification->last_seq, 3);
}

TEST(Ledger, a_second_end_of_a_request_is_refused_and_leaves_no_trace) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  run_request(*ledger, "r1", 5);
  Batch again;
  again.terminals = {terminal("r1", 5)};
  EXPECT_EQ(submit_and_wait(*ledger, std::move(again)).result, CommitResult::failed);
  EXPECT_EQ(run_request(*ledger, "r1", 5).result, CommitResult::failed);
  Batch twice;
  twice.admissions = {admission("r2")};
  twice.terminals = {terminal("r2", 1), terminal("r2", 1)};
  EXPECT_EQ(submit_and_wait(*ledger, std::move(twice)).result, CommitResult::failed);
  EXPECT_EQ(run_request(*ledger, "r3", 2).records, std::vector<std::int64_t>{2});
  EXPECT_EQ(ledger->stats().totals.output, 7u);
  EXPECT_TRUE(ledger->verify()->findings.empty());
}

TEST(Ledger, one_wrong_batch_does_not_hurt_the_others_of_its_group) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  std::atomic<int> durable{0}, failed{0};
  std::thread blocker;
  std::atomic<bool> go{false};
  // While a transaction runs, the batches gather and become one group.
  blocker = std::thread([&] {
    EXPECT_TRUE(ledger
                    ->transact([&](sqlite3*) {
                      go.wait(false);
                      return moe::Status();
                    })
                    .ok());
  });
  for (int i = 0; i < 10; ++i) {
    Batch batch;
    if (i != 4) batch.admissions = {admission("r" + std::to_string(i))};
    batch.terminals = {terminal("r" + std::to_string(i), 1)};
    batch.after_commit = [&](CommitResult result, const auto& records) {
      result == CommitResult::durable ? ++durable : ++failed;
      EXPECT_EQ(records.size(), result == CommitResult::durable ? 1u : 0u);
    };
    ledger->submit(std::move(batch));
  }
  go = true;
  go.notify_all();
  blocker.join();
  ledger.reset();
  EXPECT_EQ(durable, 9);
  EXPECT_EQ(failed, 1);
  ledger = open_ledger(test_options(folder.path()));
  EXPECT_EQ(query(*ledger, "SELECT max(seq) FROM usage"), 9);
}

TEST(Ledger, absurd_counts_are_refused_before_they_can_overflow_a_sum) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  for (const std::uint64_t count : {std::uint64_t{1} << 53, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    EXPECT_EQ(run_request(*ledger, "r" + std::to_string(count), count).result, CommitResult::failed);
  }
  EXPECT_EQ(run_request(*ledger, "r31", std::uint64_t{1} << 31).result, CommitResult::durable);
  EXPECT_EQ(ledger->stats().totals.output, std::uint64_t{1} << 31);
}

TEST(Ledger, usage_refuses_update_and_delete) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  run_request(*ledger, "r1", 5);
  for (const char* text :
       {"UPDATE usage SET output = 0", "DELETE FROM usage", "DELETE FROM requests", "UPDATE requests SET org = 'x'"}) {
    const auto status = ledger->transact([&](sqlite3* db) {
      sql::execute(db, text);
      return moe::Status();
    });
    EXPECT_FALSE(status.ok()) << text;
  }
  EXPECT_EQ(query(*ledger, "SELECT output FROM usage"), 5);
}

TEST(Ledger, a_full_queue_says_hold_and_on_room_ends_it) {
  TemporaryFolder folder;
  Options options = test_options(folder.path());
  options.max_unsynced_steps = 4;
  auto ledger = open_ledger(options);
  std::atomic<bool> go{false}, is_inside{false}, has_room{false};
  ledger->on_room([&] {
    has_room = true;
    has_room.notify_all();
  });
  std::thread blocker([&] {
    (void)ledger->transact([&](sqlite3*) {
      is_inside = true;
      is_inside.notify_all();
      go.wait(false);
      return moe::Status();
    });
  });
  is_inside.wait(false);
  std::vector<bool> taken;
  for (int i = 0; i < 5; ++i) {
    Batch batch;
    batch.admissions = {admission("r" + std::to_string(i))};
    taken.push_back(ledger->submit(std::move(batch)));
  }
  EXPECT_EQ(taken, (std::vector<bool>{true, true, true, false, false}));
  EXPECT_EQ(ledger->stats().unsynced_batches, 5u);
  Batch first, second;
  first.progress = {progress("r0", 3)};
  second.terminals = {terminal("r0", 5)};
  ledger->submit(std::move(first));
  ledger->submit(std::move(second));
  EXPECT_EQ(ledger->stats().unsynced_tokens, 5u);  // cumulative counts: 3, then 2 more
  EXPECT_FALSE(has_room);
  go = true;
  go.notify_all();
  has_room.wait(false);
  blocker.join();
  submit_and_wait(*ledger, {});
  EXPECT_EQ(ledger->stats().unsynced_tokens, 0u);
  ledger.reset();
}

TEST(Ledger, durability_request_writes_only_terminal_records) {
  TemporaryFolder folder;
  Options options = test_options(folder.path());
  options.durable_per_request = true;
  {
    auto ledger = open_ledger(options);
    Batch first;
    first.admissions = {admission("r1"), admission("r2")};
    first.progress = {progress("r1", 1)};
    EXPECT_EQ(submit_and_wait(*ledger, std::move(first)).result, CommitResult::durable);
    EXPECT_EQ(query(*ledger, "SELECT count(*) FROM requests"), 0);
    Batch last;
    last.terminals = {terminal("r1", 2)};
    EXPECT_EQ(submit_and_wait(*ledger, std::move(last)).records, std::vector<std::int64_t>{1});
    EXPECT_EQ(query(*ledger, "SELECT count(*) FROM requests"), 1);
  }
  auto ledger = open_ledger(options);
  EXPECT_EQ(ledger->stats().recovered_records, 0u);
  EXPECT_TRUE(ledger->verify()->findings.empty());
}

TEST(Ledger, closing_commits_what_is_queued) {
  TemporaryFolder folder;
  std::atomic<int> durable{0};
  {
    auto ledger = open_ledger(test_options(folder.path()));
    for (int i = 0; i < 600; ++i) {
      Batch batch;
      batch.admissions = {admission("r" + std::to_string(i))};
      batch.terminals = {terminal("r" + std::to_string(i), 1)};
      batch.after_commit = [&](CommitResult result, const auto&) { durable += result == CommitResult::durable; };
      ledger->submit(std::move(batch));
    }
  }
  EXPECT_EQ(durable, 600);
  auto ledger = open_ledger(test_options(folder.path()));
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM usage"), 600);
}

TEST(Ledger, a_newer_schema_is_refused_and_an_older_one_copied_before_it_is_brought_forward) {
  TemporaryFolder folder;
  const auto file = folder.path() / "ledger.db";
  { auto ledger = open_ledger(test_options(folder.path())); }
  {
    sql::Connection db(file, sql::Connection::Mode::read_write);
    sql::execute(db.get(), "PRAGMA user_version = 99");
  }
  auto newer = Ledger::open(test_options(folder.path()));
  ASSERT_FALSE(newer.ok());
  EXPECT_NE(newer.status().message().find("schema 99"), std::string::npos) << newer.status().message();
  {
    sql::Connection db(file, sql::Connection::Mode::read_write);
    sql::execute(db.get(), "DROP TABLE key_seen; PRAGMA user_version = 1");
  }
  auto ledger = open_ledger(test_options(folder.path()));
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(query(*ledger, "PRAGMA user_version"), kSchemaVersion);
  sql::Connection copy(file.string() + ".schema-1", sql::Connection::Mode::read_only);
  EXPECT_EQ(sql::query_integer(copy.get(), "PRAGMA user_version"), 1);
}

TEST(Ledger, F065_the_log_stays_small_whatever_a_foreign_reader_holds_and_shrinks_after_it) {
  TemporaryFolder folder;
  auto ledger = open_ledger(test_options(folder.path()));
  const auto run_many = [&](int from, int to) {
    for (int i = from; i < to; ++i) run_request(*ledger, "r" + std::to_string(i), 1);
  };
  run_many(0, 1500);
  EXPECT_LT(ledger->stats().wal_bytes, std::uint64_t{16} << 20);
  {
    sql::Connection reader(folder.path() / "ledger.db", sql::Connection::Mode::read_only);
    sql::Transaction snapshot(reader.get(), "BEGIN");
    const auto seen = sql::query_integer(reader.get(), "SELECT count(*) FROM usage");
    run_many(1500, 2500);
    EXPECT_EQ(sql::query_integer(reader.get(), "SELECT count(*) FROM usage"), seen);
  }
  const std::uint64_t held = ledger->stats().wal_bytes;
  run_many(2500, 4500);
  EXPECT_LT(ledger->stats().wal_bytes, held + (std::uint64_t{8} << 20));
  EXPECT_EQ(query(*ledger, "SELECT count(*) FROM usage"), 4500);
}

TEST(Ledger, F065_an_own_reader_that_never_lets_go_is_interrupted) {
  TemporaryFolder folder;
  Options options = test_options(folder.path());
  options.read_limit_ms = 20;
  auto ledger = open_ledger(options);
  const auto status = ledger->read([](sqlite3* db) {
    sql::Statement endless(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n");
    endless.step();
    return moe::Status();
  });
  EXPECT_EQ(status.code(), moe::Code::deadline_exceeded);
  EXPECT_EQ(query(*ledger, "SELECT 1"), 1);
}

// One request of a random life, in whatever batches it falls into, against a plain model of what must be in the ledger.
TEST(Ledger, random_lives_match_a_plain_model) {
  TemporaryFolder folder;
  const unsigned seed = 20261125;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::uint32_t state = seed;
  const auto next = [&](std::uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
  };
  std::map<std::string, std::uint64_t> open, billed;
  auto ledger = open_ledger(test_options(folder.path()));
  int made = 0;
  for (int step = 0; step < 3000; ++step) {
    Batch batch;
    if (next(3) == 0) {
      const std::string id = "r" + std::to_string(made++);
      batch.admissions.push_back(admission(id));
      open[id] = 0;
      batch.progress.push_back(progress(id, 0));
    }
    for (auto place = open.begin(); place != open.end();) {
      place->second += next(3);
      if (next(12) == 0) {
        batch.terminals.push_back(terminal(place->first, place->second));
        billed[place->first] = place->second;
        place = open.erase(place);
      } else {
        batch.progress.push_back(progress(place->first, place->second));
        ++place;
      }
    }
    ledger->submit(std::move(batch));
    if (next(500) == 0) {
      for (const auto& [id, output] : open) billed[id] = output;
      open.clear();
      ledger = open_ledger((ledger.reset(), test_options(folder.path())));
    }
  }
  for (const auto& [id, output] : open) billed[id] = output;
  ledger = open_ledger((ledger.reset(), test_options(folder.path())));
  std::map<std::string, std::uint64_t> found;
  ASSERT_TRUE(ledger
                  ->read([&](sqlite3* db) {
                    sql::Statement rows(db, "SELECT request_id, output FROM usage");
                    while (rows.step()) found[rows.text(0)] = static_cast<std::uint64_t>(rows.integer(1));
                    return moe::Status();
                  })
                  .ok());
  EXPECT_EQ(found, billed);
  EXPECT_TRUE(ledger->verify()->findings.empty());
}

}  // namespace
}  // namespace moegate::ledger
