#include <numeric>
#include <thread>

#include "harness.hpp"

namespace moe::capi::test {
namespace {

TEST(Engine, hold_stops_steps_and_still_takes_cancels) {
  const Model model = load(golden("qwen3_moe"));
  Listener listener;
  listener.hold_at = 3;
  moe_engine_options options = listener.options();
  const Engine engine = make_engine(model.get(), options);
  const Sequence first = make_sequence(engine.get());
  const Sequence second = make_sequence(engine.get());
  const auto tokens = prompt(10);
  const moe_request in = request(tokens, 200);
  ASSERT_EQ(moe_sequence_start(first.get(), &in), MOE_OK);
  ASSERT_EQ(moe_sequence_start(second.get(), &in), MOE_OK);
  ASSERT_TRUE(listener.wait([&] { return listener.is_holding; }));
  const std::uint64_t held_at = stats(engine.get()).steps;
  ASSERT_EQ(moe_sequence_cancel(first.get()), MOE_OK);
  ASSERT_TRUE(listener.wait([&] { return listener.finals == 1; }));
  EXPECT_EQ(listener.last_finish, MOE_FINISH_CANCELLED);
  EXPECT_EQ(stats(engine.get()).steps, held_at);
  EXPECT_EQ(listener.steps, held_at);
  {
    const std::lock_guard lock(listener.mutex);
    listener.hold_at = 0;
  }
  ASSERT_EQ(moe_engine_release(engine.get()), MOE_OK);
  ASSERT_TRUE(listener.wait([&] { return listener.finals == 2; }));
  EXPECT_EQ(listener.last_finish, MOE_FINISH_LENGTH);
  EXPECT_EQ(stats(engine.get()).kv_blocks_used, 0U);
}

TEST(Engine, release_inside_the_step_ends_that_steps_hold) {
  const Model model = load(golden("qwen3_moe"));
  Listener listener;
  listener.hold_at = 1;
  listener.in_step = [](Listener& self, const moe_step&) { moe_engine_release(self.engine); };
  const Engine engine = make_engine(model.get(), listener.options());
  {
    const std::lock_guard lock(listener.mutex);
    listener.engine = engine.get();
  }
  const Sequence sequence = make_sequence(engine.get());
  const auto tokens = prompt(10);
  const moe_request in = request(tokens, 20);
  ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
  ASSERT_TRUE(listener.wait([&] { return listener.finals == 1; }));
  EXPECT_EQ(listener.tokens, 20U);
}

TEST(Engine, cancel_during_prefill_frees_kv_blocks) {
  const Model model = load(golden("qwen3_moe"));
  Listener listener;
  listener.in_step = [](Listener& self, const moe_step& step) {
    if (step.step_index == 3) {
      moe_sequence_cancel(self.target);
    }
  };
  moe_engine_options options = listener.options();
  options.prefill_chunk = 2;
  const Engine engine = make_engine(model.get(), options);
  const Sequence sequence = make_sequence(engine.get());
  {
    const std::lock_guard lock(listener.mutex);
    listener.target = sequence.get();
  }
  const auto tokens = prompt(200);
  const moe_request in = request(tokens, 10);
  ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
  ASSERT_TRUE(listener.wait([&] { return listener.finals == 1; }));
  const moe_engine_stats after = stats(engine.get());
  EXPECT_EQ(after.kv_blocks_used, 0U);
  EXPECT_EQ(after.prompt_tokens, 6U);
  EXPECT_EQ(after.sequences_finished, 1U);
}

TEST(Engine, every_ending_has_exactly_one_final_event) {
  const Model model = load(golden("qwen3_moe"));
  Listener listener;
  {
    const Engine engine = make_engine(model.get(), listener.options());
    const auto tokens = prompt(30);
    std::vector<Sequence> sequences;
    for (int i = 0; i < 12; ++i) {
      sequences.push_back(make_sequence(engine.get()));
      moe_request in = request(tokens, i % 3 == 0 ? 5 : 200);
      in.num_choices = 1 + static_cast<std::uint32_t>(i) % 2;
      in.deadline_ms = i % 3 == 1 ? 1 : 0;
      ASSERT_EQ(moe_sequence_start(sequences.back().get(), &in), MOE_OK) << moe_last_error();
      if (i % 3 == 2) {
        ASSERT_EQ(moe_sequence_cancel(sequences.back().get()), MOE_OK);
        ASSERT_EQ(moe_sequence_cancel(sequences.back().get()), MOE_OK);
      }
    }
    ASSERT_TRUE(listener.wait([&] { return listener.finals == 12; }));
    EXPECT_EQ(stats(engine.get()).sequences_finished, 12U);
    EXPECT_EQ(stats(engine.get()).kv_blocks_used, 0U);
    // Running ones get theirs when the engine goes.
    const Sequence late = make_sequence(engine.get());
    const moe_request in = request(tokens, 0);
    ASSERT_EQ(moe_sequence_start(late.get(), &in), MOE_OK);
    moe_engine_destroy(nullptr);
  }
  EXPECT_LE(listener.finals, 13U);
}

TEST(Engine, destroyed_sequences_are_silent_and_free_their_blocks) {
  const Model model = load(golden("qwen3_moe"));
  Listener listener;
  const Engine engine = make_engine(model.get(), listener.options());
  const auto tokens = prompt(30);
  for (int i = 0; i < 8; ++i) {
    Sequence sequence = make_sequence(engine.get());
    const moe_request in = request(tokens, 200);
    ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
    sequence.reset();
  }
  const Sequence last = make_sequence(engine.get());
  const moe_request in = request(tokens, 3);
  ASSERT_EQ(moe_sequence_start(last.get(), &in), MOE_OK);
  ASSERT_TRUE(listener.wait([&] { return listener.finals >= 1; }));
  EXPECT_EQ(listener.finals, 1U);
  EXPECT_EQ(stats(engine.get()).kv_blocks_used, 0U);
}

TEST(Engine, a_reader_that_leaves_early_takes_nothing_with_it) {
  const Model model = load(golden("qwen3_moe"));
  const Engine engine = make_engine(model.get());
  const auto tokens = prompt(10);
  const moe_request in = request(tokens, 40);
  for (int i = 0; i < 20; ++i) {
    Sequence sequence = make_sequence(engine.get());
    ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
    moe_event event{};
    event.struct_size = sizeof event;
    ASSERT_EQ(moe_sequence_read(sequence.get(), 60000, &event), MOE_OK);
    sequence.reset();  // its last event finds nobody
  }
  const Sequence last = make_sequence(engine.get());
  ASSERT_EQ(moe_sequence_start(last.get(), &in), MOE_OK);
  EXPECT_EQ(read_all(last.get()).tokens.size(), 40U);
  EXPECT_EQ(stats(engine.get()).kv_blocks_used, 0U);
}

TEST(Engine, r5_counters_sum_to_tokens_times_experts_times_layers) {
  const Model model = load(demo());
  const Engine engine = make_engine(model.get());
  const Sequence sequence = make_sequence(engine.get());
  const auto tokens = prompt(50);
  moe_request in = request(tokens, 20);
  in.num_choices = 3;
  ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
  read_all(sequence.get());
  std::uint64_t count = 0;
  std::uint64_t epoch = 0;
  EXPECT_EQ(moe_engine_expert_counts(engine.get(), nullptr, 0, &count, &epoch), MOE_E_OUT_OF_RANGE);
  ASSERT_EQ(count, 2U * 6 * 8);
  std::vector<std::uint64_t> counts(count);
  ASSERT_EQ(moe_engine_expert_counts(engine.get(), counts.data(), count, &count, &epoch), MOE_OK);
  const std::uint64_t prefill = std::accumulate(counts.begin(), counts.begin() + 48, std::uint64_t{0});
  const std::uint64_t decode = std::accumulate(counts.begin() + 48, counts.end(), std::uint64_t{0});
  EXPECT_EQ(prefill, 50U * 2 * 6);
  EXPECT_EQ(decode, 3U * 19 * 2 * 6);
  for (std::size_t layer = 0; layer < 6; ++layer) {
    EXPECT_EQ(std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(layer * 8),
                              counts.begin() + static_cast<std::ptrdiff_t>(layer * 8 + 8), std::uint64_t{0}),
              100U);
  }
  EXPECT_EQ(epoch, stats(engine.get()).steps);
}

TEST(Engine, two_engines_share_workers) {
  moe_workers_options worker_options = MOE_WORKERS_OPTIONS_INIT;
  worker_options.num_threads = 2;
  worker_options.no_pinning = 1;
  moe_workers* workers = nullptr;
  ASSERT_EQ(moe_workers_create(&worker_options, &workers), MOE_OK) << moe_last_error();
  EXPECT_EQ(moe_workers_count(workers), 2U);
  EXPECT_EQ(moe_workers_count(nullptr), 0U);
  {
    const Model first_model = load(golden("qwen3_moe"));
    const Model second_model = load(golden("llama"));
    moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
    options.workers = workers;
    const Engine first = make_engine(first_model.get(), options);
    options.weight = 3;
    const Engine second = make_engine(second_model.get(), options);
    const auto tokens = prompt(20);
    const moe_request in = request(tokens, 60);
    const Sequence a = make_sequence(first.get());
    const Sequence b = make_sequence(second.get());
    ASSERT_EQ(moe_sequence_start(a.get(), &in), MOE_OK);
    ASSERT_EQ(moe_sequence_start(b.get(), &in), MOE_OK);
    EXPECT_EQ(read_all(a.get()).tokens.size(), 60U);
    EXPECT_EQ(read_all(b.get()).tokens.size(), 60U);
    EXPECT_EQ(stats(first.get()).num_threads, 2U);
  }
  moe_workers_destroy(workers);
}

TEST(Engine, reading_is_refused_with_a_callback_and_after_the_end) {
  const Model model = load(golden("qwen3_moe"));
  Listener listener;
  moe_event event{};
  event.struct_size = sizeof event;
  const auto tokens = prompt(5);
  const moe_request in = request(tokens, 2);
  {
    const Engine engine = make_engine(model.get(), listener.options());
    const Sequence sequence = make_sequence(engine.get());
    EXPECT_EQ(moe_sequence_read(sequence.get(), 0, &event), MOE_E_UNSUPPORTED);
  }
  const Engine engine = make_engine(model.get());
  const Sequence sequence = make_sequence(engine.get());
  EXPECT_EQ(moe_sequence_read(sequence.get(), 0, &event), MOE_E_INVALID_ARGUMENT);
  ASSERT_EQ(moe_sequence_pause(sequence.get()), MOE_OK);
  ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
  EXPECT_EQ(moe_sequence_read(sequence.get(), 0, &event), MOE_E_DEADLINE_EXCEEDED);
  ASSERT_EQ(moe_sequence_resume(sequence.get()), MOE_OK);
  read_all(sequence.get());
  EXPECT_EQ(moe_sequence_read(sequence.get(), 0, &event), MOE_E_NOT_FOUND);
  EXPECT_EQ(moe_sequence_start(sequence.get(), &in), MOE_E_INVALID_ARGUMENT);
}

TEST(Engine, requests_out_of_range_name_their_field) {
  const Model model = load(golden("qwen3_moe"));
  const Engine engine = make_engine(model.get());
  const auto tokens = prompt(5);
  const auto refused = [&](const char* field, auto change, moe_status expected = MOE_E_INVALID_ARGUMENT) {
    moe_request in = request(tokens, 2);
    change(in);
    const Sequence sequence = make_sequence(engine.get());
    EXPECT_EQ(moe_sequence_start(sequence.get(), &in), expected) << field;
    EXPECT_NE(std::string(moe_last_error()).find(field), std::string::npos) << moe_last_error();
  };
  static const moe_str empty_stop = {"", 0};
  static const moe_logit_bias bad_bias = {5, __builtin_nanf("")};
  static const moe_logit_bias unknown_bias = {288, 1.0F};
  refused("prompt", [](moe_request& in) { in.num_prompt = 0; });
  refused("temperature", [](moe_request& in) { in.temperature = -1; });
  refused("temperature", [](moe_request& in) { in.temperature = __builtin_nanf(""); });
  refused("top_p", [](moe_request& in) { in.top_p = 1.5F; });
  refused("min_p", [](moe_request& in) { in.min_p = -0.1F; });
  refused("repetition_penalty", [](moe_request& in) { in.repetition_penalty = -2; });
  refused("num_choices", [](moe_request& in) { in.num_choices = 129; });
  refused("logprobs", [](moe_request& in) { in.logprobs = 22; });
  refused("stop[0]", [](moe_request& in) {
    in.stop = &empty_stop;
    in.num_stop = 1;
  });
  refused("stop", [](moe_request& in) { in.num_stop = 1; });
  refused("logit_bias[0]", [](moe_request& in) {
    in.logit_bias = &bad_bias;
    in.num_logit_bias = 1;
  });
  refused("logit_bias: 288", [](moe_request& in) {
    in.logit_bias = &unknown_bias;
    in.num_logit_bias = 1;
  });
  refused("ignore_eos", [](moe_request& in) { in.ignore_eos = 2; });
  refused(
      "max_tokens", [](moe_request& in) { in.max_tokens = 300; }, MOE_E_OUT_OF_RANGE);
}

TEST(Engine, many_callers_at_once) {
  const Model model = load(golden("qwen3_moe"));
  const Engine engine = make_engine(model.get());
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 4; ++round) {
        const Sequence sequence = make_sequence(engine.get());
        const auto tokens = prompt(10 + static_cast<std::size_t>(i) * 3);
        const moe_request in = request(tokens, 12);
        ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
        if ((i + round) % 3 == 0) {
          moe_sequence_cancel(sequence.get());
        }
        const Answer answer = read_all(sequence.get());
        EXPECT_EQ(answer.final.completion_tokens, answer.tokens.size());
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(stats(engine.get()).sequences_finished, 24U);
  EXPECT_EQ(stats(engine.get()).kv_blocks_used, 0U);
}

}  // namespace
}  // namespace moe::capi::test
