// Tables, refusals and texts: what does not need a running request.
#include "subject.hpp"

namespace moegate::plugins::testing {
namespace {

TEST_F(Conformance, the_table_is_whole_and_unknown_extensions_are_null) {
  const moe_plugin& plugin = host.plugin();
  EXPECT_GE(plugin.struct_size, sizeof(moe_plugin));
  EXPECT_EQ(plugin.abi_major, MOE_PLUGIN_ABI_MAJOR);
  EXPECT_NE(std::string(plugin.name), "");
  EXPECT_NE(std::string(plugin.version), "");
  EXPECT_EQ(plugin.get_extension("moe.unknown/1"), nullptr);
  EXPECT_GE(host.backend().struct_size, sizeof(moe_plugin_backend_1));
  const auto* functions = reinterpret_cast<void* const*>(&host.backend().models);
  constexpr std::size_t kFunctions = (sizeof(moe_plugin_backend_1) - 8) / sizeof(void*);
  for (std::size_t i = 0; i < kFunctions; ++i) EXPECT_NE(functions[i], nullptr) << i;
}

TEST_F(Conformance, models_and_facts_are_json_of_the_stated_form) {
  const auto models = host.json([&](const moe_plugin_sink* out) { return host.backend().models(out); });
  bool is_listed = false;
  for (const auto& item : models.items()) {
    is_listed = is_listed || item.find("id")->as_string() == model;
    EXPECT_GT(item.find("max_context_tokens")->as_int64().value_or(0), 0);
    const std::string counts = item.find("counts")->as_string();
    EXPECT_TRUE(counts == "exact" || counts == "reported" || counts == "estimated") << counts;
  }
  EXPECT_TRUE(is_listed);
  const auto facts = host.json([&](const moe_plugin_sink* out) { return host.backend().facts(to_str(model), out); });
  EXPECT_TRUE(facts.is_object());
}

TEST_F(Conformance, prepare_tells_counts_that_fit_the_context) {
  moe_plugin_prepared* prepared = host.prepare(model, Host::chat_json("Who are you?"));
  ASSERT_NE(prepared, nullptr) << host.error().message;
  EXPECT_GE(host.info().prompt_tokens, 1U);
  EXPECT_GE(host.info().max_tokens, 1U);
  EXPECT_LE(host.info().prompt_tokens + host.info().max_tokens, host.info().max_context_tokens);
  host.backend().discard(prepared);
}

TEST_F(Conformance, an_unknown_model_is_not_found_and_outputs_are_cleared) {
  auto* prepared = reinterpret_cast<moe_plugin_prepared*>(1);
  moe_plugin_prepared_info info = MOE_PLUGIN_PREPARED_INFO_INIT;
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const std::string request = Host::chat_json("x");
  EXPECT_EQ(host.backend().prepare(to_str("no-such-model"), to_str(request), &prepared, &info, &error),
            MOE_E_NOT_FOUND);
  EXPECT_EQ(prepared, nullptr);
  moe_plugin_counters counters = MOE_PLUGIN_COUNTERS_INIT;
  EXPECT_EQ(host.backend().counters(to_str("no-such-model"), &counters), MOE_E_NOT_FOUND);
  EXPECT_EQ(host.backend().facts(to_str("no-such-model"), nullptr), MOE_E_NOT_FOUND);
}

TEST_F(Conformance, a_request_that_is_no_json_object_is_refused_with_a_text) {
  for (const char* request : {"", "{", "7"}) {
    EXPECT_EQ(host.prepare(model, request), nullptr) << request;
    EXPECT_STRNE(host.error().message, "") << request;
  }
}

TEST_F(Conformance, start_options_of_a_smaller_size_are_refused_and_take_the_handle) {
  auto options = Host::options(1);
  options.struct_size = 8;
  EXPECT_EQ(host.start(host.prepare(model, Host::chat_json("Who are you?")), options), MOE_E_ABI_MISMATCH);
}

TEST_F(Conformance, discard_takes_null_and_a_handle_that_was_not_started) {
  host.backend().discard(nullptr);
  host.backend().discard(host.prepare(model, Host::chat_json("Who are you?")));
}

TEST_F(Conformance, a_second_init_is_refused_and_the_first_goes_on) {
  EXPECT_EQ(host.init(subject().config), MOE_E_INVALID_ARGUMENT);
  ask(1);
  EXPECT_EQ(host.wait(1).finals, 1);
}

TEST_F(Conformance, init_works_again_after_deinit) {
  host.deinit();
  ASSERT_EQ(host.init(subject().config), MOE_OK);
  ask(1);
  EXPECT_EQ(host.wait(1).finals, 1);
}

TEST_F(Conformance, expert_counts_have_a_shape_or_are_unsupported) {
  std::uint64_t count = 0, epoch = 0;
  std::uint32_t layers = 0, experts = 0;
  const moe_status asked = host.backend().expert_counts(to_str(model), nullptr, 0, &count, &epoch, &layers, &experts);
  if (asked == MOE_E_UNSUPPORTED) return;
  ASSERT_EQ(asked, MOE_E_OUT_OF_RANGE);
  EXPECT_EQ(count, std::uint64_t{2} * layers * experts);
  std::vector<std::uint64_t> counts(count);
  EXPECT_EQ(host.backend().expert_counts(to_str(model), counts.data(), count, &count, &epoch, &layers, &experts),
            MOE_OK);
}

}  // namespace
}  // namespace moegate::plugins::testing
