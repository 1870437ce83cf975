#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "harness.hpp"

namespace moe::capi::test {
namespace {

// Runs `body` in a child; its result is the exit code. A child that hangs is killed by its own alarm and fails the
// test.
template <typename Body>
void expect_child_zero(Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    _exit(body());
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Fork, f072_a_child_is_refused_and_can_destroy_while_the_parent_goes_on) {
  moe_workers* workers = nullptr;
  ASSERT_EQ(moe_workers_create(nullptr, &workers), MOE_OK);
  Model model = load(golden("qwen3_moe"));
  moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
  options.workers = workers;
  Engine engine = make_engine(model.get(), options);
  Sequence sequence = make_sequence(engine.get());
  const auto tokens = prompt(20);
  const moe_request in = request(tokens, 200);
  ASSERT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
  for (int round = 0; round < 5; ++round) {  // some of them in the middle of a step
    expect_child_zero([] { return 0; });
    expect_child_zero([&] {
      int wrong = 0;
      moe_event event{};
      event.struct_size = sizeof event;
      moe_engine_stats counts = MOE_ENGINE_STATS_INIT;
      moe_sequence* other = nullptr;
      moe_model* second = nullptr;
      std::uint64_t size = 0;
      wrong += moe_sequence_cancel(sequence.get()) != MOE_E_FORKED;
      wrong += moe_sequence_pause(sequence.get()) != MOE_E_FORKED;
      wrong += moe_sequence_resume(sequence.get()) != MOE_E_FORKED;
      wrong += moe_sequence_read(sequence.get(), 1000, &event) != MOE_E_FORKED;
      wrong += moe_sequence_start(sequence.get(), &in) != MOE_E_FORKED;
      wrong += moe_sequence_create(engine.get(), &other) != MOE_E_FORKED;
      wrong += moe_engine_stats_get(engine.get(), &counts) != MOE_E_FORKED;
      wrong += moe_engine_release(engine.get()) != MOE_E_FORKED;
      wrong += moe_model_facts(model.get(), nullptr, 0, &size) != MOE_E_FORKED;
      wrong += moe_model_load(str(golden("llama")), nullptr, &second) != MOE_E_FORKED;
      wrong += moe_log_set(nullptr, nullptr, 1) != MOE_E_FORKED;
      moe_sequence_destroy(sequence.release());
      moe_engine_destroy(engine.release());
      moe_model_destroy(model.release());
      moe_workers_destroy(workers);
      return wrong;
    });
  }
  EXPECT_EQ(read_all(sequence.get()).tokens.size(), 200U);
  sequence.reset();
  engine.reset();
  moe_workers_destroy(workers);
}

}  // namespace
}  // namespace moe::capi::test
