// What is refused, and that the refusal names the field.
#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

class Refusal : public ::testing::Test {
 protected:
  Refusal() : host("playback") { EXPECT_EQ(host.init(basic_config()), MOE_OK) << host.error().message; }

  void refused(const std::string& request, const std::string& param) {
    moe_plugin_prepared* prepared = host.prepare("m", request);
    EXPECT_EQ(prepared, nullptr) << request;
    EXPECT_EQ(std::string(host.error().param), param) << request;
    EXPECT_NE(std::string(host.error().message), "") << request;
    host.backend().discard(prepared);
  }

  Host host;
};

TEST_F(Refusal, prepare_names_the_bad_field) {
  refused("{}", "messages");
  refused(R"({"messages":[]})", "messages");
  refused(R"({"messages":[1]})", "messages[0]");
  refused(R"({"messages":[{"content":"x"}]})", "messages[0].role");
  refused(R"({"messages":[{"role":"user"}],"prompt":"x"})", "prompt");
  refused(R"({"prompt":{}})", "prompt");
  refused(R"({"prompt":[1,-1]})", "prompt[1]");
  refused(R"({"prompt":[1,2.5]})", "prompt[1]");
  refused(R"({"prompt":""})", "prompt");
  refused(R"({"prompt":"x","max_tokens":0})", "max_tokens");
  refused(R"({"prompt":"x","max_tokens":"7"})", "max_tokens");
  refused(R"({"prompt":"x","stop":"x"})", "stop");
  refused(R"({"prompt":"x","stop":["a",""]})", "stop[1]");
  refused(R"({"prompt":"x","stop_token_ids":[1,"2"]})", "stop_token_ids[1]");
  refused(R"({"prompt":"x","logit_bias":{"a":1}})", "logit_bias.a");
  refused(R"({"prompt":"x","logit_bias":{"7":101}})", "logit_bias.7");
  refused(R"({"prompt":"x","logit_bias":[]})", "logit_bias");
  refused(R"({"prompt":"x","add_special":1})", "add_special");
}

TEST_F(Refusal, a_text_that_is_no_json_is_refused) {
  EXPECT_EQ(host.prepare("m", "{"), nullptr);
  EXPECT_EQ(host.prepare("m", R"({"prompt":"a","prompt":"b"})"), nullptr);
}

TEST_F(Refusal, the_context_bounds_prompt_and_max_tokens_with_a_code) {
  refused(R"({"prompt":"x","max_tokens":4096})", "prompt");
  EXPECT_STREQ(host.error().code, "context_length_exceeded");
  refused(Host::chat_json(std::string(5000, 'x')), "messages");
  EXPECT_STREQ(host.error().code, "context_length_exceeded");
  moe_plugin_prepared* prepared = host.prepare("m", R"({"prompt":"x","max_tokens":4095})");
  EXPECT_NE(prepared, nullptr);
  host.backend().discard(prepared);
}

TEST_F(Refusal, a_planned_refusal_carries_its_code_and_param) {
  refused(Host::chat_json("refuse prepare"), "messages[0].content");
  EXPECT_STREQ(host.error().code, "invalid_value");
}

TEST_F(Refusal, a_refused_start_gives_no_event) {
  moe_plugin_prepared* prepared = host.prepare("m", Host::chat_json("refuse start"));
  ASSERT_NE(prepared, nullptr);
  EXPECT_EQ(host.start(prepared, Host::options(1)), MOE_E_RESOURCE_EXHAUSTED);
  host.chat("m", 2, "hello");
  host.wait(2);
  EXPECT_TRUE(host.peek(1).events.empty());
}

TEST_F(Refusal, start_options_of_another_size_are_refused_and_the_handle_is_gone) {
  auto options = Host::options(1);
  options.struct_size = 8;
  EXPECT_EQ(host.start(host.prepare("m", Host::chat_json("hello")), options), MOE_E_ABI_MISMATCH);
  options = Host::options(1);
  options.num_choices = 129;
  EXPECT_EQ(host.start(host.prepare("m", Host::chat_json("hello")), options), MOE_E_INVALID_ARGUMENT);
}

