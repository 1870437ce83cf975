// The moe-engine plugin on the demo model: what libmoe answers reaches the host unchanged.
#include <fstream>
#include <iterator>

#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

const std::string kDemo = source_path("configs/models/demo");

std::string config(const std::string& more = "") {
  return R"({"threads":1,"pin_threads":false,"models":[{"id":"demo","path":)" + moe::json::quote(kDemo) +
         R"(,"kv_cache_bytes":33554432)" + more + "}]}";
}

moe::json::Value expected() {
  std::ifstream file(kDemo + "/expected.json", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto value = moe::json::parse(text);
  EXPECT_TRUE(value.ok()) << kDemo;
  return value.ok() ? std::move(value).value() : moe::json::Value();
}

std::vector<std::int32_t> ids(const moe::json::Value& list) {
  std::vector<std::int32_t> out;
  for (const auto& item : list.items()) out.push_back(static_cast<std::int32_t>(item.as_int64().value_or(-1)));
  return out;
}

class MoeEngine : public ::testing::Test {
 protected:
  MoeEngine() : host("moe-engine") {
    const moe_status status = host.init(config());
    if (status != MOE_OK) throw std::runtime_error(host.error().message);
  }
  ~MoeEngine() override { EXPECT_EQ(host.broken_rules(), std::vector<std::string>{}); }

  void refused(const std::string& request, const std::string& param) {
    moe_plugin_prepared* prepared = host.prepare("demo", request);
    EXPECT_EQ(prepared, nullptr) << request;
    EXPECT_EQ(std::string(host.error().param), param) << request << ": " << host.error().message;
    host.backend().discard(prepared);
  }

  Host host;
};

TEST_F(MoeEngine, greedy_chats_are_those_of_the_reference) {
  const auto reference = expected();
  const auto& chats = reference.find("chats")->items();
  ASSERT_FALSE(chats.empty());
  for (std::size_t i = 0; i < chats.size(); ++i) {
    moe::json::Value request = moe::json::Value::object();
    request.set("messages", *chats[i].find("messages")).set("max_tokens", moe::json::Value::integer(64));
    moe_plugin_prepared* prepared = host.prepare("demo", moe::json::write(request));
    ASSERT_NE(prepared, nullptr) << host.error().message;
    EXPECT_EQ(host.info().prompt_tokens, chats[i].find("prompt_ids")->items().size());
    ASSERT_EQ(host.start(prepared, Host::options(i + 1)), MOE_OK) << host.error().message;
  }
  for (std::size_t i = 0; i < chats.size(); ++i) {
    const Answer answer = host.wait(i + 1);
    EXPECT_EQ(answer.tokens(), ids(*chats[i].find("answer_ids")));
    EXPECT_EQ(answer.text(), chats[i].find("answer_text")->as_string());
    const bool is_stop = chats[i].find("finish_reason")->as_string() == "stop";
    EXPECT_EQ(answer.finish(), is_stop ? MOE_PLUGIN_FINISH_STOP : MOE_PLUGIN_FINISH_LENGTH);
    EXPECT_EQ(answer.last().completion_tokens, answer.tokens().size());
    EXPECT_EQ(answer.last().prompt_computed + answer.last().prompt_cached, chats[i].find("prompt_ids")->items().size());
  }
}

TEST_F(MoeEngine, counters_and_expert_counts_equal_the_answers) {
  std::uint64_t prompt = 0, completion = 0;
  for (std::uint64_t tag = 1; tag <= 4; ++tag) host.chat("demo", tag, "Who are you?", R"(,"max_tokens":9)");
  for (std::uint64_t tag = 1; tag <= 4; ++tag) {
    const Answer answer = host.wait(tag);
    prompt += answer.last().prompt_computed;
    completion += answer.last().completion_tokens;
  }
  const moe_plugin_counters counters = host.counters("demo");
  EXPECT_EQ(counters.prompt_tokens, prompt);
  EXPECT_EQ(counters.completion_tokens, completion);
  std::vector<std::uint64_t> counts(4096);
  std::uint64_t count = 0, epoch = 0, sum = 0;
  std::uint32_t layers = 0, experts = 0;
  ASSERT_EQ(
      host.backend().expert_counts(to_str("demo"), counts.data(), counts.size(), &count, &epoch, &layers, &experts),
      MOE_OK);
  ASSERT_EQ(count, std::uint64_t{2} * layers * experts);
  for (std::uint64_t i = 0; i < count; ++i) sum += counts[i];
  // The last sampled token of an answer is not fed back: it routes nothing.
  EXPECT_EQ(sum, (prompt + completion - 4) * layers * 2);
}

TEST_F(MoeEngine, cancel_before_and_in_the_middle_ends_once_with_true_counts) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
  host.chat("demo", 1, "What is Mixture of Experts?");
  host.wait_until(1, [](const Answer& answer) { return !answer.tokens().empty(); });
  host.on_step(nullptr);
  host.chat("demo", 2, "Who are you?");
  host.backend().cancel(1);
  host.backend().cancel(2);
  host.backend().release();
  const Answer middle = host.wait(1), before = host.wait(2);
  EXPECT_EQ(middle.last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(middle.last().completion_tokens, middle.tokens().size());
  EXPECT_EQ(before.last().finish_reason, MOE_PLUGIN_FINISH_CANCELLED);
  EXPECT_EQ(before.last().completion_tokens, 0U);
  EXPECT_EQ(before.last().prompt_computed, 0U);
  EXPECT_EQ(middle.finals + before.finals, 2);
}

TEST_F(MoeEngine, no_step_begins_under_hold_and_release_goes_on) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
  host.chat("demo", 1, "Who are you?", R"(,"max_tokens":5)");
  host.wait_until(1, [](const Answer& answer) { return !answer.events.empty(); });
  const std::uint64_t steps = host.steps();
  host.chat("demo", 2, "Who are you?", R"(,"max_tokens":5)");
  EXPECT_EQ(host.steps(), steps);
  host.on_step(nullptr);
  host.backend().release();
  EXPECT_EQ(host.wait(1).last().completion_tokens, 5U);
  EXPECT_EQ(host.wait(2).last().completion_tokens, 5U);
}

