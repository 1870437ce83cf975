// The plugin under test, as the command line gave it.
#pragma once

#include <string>

#include "host_harness.hpp"

namespace moegate::plugins::testing {

struct Subject {
  std::string plugin, config, model;
};
Subject& subject();

// A host with the plugin initialised; breaks no rule of the interface until it is gone.
class Conformance : public ::testing::Test {
 protected:
  Conformance() : host(subject().plugin), model(subject().model) {
    const moe_status status = host.init(subject().config);
    if (status != MOE_OK) throw std::runtime_error(std::string("init: ") + host.error().message);
  }
  ~Conformance() override { EXPECT_EQ(host.broken_rules(), std::vector<std::string>{}); }

  void ask(std::uint64_t tag) { host.chat(model, tag, "Who are you?"); }
  // Stands still with request 1000 under way, and answers CONTINUE from then on.
  void hold() {
    host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
    const std::uint64_t before = host.steps();
    ask(1000);
    host.wait_steps(before + 1);
    host.on_step(nullptr);
  }

  Host host;
  std::string model;
};

}  // namespace moegate::plugins::testing