TEST_F(Refusal, a_tag_in_use_is_refused) {
  host.chat("m", 1, "hang");
  EXPECT_EQ(host.start(host.prepare("m", Host::chat_json("hello")), Host::options(1)), MOE_E_INVALID_ARGUMENT);
}

TEST_F(Refusal, an_unknown_model_is_not_found_everywhere) {
  moe_plugin_prepared* prepared = nullptr;
  moe_plugin_prepared_info info = MOE_PLUGIN_PREPARED_INFO_INIT;
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const std::string request = Host::chat_json("hello");
  EXPECT_EQ(host.backend().prepare(to_str("x"), to_str(request), &prepared, &info, &error), MOE_E_NOT_FOUND);
  EXPECT_EQ(host.backend().facts(to_str("x"), nullptr), MOE_E_NOT_FOUND);
  EXPECT_EQ(host.backend().tokenize(to_str("x"), to_str(request), nullptr, &error), MOE_E_NOT_FOUND);
  EXPECT_EQ(host.backend().detokenize(to_str("x"), to_str(request), nullptr, &error), MOE_E_NOT_FOUND);
  moe_plugin_counters counters = MOE_PLUGIN_COUNTERS_INIT;
  EXPECT_EQ(host.backend().counters(to_str("x"), &counters), MOE_E_NOT_FOUND);
}

TEST_F(Refusal, a_second_init_is_refused_and_the_first_goes_on) {
  EXPECT_EQ(host.init(basic_config()), MOE_E_INVALID_ARGUMENT);
  host.chat("m", 1, "hello");
  EXPECT_EQ(host.wait(1).text(), "Hello, world €!");
}

TEST_F(Refusal, init_after_deinit_works) {
  host.deinit();
  ASSERT_EQ(host.init(basic_config()), MOE_OK);
  host.chat("m", 1, "hello");
  EXPECT_EQ(host.wait(1).finals, 1);
}

TEST_F(Refusal, discard_takes_null_and_a_handle_that_was_never_started) {
  host.backend().discard(nullptr);
  host.backend().discard(host.prepare("m", Host::chat_json("hello")));
}

TEST(ScriptRefusal, a_bad_script_names_its_place) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "models[0].script.entries"},
      {R"({"entries":[],"entires":[]})", "models[0].script.entires"},
      {R"({"entries":[{"pieces":[{"txt":"a"}]}]})", "models[0].script.entries[0].pieces[0].text"},
      {R"({"entries":[{"pieces":[{"text":"a","tokens":[-1]}]}]})", "models[0].script.entries[0].pieces[0].tokens"},
      {R"({"entries":[{"pieces":[{"text":"a","logprobs":[]}]}]})", "models[0].script.entries[0].pieces[0].logprobs"},
      {R"({"entries":[{"finish":"never"}]})", "models[0].script.entries[0].finish"},
      {R"({"entries":[{"endless":true}]})", "models[0].script.entries[0].endless"},
      {R"({"entries":[{"error":{"status":"OOPS"}}]})", "models[0].script.entries[0].error.status"},
      {R"({"entries":[{"pieces":[{"text":"a","repeat":99999999999}]}]})",
       "models[0].script.entries[0].pieces[0].repeat"}};
  for (const auto& [script, param] : cases) {
    Host host("playback");
    EXPECT_EQ(host.init(script_config(script)), MOE_E_INVALID_ARGUMENT) << script;
    EXPECT_STREQ(host.error().param, param) << host.error().message;
  }
}

TEST(ScriptRefusal, a_missing_file_is_named) {
  Host host("playback");
  EXPECT_EQ(host.init(R"({"models":[{"id":"m","path":"/nowhere/script.json"}]})"), MOE_E_NOT_FOUND);
  EXPECT_STREQ(host.error().param, "models[0].path");
}

TEST(ScriptRefusal, two_models_of_one_id_are_refused) {
  Host host("playback");
  EXPECT_EQ(host.init(R"({"models":[{"id":"m","script":{"entries":[]}},{"id":"m","script":{"entries":[]}}]})"),
            MOE_E_INVALID_ARGUMENT);
  EXPECT_STREQ(host.error().param, "models[1].id");
}

}  // namespace
}  // namespace moegate::plugins::testing
