#include "usage/admission.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace moegate::usage {
namespace {

using Clock = std::chrono::steady_clock;

struct CountedSlot : limits::Limiter::Slot {
  explicit CountedSlot(int& given_back) : given_back(&given_back) {}
  ~CountedSlot() override { ++*given_back; }
  int* given_back;
};

std::shared_ptr<Admission> admit(int& given_back, std::size_t sequences = 1, bool bill_failed = false) {
  AdmissionOptions options;
  options.row.request_id = "R";
  options.row.admitted_at_us = 1000;
  options.slot = std::make_unique<CountedSlot>(given_back);
  options.sequences = sequences;
  options.bill_failed = bill_failed;
  options.received = Clock::now();
  return std::make_shared<Admission>(std::move(options));
}

ledger::Counts counts(std::uint64_t input, std::uint64_t output) {
  ledger::Counts made;
  made.input = input;
  made.output = output;
  return made;
}

TEST(Admission, refused_before_start_gives_its_place_back_without_a_record) {
  int given_back = 0;
  ledger::Batch batch;
  {
    const auto admission = admit(given_back);
    EXPECT_FALSE(admission->emit(batch, 2000, Clock::now()));
  }
  EXPECT_EQ(given_back, 1);
  EXPECT_TRUE(batch.admissions.empty() && batch.terminals.empty() && batch.progress.empty());
}

TEST(Admission, the_row_rides_with_the_first_event_and_only_there) {
  int given_back = 0;
  const auto admission = admit(given_back);
  ledger::Batch first;
  ledger::Batch second;
  admission->count(0, counts(5, 1), Clock::now());
  EXPECT_FALSE(admission->emit(first, 2000, Clock::now()));
  admission->count(0, counts(5, 2), Clock::now());
  EXPECT_FALSE(admission->emit(second, 2000, Clock::now()));
  EXPECT_EQ(first.admissions.size(), 1U);
  EXPECT_TRUE(second.admissions.empty());
  ASSERT_EQ(second.progress.size(), 1U);
  EXPECT_EQ(second.progress[0].counts.output, 2U);
}

TEST(Admission, a_request_that_ends_in_its_first_step_has_a_row_and_a_terminal_record_alone) {
  int given_back = 0;
  const auto admission = admit(given_back);
  ledger::Batch batch;
  admission->count(0, counts(5, 1), Clock::now());
  admission->finish(0, SequenceEnd::stop, 7, {});
  EXPECT_TRUE(admission->emit(batch, 2000, Clock::now()));
  EXPECT_EQ(batch.admissions.size(), 1U);
  EXPECT_TRUE(batch.progress.empty());
  ASSERT_EQ(batch.terminals.size(), 1U);
  EXPECT_EQ(batch.terminals[0].counts.input, 5U);
  EXPECT_EQ(batch.terminals[0].queue_us, 7U);
}

TEST(Admission, nothing_more_comes_after_the_terminal_record) {
  int given_back = 0;
  const auto admission = admit(given_back);
  ledger::Batch batch;
  admission->finish(0, SequenceEnd::stop, 0, {});
  EXPECT_TRUE(admission->emit(batch, 2000, Clock::now()));
  admission->count(0, counts(9, 9), Clock::now());
  admission->finish(0, SequenceEnd::error, 0, {});
  ledger::Batch later;
  EXPECT_FALSE(admission->emit(later, 2000, Clock::now()));
  EXPECT_TRUE(later.terminals.empty() && later.progress.empty());
  EXPECT_FALSE(admission->want_end(EndReason::disconnected));
}

TEST(Admission, a_planted_second_settle_gives_nothing_back) {
  int given_back = 0;
  const auto admission = admit(given_back);
  EXPECT_EQ(given_back, 0);
  EXPECT_TRUE(admission->settle());
  EXPECT_EQ(given_back, 1);
  EXPECT_FALSE(admission->settle()) << "a second settle must be seen as one";
  EXPECT_EQ(given_back, 1);
}

TEST(Admission, one_of_many_threads_settles) {
  for (int round = 0; round < 50; ++round) {
    int given_back = 0;
    const auto admission = admit(given_back);
    std::atomic<int> settled{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { settled += admission->settle() ? 1 : 0; });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(settled, 1);
    EXPECT_EQ(given_back, 1);
  }
}

struct Ending {
  SequenceEnd end;
  EndReason wish;
  ledger::Outcome outcome;
  bool billable;
};

TEST(Admission, every_ending_has_its_outcome) {
  using enum SequenceEnd;
  const Ending endings[] = {
      {stop, EndReason::none, ledger::Outcome::completed, true},
      {tool_calls, EndReason::none, ledger::Outcome::completed, true},
      {length, EndReason::none, ledger::Outcome::length, true},
      {cancelled, EndReason::cancelled, ledger::Outcome::cancelled, true},
      {cancelled, EndReason::disconnected, ledger::Outcome::disconnected, true},
      {cancelled, EndReason::deadline, ledger::Outcome::deadline, true},
      {deadline, EndReason::none, ledger::Outcome::deadline, true},
      {cancelled, EndReason::shed, ledger::Outcome::shed, true},
      {cancelled, EndReason::none, ledger::Outcome::shed, true},
      {error, EndReason::none, ledger::Outcome::engine_error, false},
      {error, EndReason::disconnected, ledger::Outcome::engine_error, false},
      // The wish came too late: the sequence had reached its own end.
      {stop, EndReason::disconnected, ledger::Outcome::completed, true},
      {length, EndReason::deadline, ledger::Outcome::length, true},
  };
  for (const auto& ending : endings) {
    int given_back = 0;
    const auto admission = admit(given_back);
    if (ending.wish != EndReason::none) {
      EXPECT_TRUE(admission->want_end(ending.wish));
    }
    EXPECT_EQ(admission->want_end(EndReason::shed), ending.wish == EndReason::none);
    if (ending.wish == EndReason::none && ending.end == cancelled) continue;  // the wish for shed above
    ledger::Batch batch;
    admission->finish(0, ending.end, 0, {});
    ASSERT_TRUE(admission->emit(batch, 2000, Clock::now()));
    EXPECT_EQ(batch.terminals.at(0).outcome, ending.outcome);
    EXPECT_EQ(batch.terminals.at(0).billable, ending.billable);
    EXPECT_TRUE(admission->settle());
    EXPECT_EQ(given_back, 1);
  }
}

TEST(Admission, failed_requests_are_billed_only_by_configuration) {
  int given_back = 0;
  const auto admission = admit(given_back, 1, true);
  ledger::Batch batch;
  admission->finish(0, SequenceEnd::error, 0, {});
  EXPECT_TRUE(admission->emit(batch, 2000, Clock::now()));
  EXPECT_TRUE(batch.terminals.at(0).billable);
}

TEST(Admission, several_prompts_make_one_record_with_the_sum) {
  int given_back = 0;
  const auto admission = admit(given_back, 3);
  ledger::Batch batch;
  for (std::size_t i = 0; i < 3; ++i) {
    admission->count(i, counts(10, i), Clock::now());
    EXPECT_TRUE(batch.terminals.empty());
    admission->finish(i, i == 1 ? SequenceEnd::length : SequenceEnd::stop, 0, {});
    admission->emit(batch, 2000, Clock::now());
  }
  ASSERT_EQ(batch.terminals.size(), 1U);
  EXPECT_EQ(batch.terminals[0].counts.input, 30U);
  EXPECT_EQ(batch.terminals[0].counts.output, 3U);
  EXPECT_EQ(batch.terminals[0].outcome, ledger::Outcome::length);
}

TEST(Admission, counts_never_fall_and_are_confirmed_once) {
  int given_back = 0;
  const auto admission = admit(given_back);
  admission->count(0, counts(10, 5), Clock::now());
  admission->count(0, counts(10, 3), Clock::now());  // a late, merged event
  EXPECT_EQ(admission->counts().output, 5U);
  EXPECT_EQ(admission->confirm(counts(10, 4)).output, 4U);
  EXPECT_EQ(admission->confirm(counts(10, 5)).output, 1U);
  EXPECT_EQ(admission->confirm(counts(10, 5)).input, 0U);
}

TEST(Admission, c2_a_wall_clock_that_went_back_gives_no_negative_time) {
  int given_back = 0;
  const auto admission = admit(given_back);
  ledger::Batch batch;
  admission->finish(0, SequenceEnd::stop, 0, {});
  EXPECT_TRUE(admission->emit(batch, 5, admission->received() - std::chrono::hours(1)));
  EXPECT_EQ(batch.terminals.at(0).ended_at_us, 1000);
  EXPECT_EQ(batch.terminals.at(0).duration_us, 0U);
}

}  // namespace
}  // namespace moegate::usage
