#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/json.hpp"
#include "harness.hpp"

namespace moe::capi::test {
namespace {

json::Value expected_chats() {
  std::ifstream in(demo() + "/expected.json", std::ios::binary);
  auto root = json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  EXPECT_TRUE(root.ok());
  return *root->find("chats");
}

std::vector<std::int32_t> ids(const json::Value& list) {
  std::vector<std::int32_t> result;
  for (const json::Value& item : list.items()) {
    result.push_back(static_cast<std::int32_t>(*item.as_int64()));
  }
  return result;
}

TEST(Demo, greedy_answers_equal_the_expected_ones) {
  const Model model = load(demo());
  const Engine engine = make_engine(model.get());
  const json::Value chats = expected_chats();
  for (const json::Value& chat : chats.items()) {
    const std::string in = json::write(json::Value::object().set("messages", *chat.find("messages")));
    EXPECT_EQ(filled([&](char* buffer, std::uint64_t capacity, std::uint64_t* size) {
                return moe_model_render_chat(model.get(), str(in), buffer, capacity, size);
              }),
              chat.find("prompt")->as_string());
    std::vector<std::int32_t> tokens(1024);
    std::uint64_t count = 0;
    ASSERT_EQ(moe_model_tokenize_chat(model.get(), str(in), tokens.data(), tokens.size(), &count), MOE_OK)
        << moe_last_error();
    tokens.resize(count);
    ASSERT_EQ(tokens, ids(*chat.find("prompt_ids")));
    const Sequence sequence = make_sequence(engine.get());
    moe_request options = request(tokens, 64);
    options.ignore_eos = 0;
    ASSERT_EQ(moe_sequence_start(sequence.get(), &options), MOE_OK) << moe_last_error();
    const Answer answer = read_all(sequence.get());
    EXPECT_EQ(answer.tokens, ids(*chat.find("answer_ids")));
    EXPECT_EQ(answer.text, chat.find("answer_text")->as_string());
    const bool is_stop = chat.find("finish_reason")->as_string() == "stop";
    EXPECT_EQ(answer.final.finish_reason, is_stop ? MOE_FINISH_STOP : MOE_FINISH_LENGTH);
    EXPECT_EQ(answer.final.prompt_tokens, tokens.size());
    EXPECT_EQ(answer.final.completion_tokens, answer.tokens.size());
  }
}

TEST(Model, facts_are_json_with_the_published_parameter_counts) {
  const Model model = load(demo());
  const std::string text = filled([&](char* buffer, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_facts(model.get(), buffer, capacity, size);
  });
  const auto facts = json::parse(text);
  ASSERT_TRUE(facts.ok()) << facts.status().message();
  EXPECT_EQ(facts->find("parameters")->find("total")->as_int64(), 8564928);
  EXPECT_EQ(facts->find("parameters")->find("active")->as_int64(), 3256512);
  EXPECT_EQ(facts->find("options")->find("norm_topk_prob")->find("source")->as_string(), "config");
  EXPECT_EQ(facts->find("end_tokens")->items().size(), 2U);
}

TEST(Model, tokens_become_text_and_back) {
  const Model model = load(demo());
  std::vector<std::int32_t> tokens(64);
  std::uint64_t count = 0;
  ASSERT_EQ(moe_model_tokenize(model.get(), str("Who are you?"), 0, tokens.data(), tokens.size(), &count), MOE_OK);
  tokens.resize(count);
  EXPECT_EQ(filled([&](char* buffer, std::uint64_t capacity, std::uint64_t* size) {
              return moe_model_detokenize(model.get(), tokens.data(), count, 0, buffer, capacity, size);
            }),
            "Who are you?");
  std::string bytes(8, '\0');
  std::uint64_t size = 0;
  ASSERT_EQ(moe_model_token_bytes(model.get(), tokens[0], bytes.data(), bytes.size(), &size), MOE_OK);
  EXPECT_EQ(bytes.substr(0, size), std::string("Who are you?").substr(0, size));
}

TEST(Model, f017_an_id_without_text_is_refused_by_name) {
  const Model model = load(demo());
  const std::int32_t id = 3100;
  std::uint64_t size = 77;
  EXPECT_EQ(moe_model_detokenize(model.get(), &id, 1, 0, nullptr, 0, &size), MOE_E_INVALID_ARGUMENT);
  EXPECT_EQ(size, 0U);
  EXPECT_NE(std::string(moe_last_error()).find("3100"), std::string::npos);
}

TEST(Model, text_functions_without_a_tokenizer_say_so) {
  const Model model = load(golden("qwen3_moe"));
  std::uint64_t size = 0;
  EXPECT_EQ(moe_model_tokenize(model.get(), str("a"), 0, nullptr, 0, &size), MOE_E_UNSUPPORTED);
  EXPECT_EQ(moe_model_render_chat(model.get(), str("{}"), nullptr, 0, &size), MOE_E_UNSUPPORTED);
}

TEST(Model, bad_chats_name_the_place) {
  const Model model = load(demo());
  const auto refused = [&](std::string_view in, std::string_view what) {
    std::uint64_t size = 0;
    EXPECT_EQ(moe_model_render_chat(model.get(), str(in), nullptr, 0, &size), MOE_E_INVALID_ARGUMENT) << in;
    EXPECT_NE(std::string(moe_last_error()).find(what), std::string::npos) << moe_last_error();
  };
  refused("{", "request");
  refused("{}", "messages");
  refused(R"({"messages":1})", "messages");
  refused(R"({"messages":[],"wrong":1})", "wrong");
  refused(R"({"messages":[],"tools":3})", "tools");
  refused(R"({"messages":[{"role":"tool","content":"x"}]})", "supports only the roles");
}

TEST(Model, a_missing_folder_is_not_found_and_out_is_cleared) {
  auto* model = reinterpret_cast<moe_model*>(8);
  EXPECT_EQ(moe_model_load(str("/nowhere/at/all"), nullptr, &model), MOE_E_NOT_FOUND);
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(moe_model_load(str(""), nullptr, &model), MOE_E_INVALID_ARGUMENT);
  EXPECT_EQ(moe_model_load(str("x"), nullptr, nullptr), MOE_E_INVALID_ARGUMENT);
}

TEST(Model, progress_rises_to_the_total_and_can_stop_the_load) {
  struct State {
    std::uint64_t done = 0, total = 0, stop_after = UINT64_MAX;
  } state;
  moe_model_options options = MOE_MODEL_OPTIONS_INIT;
  options.progress_user = &state;
  options.progress = [](void* user, std::uint64_t done, std::uint64_t total) -> std::int32_t {
    auto& self = *static_cast<State*>(user);
    EXPECT_GE(done, self.done);
    self.done = done;
    self.total = total;
    return done > self.stop_after ? 1 : 0;
  };
  moe_model* model = nullptr;
  ASSERT_EQ(moe_model_load(str(golden("qwen3_moe")), &options, &model), MOE_OK);
  moe_model_destroy(model);
  EXPECT_EQ(state.done, state.total);
  state = {0, 0, state.total / 2};
  EXPECT_EQ(moe_model_load(str(golden("qwen3_moe")), &options, &model), MOE_E_CANCELLED);
  EXPECT_EQ(model, nullptr);
}

}  // namespace
}  // namespace moe::capi::test
