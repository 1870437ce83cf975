#include "backend/step_receiver.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace moegate::backend {
namespace {

// A ledger that keeps batches until the test commits them.
class FakeLedger : public ledger::Ledger {
 public:
  bool submit(ledger::Batch batch) override {
    waiting.push_back(std::move(batch));
    return waiting.size() < room;
  }
  void on_room(std::function<void()>) override {}
  void on_state(std::function<void(ledger::State)>) override {}
  void on_commit(std::function<void(double, std::size_t)>) override {}
  moe::Status transact(std::function<moe::Status(sqlite3*)>) override { return {}; }
  moe::Status read(std::function<moe::Status(sqlite3*)>) const override { return {}; }
  moe::Result<ledger::Verification> verify() const override { return ledger::Verification{}; }
  ledger::Stats stats() const override { return {}; }
  const std::vector<std::uint8_t>& mac_key() const override { return key_; }

  ledger::Batch commit(ledger::CommitResult result = ledger::CommitResult::durable) {
    auto batch = std::move(waiting.front());
    waiting.pop_front();
    std::vector<std::int64_t> records;
    for (std::size_t i = 0; i < batch.terminals.size(); ++i) records.push_back(next_record++);
    batch.after_commit(result, records);
    return batch;
  }
  std::deque<ledger::Batch> waiting;
  std::size_t room = 100;
  std::int64_t next_record = 1;

 private:
  std::vector<std::uint8_t> key_;
};

struct CountedSlot : limits::Limiter::Slot {
  explicit CountedSlot(int& given_back) : given_back(&given_back) {}
  ~CountedSlot() override { ++*given_back; }
  int* given_back;
};

class StepReceiverTest : public testing::Test {
 protected:
  std::shared_ptr<Running> start(const std::string& id, std::vector<std::uint64_t> tags) {
    usage::AdmissionOptions options;
    options.row.request_id = id;
    options.row.api = "chat";
    options.slot = std::make_unique<CountedSlot>(given_back);
    options.sequences = tags.size();
    options.received = std::chrono::steady_clock::now();
    auto running = std::make_shared<Running>();
    running->admission = std::make_shared<usage::Admission>(std::move(options));
    running->model = "demo";
    running->tags = std::move(tags);
    running->deliver = [this, id](Delivery delivery) { delivered.emplace_back(id, std::move(delivery)); };
    receiver.add(running);
    return running;
  }
  static moe_plugin_event tokens(std::uint64_t tag, std::uint64_t completion, std::string_view text) {
    static const std::int32_t kToken = 5;
    moe_plugin_event event{};
    event.struct_size = sizeof(event);
    event.kind = MOE_PLUGIN_EVENT_TOKENS;
    event.tag = tag;
    event.text = {text.data(), text.size()};
    event.num_tokens = 1;
    event.tokens = &kToken;
    event.prompt_computed = 10;
    event.completion_tokens = completion;
    return event;
  }
  static moe_plugin_event last(std::uint64_t tag, std::uint64_t completion, std::int32_t finish,
                               moe_status status = MOE_OK) {
    moe_plugin_event event = tokens(tag, completion, "");
    event.kind = MOE_PLUGIN_EVENT_FINAL;
    event.num_tokens = 0;
    event.tokens = nullptr;
    event.finish_reason = finish;
    event.status = status;
    return event;
  }
  std::int32_t step(const std::vector<moe_plugin_event>& events) {
    std::vector<const moe_plugin_event*> pointers;
    for (const auto& event : events) pointers.push_back(&event);
    moe_plugin_step made{};
    made.struct_size = sizeof(made);
    made.events = pointers.data();
    made.num_events = static_cast<std::uint32_t>(pointers.size());
    made.model = {"demo", 4};
    made.decode_tokens = 1;
    return receiver.on_step(made);
  }