TEST_F(MoeEngine, deinit_ends_what_runs_and_what_is_held) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });
  for (std::uint64_t tag = 1; tag <= 6; ++tag) host.chat("demo", tag, "What is Mixture of Experts?");
  host.deinit();
  for (std::uint64_t tag = 1; tag <= 6; ++tag) EXPECT_EQ(host.peek(tag).finals, 1) << tag;
}

TEST_F(MoeEngine, a_deadline_ends_a_request) {
  host.on_step([](const moe_plugin_step&) { return MOE_PLUGIN_STEP_HOLD; });  // so that the deadline passes first
  host.chat("demo", 1, "Who are you?");
  host.wait_until(1, [](const Answer& answer) { return !answer.events.empty(); });
  host.on_step(nullptr);
  moe_plugin_prepared* prepared = host.prepare("demo", Host::chat_json("What is Mixture of Experts?"));
  auto options = Host::options(2);
  options.deadline_ms = 1;
  options.ignore_eos = 1;
  ASSERT_EQ(host.start(prepared, options), MOE_OK) << host.error().message;
  host.backend().release();
  const Answer answer = host.wait(2);
  EXPECT_EQ(answer.finals, 1);
  EXPECT_EQ(answer.last().finish_reason, MOE_PLUGIN_FINISH_DEADLINE);
}

TEST_F(MoeEngine, choices_logprobs_and_token_bytes_come_with_their_events) {
  moe_plugin_prepared* prepared = host.prepare("demo", Host::chat_json("Who are you?", R"(,"max_tokens":6)"));
  ASSERT_NE(prepared, nullptr);
  auto options = Host::options(1);
  options.num_choices = 2;
  options.logprobs = 3;
  ASSERT_EQ(host.start(prepared, options), MOE_OK) << host.error().message;
  const Answer answer = host.wait(1);
  EXPECT_EQ(answer.tokens(0), answer.tokens(1));
  EXPECT_EQ(answer.last().completion_tokens, 12U);
  std::string bytes;
  for (const Seen& seen : answer.events) {
    if (seen.event.kind != MOE_PLUGIN_EVENT_TOKENS || seen.event.choice_index != 0) continue;
    EXPECT_EQ(seen.logprobs.size(), seen.tokens.size());
    EXPECT_EQ(seen.event.num_top, 2U);
    for (const std::string& piece : seen.token_bytes) bytes += piece;
    EXPECT_EQ(seen.digest.size(), seen.event.finish_reason != 0 ? 32U : 0U);
  }
  EXPECT_EQ(bytes, answer.text(0));
}

TEST_F(MoeEngine, prepare_names_the_bad_field) {
  refused(R"({"messages":[{"role":"tool","content":"x"}]})", "messages");
  refused(R"({"prompt":[1,3072]})", "prompt[1]");
  refused(R"({"prompt":"x","logit_bias":{"3072":1}})", "logit_bias.3072");
  refused(R"({"prompt":"x","stop_token_ids":[99999]})", "stop_token_ids[0]");
  refused(R"({"prompt":"x","max_tokens":5000})", "prompt");
  EXPECT_STREQ(host.error().code, "context_length_exceeded");
  refused(R"({"messages":[]})", "messages");
}

TEST_F(MoeEngine, F025_a_role_that_the_template_refuses_is_the_caller_s_error_in_its_own_words) {
  refused(R"({"messages":[{"role":"robot","content":"x"}]})", "messages");
  EXPECT_NE(std::string(host.error().message), "");
  host.chat("demo", 1, "Who are you?", R"(,"max_tokens":2)");
  EXPECT_EQ(host.wait(1).last().completion_tokens, 2U);
}

