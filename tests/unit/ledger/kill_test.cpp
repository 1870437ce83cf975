// A child process writes as fast as it can and is killed at random moments; what it was told to be durable must be
// there.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <thread>

#include "fixture.hpp"

namespace moegate::ledger {
namespace {

constexpr int kKills = 30;
constexpr std::uint64_t kScript = 12;  // tokens of a request

// What the child says after each commit: this request may deliver so many tokens.
struct Delivered {
  std::uint32_t request = 0;
  std::uint32_t tokens = 0;
};

std::string request_name(int round, std::uint32_t number) {
  return "round-" + std::to_string(round) + "-" + std::to_string(number);
}

// Streams of 8 requests at a time, one step after the other, as an engine drives the ledger. Never returns.
[[noreturn]] void write_for_ever(const std::filesystem::path& dir, int round, int pipe) {
  auto ledger = Ledger::open(test_options(dir));
  if (!ledger.ok()) ::_exit(3);
  std::map<std::uint32_t, std::uint64_t> running;
  std::uint32_t made = 0;
  while (true) {
    Batch batch;
    std::vector<Delivered> step;
    while (running.size() < 8) {
      batch.admissions.push_back(admission(request_name(round, made)));
      running[made] = made % 5;  // different lengths behind
      ++made;
    }
    for (auto place = running.begin(); place != running.end();) {
      const std::string id = request_name(round, place->first);
      const std::uint64_t tokens = ++place->second;
      step.push_back({place->first, static_cast<std::uint32_t>(tokens)});
      if (tokens >= kScript) {
        batch.terminals.push_back(terminal(id, tokens));
        place = running.erase(place);
      } else {
        batch.progress.push_back(progress(id, tokens));
        ++place;
      }
    }
    batch.after_commit = [step, pipe](CommitResult result, const auto&) {
      if (result != CommitResult::durable) ::_exit(4);
      const std::size_t bytes = step.size() * sizeof(Delivered);
      if (::write(pipe, step.data(), bytes) != static_cast<ssize_t>(bytes)) ::_exit(5);
    };
    if (!(*ledger)->submit(std::move(batch))) {
      while ((*ledger)->stats().unsynced_batches >= 4) std::this_thread::yield();
    }
  }
}

TEST(Kill, D1_what_was_durable_before_a_kill_is_billed_after_it) {
  TemporaryFolder folder;
  const std::uint32_t seed = 77;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::uint32_t state = seed;
  std::map<std::string, std::uint64_t> delivered;
  std::uint64_t interrupted = 0;
  for (int round = 0; round < kKills; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      write_for_ever(folder.path(), round, ends[1]);
    }
    ::close(ends[1]);
    state = state * 1664525u + 1013904223u;
    const int events_before_kill = static_cast<int>((state >> 8) % 200);
    Delivered event;
    bool is_killed = false;
    for (int n = 0; ::read(ends[0], &event, sizeof event) == sizeof event; ++n) {
      delivered[request_name(round, event.request)] = event.tokens;
      if (n >= events_before_kill && !is_killed) {
        ::kill(child, SIGKILL);  // what lies in the pipe was delivered and is read to its end
        is_killed = true;
      }
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);

    auto ledger = open_ledger(test_options(folder.path()));
    ASSERT_NE(ledger, nullptr);
    interrupted += ledger->stats().recovered_records;
    const auto verification = ledger->verify();
    ASSERT_TRUE(verification.ok());
    ASSERT_TRUE(verification->findings.empty()) << verification->findings[0].table << verification->findings[0].what;
    ASSERT_EQ(query(*ledger, "SELECT count(*) FROM usage"), query(*ledger, "SELECT count(*) FROM requests"));
    ASSERT_EQ(query(*ledger, "SELECT count(*) FROM progress"), 0);
    std::map<std::string, std::uint64_t> billed;
    ASSERT_TRUE(ledger
                    ->read([&](sqlite3* db) {
                      sql::Statement rows(db, "SELECT request_id, output FROM usage");
                      while (rows.step()) billed[rows.text(0)] = static_cast<std::uint64_t>(rows.integer(1));
                      return moe::Status();
                    })
                    .ok());
    for (const auto& [id, tokens] : delivered) {
      ASSERT_TRUE(billed.contains(id)) << id;
      ASSERT_LE(tokens, billed[id]) << id;
      ASSERT_LE(billed[id], kScript) << id;
    }
  }
  EXPECT_GT(interrupted, static_cast<std::uint64_t>(kKills));
}

TEST(Kill, many_open_requests_are_recovered_in_one_start) {
  TemporaryFolder folder;
  const int kOpen = 2000;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto ledger = Ledger::open(test_options(folder.path()));
    if (!ledger.ok()) ::_exit(3);
    Batch batch;
    for (int i = 0; i < kOpen; ++i) {
      batch.admissions.push_back(admission("r" + std::to_string(i)));
      batch.progress.push_back(progress("r" + std::to_string(i), static_cast<std::uint64_t>(i)));
    }
    submit_and_wait(**ledger, std::move(batch));
    ::_exit(0);  // no close: as dead as killed
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  auto ledger = open_ledger(test_options(folder.path()));
  EXPECT_EQ(ledger->stats().recovered_records, static_cast<std::uint64_t>(kOpen));
  EXPECT_EQ(ledger->stats().totals.output, static_cast<std::uint64_t>(kOpen) * (kOpen - 1) / 2);
}

}  // namespace
}  // namespace moegate::ledger