  int given_back = 0;
  std::vector<std::pair<std::string, Delivery>> delivered;
  FakeLedger ledger;
  telemetry::Metrics metrics{{{"demo"}, {"r"}, 20'000, "0", "b"}};
  StepReceiver receiver{ledger, metrics, [] { return std::int64_t{1}; }};
};

TEST_F(StepReceiverTest, one_step_is_one_batch_and_nothing_is_delivered_before_its_commit) {
  start("A", {1});
  start("B", {2});
  EXPECT_EQ(step({tokens(1, 1, "x"), tokens(2, 1, "y"), tokens(1, 2, "z")}), MOE_PLUGIN_STEP_CONTINUE);
  ASSERT_EQ(ledger.waiting.size(), 1U);
  EXPECT_EQ(ledger.waiting[0].admissions.size(), 2U);
  EXPECT_EQ(ledger.waiting[0].progress.size(), 2U) << "counts of one request are merged";
  EXPECT_TRUE(delivered.empty());
  ledger.commit();
  ASSERT_EQ(delivered.size(), 2U);
  EXPECT_EQ(delivered[0].second.events.size(), 2U);
  EXPECT_EQ(delivered[0].second.events[1].text, "z");
  EXPECT_EQ(delivered[0].second.events[1].counts.output, 2U);
}

TEST_F(StepReceiverTest, a_full_ledger_holds_the_engine_until_there_is_room) {
  start("A", {1});
  ledger.room = 1;
  EXPECT_EQ(step({tokens(1, 1, "x")}), MOE_PLUGIN_STEP_HOLD);
  EXPECT_TRUE(receiver.end_hold());
  EXPECT_FALSE(receiver.end_hold());
}

TEST_F(StepReceiverTest, the_terminal_record_gives_the_place_back_after_its_commit) {
  start("A", {1});
  step({tokens(1, 1, "x"), last(1, 1, MOE_PLUGIN_FINISH_STOP)});
  EXPECT_EQ(given_back, 0);
  EXPECT_EQ(receiver.active(), 1U);
  const auto batch = ledger.commit();
  EXPECT_EQ(batch.terminals.size(), 1U);
  EXPECT_EQ(given_back, 1);
  EXPECT_EQ(receiver.active(), 0U);
  EXPECT_TRUE(delivered[0].second.is_last);
  EXPECT_EQ(delivered[0].second.record, 1);
}

TEST_F(StepReceiverTest, a_second_final_event_is_no_second_record) {
  start("A", {1});
  step({last(1, 0, MOE_PLUGIN_FINISH_STOP), last(1, 0, MOE_PLUGIN_FINISH_ERROR, MOE_E_INTERNAL)});
  step({last(1, 0, MOE_PLUGIN_FINISH_STOP)});
  std::size_t terminals = 0;
  while (!ledger.waiting.empty()) terminals += ledger.commit().terminals.size();
  EXPECT_EQ(terminals, 1U);
  EXPECT_EQ(given_back, 1);
}

TEST_F(StepReceiverTest, after_a_failed_commit_nothing_may_be_shown) {
  start("A", {1});
  step({tokens(1, 1, "x")});
  ledger.commit(ledger::CommitResult::failed);
  ASSERT_EQ(delivered.size(), 1U);
  EXPECT_FALSE(delivered[0].second.is_durable);
  EXPECT_NE(metrics.registry.render().find("moegate_meter_unrecorded_total{reason=\"failed_commit\"} 1"),
            std::string::npos);
}

TEST_F(StepReceiverTest, tokens_of_an_unknown_tag_are_visible) {
  step({tokens(99, 1, "x")});
  EXPECT_TRUE(ledger.waiting.empty());
  EXPECT_NE(metrics.registry.render().find("moegate_meter_unrecorded_total{reason=\"unknown_tag\"} 1"),
            std::string::npos);
}

TEST_F(StepReceiverTest, counters_follow_durable_counts_only) {
  start("A", {1});
  step({tokens(1, 3, "x")});
  const std::string line = "moegate_generation_tokens_total{kind=\"text\",model=\"demo\"} ";
  EXPECT_NE(metrics.registry.render().find(line + "0"), std::string::npos);
  ledger.commit();
  EXPECT_NE(metrics.registry.render().find(line + "3"), std::string::npos);
}

TEST_F(StepReceiverTest, a_prompt_that_could_not_start_leaves_one_record_for_the_request) {
  const auto running = start("A", {1, 2});
  receiver.forget(running, 1, true);
  step({tokens(1, 1, "x")});
  running->admission->want_end(usage::EndReason::shed);
  step({last(1, 1, MOE_PLUGIN_FINISH_CANCELLED, MOE_E_CANCELLED)});
  std::size_t terminals = 0;
  while (!ledger.waiting.empty()) {
    const auto batch = ledger.commit();
    terminals += batch.terminals.size();
    for (const auto& terminal : batch.terminals) EXPECT_EQ(terminal.outcome, ledger::Outcome::shed);
  }
  EXPECT_EQ(terminals, 1U);
  EXPECT_EQ(receiver.active(), 0U);
}

TEST_F(StepReceiverTest, a_request_that_never_started_has_no_record) {
  auto running = start("A", {1});
  receiver.forget(running, 0, false);
  EXPECT_TRUE(ledger.waiting.empty());
  EXPECT_EQ(receiver.active(), 0U);
  running->deliver = nullptr;
  running.reset();
  EXPECT_EQ(given_back, 1);
}

TEST_F(StepReceiverTest, f045_tiers_are_disjoint) {
  start("A", {1});
  auto event = tokens(1, 4, "x");
  event.prompt_computed = 16;
  event.prompt_cached = 48;
  event.cache_written = 6;
  event.reasoning_tokens = 3;
  step({event});
  const auto batch = ledger.commit();
  const auto& counts = batch.progress.at(0).counts;
  EXPECT_EQ(counts.input, 10U);
  EXPECT_EQ(counts.cache_write, 6U);
  EXPECT_EQ(counts.cache_read, 48U);
  EXPECT_EQ(counts.output, 4U);
  EXPECT_EQ(counts.reasoning, 3U);
}

TEST_F(StepReceiverTest, f055_failing_metrics_change_no_delivery) {
  for (std::uint64_t n = 1; n < 4; ++n) {
    metrics.registry.fail_every(n);
    delivered.clear();
    start("A", {n});
    step({tokens(n, 1, "x"), last(n, 1, MOE_PLUGIN_FINISH_STOP)});
    ledger.commit();
    ASSERT_EQ(delivered.size(), 1U);
    EXPECT_TRUE(delivered[0].second.is_durable && delivered[0].second.is_last);
  }
}

}  // namespace
}  // namespace moegate::backend