TEST_F(MoeEngine, start_errors_name_the_client_s_field_and_give_no_event) {
  auto options = Host::options(1);
  options.temperature = -1;
  EXPECT_EQ(host.start(host.prepare("demo", Host::chat_json("x")), options), MOE_E_INVALID_ARGUMENT);
  EXPECT_STREQ(host.error().param, "temperature");
  options = Host::options(2);
  options.num_choices = 200;
  EXPECT_EQ(host.start(host.prepare("demo", Host::chat_json("x")), options), MOE_E_INVALID_ARGUMENT);
  EXPECT_STREQ(host.error().param, "n");
  EXPECT_TRUE(host.peek(1).events.empty());
}

TEST_F(MoeEngine, tokenize_agrees_with_prepare_and_detokenize_turns_back) {
  const std::string request = Host::chat_json("Who are you?");
  const auto chat = host.json([&](const moe_plugin_sink* out) {
    return host.backend().tokenize(to_str("demo"), to_str(request), out, nullptr);
  });
  moe_plugin_prepared* prepared = host.prepare("demo", request);
  EXPECT_EQ(chat.find("tokens")->items().size(), host.info().prompt_tokens);
  host.backend().discard(prepared);
  const std::string text = R"({"text":"Mixture of Experts, ümlaut"})";
  const auto tokens = host.json(
      [&](const moe_plugin_sink* out) { return host.backend().tokenize(to_str("demo"), to_str(text), out, nullptr); });
  EXPECT_EQ(tokens.find("pieces")->items().size(), tokens.find("tokens")->items().size());
  const std::string back = R"({"tokens":)" + moe::json::write(*tokens.find("tokens")) + "}";
  const auto turned = host.json([&](const moe_plugin_sink* out) {
    return host.backend().detokenize(to_str("demo"), to_str(back), out, nullptr);
  });
  EXPECT_EQ(turned.find("text")->as_string(), "Mixture of Experts, ümlaut");
}

TEST_F(MoeEngine, a_second_init_is_refused_and_facts_name_the_shape) {
  EXPECT_EQ(host.init(config()), MOE_E_INVALID_ARGUMENT);
  const auto facts = host.json([&](const moe_plugin_sink* out) { return host.backend().facts(to_str("demo"), out); });
  EXPECT_EQ(facts.find("shape")->find("num_experts")->as_int64(), 8);
  EXPECT_EQ(facts.find("experts_per_token")->as_int64(), 2);
  const auto models = host.json([&](const moe_plugin_sink* out) { return host.backend().models(out); });
  EXPECT_EQ(models.items()[0].find("counts")->as_string(), "exact");
  EXPECT_EQ(models.items()[0].find("max_context_tokens")->as_int64(), 1024);
}

TEST(MoeEngineInit, what_cannot_be_served_is_refused_with_the_key) {
  const std::string path = moe::json::quote(kDemo);
  const std::pair<std::string, const char*> cases[] = {
      {R"({"models":[{"id":"a"}]})", "models[0].path"},
      {R"({"models":[{"id":"a","path":"/nowhere"}]})", "models[0].path"},
      {R"({"models":[{"id":"a","path":)" + path + R"(,"weights":"q4"}]})", "models[0].weights"},
      {R"({"models":[{"id":"a","path":)" + path + R"(,"wieght":1}]})", "models[0].wieght"},
      {R"({"threads":-1,"models":[]})", "threads"},
      {R"({"models":[{"id":"a","path":)" + path + R"(},{"id":"a","path":)" + path + "}]}", "models[1].id"}};
  for (const auto& [text, param] : cases) {
    Host host("moe-engine");
    EXPECT_NE(host.init(text), MOE_OK) << text;
    EXPECT_STREQ(host.error().param, param) << host.error().message;
  }
}

TEST(MoeEngineInit, two_models_share_the_workers_and_no_release_is_lost) {
  Host host("moe-engine");
  const std::string path = moe::json::quote(kDemo);
  ASSERT_EQ(host.init(R"({"threads":1,"pin_threads":false,"models":[{"id":"a","path":)" + path +
                      R"(,"kv_cache_bytes":16777216},{"id":"b","path":)" + path + R"(,"kv_cache_bytes":16777216}]})"),
            MOE_OK)
      << host.error().message;
  for (std::uint64_t tag = 1; tag <= 6; ++tag) host.chat(tag % 2 == 0 ? "a" : "b", tag, "Who are you?");
  for (std::uint64_t tag = 2; tag <= 6; ++tag) EXPECT_EQ(host.wait(tag).text(), host.wait(1).text());
  host.on_step([&](const moe_plugin_step&) {
    host.backend().release();  // as another thread could, before the answer is seen
    return MOE_PLUGIN_STEP_HOLD;
  });
  for (std::uint64_t tag = 11; tag <= 16; ++tag) host.chat(tag % 2 == 0 ? "a" : "b", tag, "Who are you?");
  for (std::uint64_t tag = 11; tag <= 16; ++tag) EXPECT_EQ(host.wait(tag).text(), host.wait(1).text());
  EXPECT_TRUE(host.broken_rules().empty());
}

}  // namespace
}  // namespace moegate::plugins::testing
