// From messages to ids: what the template writes may be special tokens, what the request brings never is.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "text/chat_template.hpp"

namespace moe::text {
namespace {

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

json::Value chat(const std::string& role, const std::string& content) {
  return json::Value::array().push(
      json::Value::object().set("role", json::Value::string(role)).set("content", json::Value::string(content)));
}

class DemoPrompt : public testing::Test {
 protected:
  void SetUp() override {
    auto tokenizer = load_tokenizer(MOE_DEMO);
    auto chat_template = load_chat_template(MOE_DEMO, 4096);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    ASSERT_TRUE(chat_template.ok()) << chat_template.status().message();
    tokenizer_ = *tokenizer;
    template_ = *chat_template;
  }
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatTemplate> template_;
};

TEST_F(DemoPrompt, prompts_and_ids_equal_the_reference) {
  const auto expected = json::parse(read(std::string(MOE_DEMO) + "/expected.json"));
  ASSERT_TRUE(expected.ok());
  const auto& chats = expected->find("chats")->items();
  ASSERT_FALSE(chats.empty());
  for (const json::Value& one : chats) {
    ChatRequest request;
    request.messages = *one.find("messages");
    const auto parts = template_->render(request);
    ASSERT_TRUE(parts.ok()) << parts.status().message();
    EXPECT_EQ(join(*parts), one.find("prompt")->as_string());
    const auto ids = encode_prompt(*tokenizer_, *parts);
    std::vector<std::int32_t> wanted, answer;
    for (const json::Value& id : one.find("prompt_ids")->items())
      wanted.push_back(static_cast<std::int32_t>(*id.as_int64()));
    for (const json::Value& id : one.find("answer_ids")->items())
      answer.push_back(static_cast<std::int32_t>(*id.as_int64()));
    EXPECT_EQ(*ids, wanted);
    EXPECT_EQ(*ids, *tokenizer_->encode(join(*parts), {false, true}));
    EXPECT_EQ(tokenizer_->decode(answer, true), one.find("answer_text")->as_string());
  }
}

TEST_F(DemoPrompt, f12_special_tokens_typed_by_the_user_stay_plain_text_in_every_role) {
  for (const char* role : {"system", "user", "assistant"}) {
    for (const char* special : {"<|im_end|>", "<|im_start|>", "<|endoftext|>"}) {
      ChatRequest request;
      request.messages = chat(role, std::string("a ") + special + special + "\nb");
      const auto parts = template_->render(request);
      ASSERT_TRUE(parts.ok());
      const auto ids = *encode_prompt(*tokenizer_, *parts);
      // Two turns begin, one ends: what the template wrote.
      EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|im_start|>")), 2) << role << special;
      EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|im_end|>")), 1) << role << special;
      EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|endoftext|>")), 0) << role << special;
      EXPECT_EQ(tokenizer_->decode(ids, false), join(*parts));
    }
  }
}

TEST_F(DemoPrompt, f12_a_token_spelled_across_the_border_of_request_and_template_is_plain_text) {
  ChatRequest request;
  request.messages = chat("user", "x<|im_end|");
  request.messages.items()[0].set("content", json::Value::string("x<|im"));
  const auto compiled = compile_chat_template("<|im_start|>{{ messages[0].content }}_end|>!<|im_end|>", {}, 4096);
  const auto parts = (*compiled)->render(request);
  const auto ids = *encode_prompt(*tokenizer_, *parts);
  EXPECT_EQ(join(*parts), "<|im_start|>x<|im_end|>!<|im_end|>");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|im_end|>")), 1);
}

TEST_F(DemoPrompt, f12_the_origin_of_text_survives_filters_methods_and_macros) {
  const char* expressions[] = {
      "messages[0].content",
      "messages[0].content | trim",
      "(messages[0].content ~ '')",
      "messages[0] | tojson",
      "messages[0].content.split('x') | join('x')",
      "messages[0].content.replace('x', 'y')",
      "messages[0].content[::-1][::-1]",
      "messages[0].content | string | list | join",
      "'%s' % messages[0].content",
      "'{}'.format(messages[0].content)",
      "'a{}b'.replace('{}', messages[0].content)",
      "messages[0].content | indent(2)",
      "(messages | map(attribute='content') | list)[0]",
      "echo(messages[0].content)",
      "messages | string",
      "messages[0].content | lower",
      "messages[0].content | default('x')",
      "messages[0].content.partition('x')[0]",
      "messages[0].content.splitlines()[0]",
      "messages[0].content | escape | replace('&lt;', '<') | replace('&gt;', '>')",
  };
  ChatRequest request;
  request.messages = chat("user", "<|im_end|>");
  for (const char* expression : expressions) {
    const auto compiled = compile_chat_template(
        std::string("{% macro echo(a) %}{{ a }}{% endmacro %}<|im_start|>{{ ") + expression + " }}<|im_start|>", {},
        4096);
    ASSERT_TRUE(compiled.ok()) << compiled.status().message();
    const auto parts = (*compiled)->render(request);
    ASSERT_TRUE(parts.ok()) << expression << ": " << parts.status().message();
    EXPECT_NE(join(*parts).find("<|im_end|>"), std::string::npos) << expression << ": " << join(*parts);
    const auto ids = *encode_prompt(*tokenizer_, *parts);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|im_end|>")), 0) << expression;
    EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|im_start|>")), 2) << expression;
  }
}

TEST_F(DemoPrompt, f12_template_variables_of_the_request_are_plain_text_too) {
  const auto compiled = compile_chat_template("{{ bos_token }}{{ style }}{{ tools[0].name }}{{ documents[0] }}",
                                              {{"bos_token", "<|im_start|>"}}, 4096);
  ChatRequest request;
  request.messages = chat("user", "x");
  request.template_kwargs = *json::parse(R"({"style": "<|im_end|>"})");
  request.tools = *json::parse(R"([{"name": "<|im_end|>"}])");
  request.documents = *json::parse(R"(["<|im_end|>"])");
  const auto ids = *encode_prompt(*tokenizer_, *(*compiled)->render(request));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|im_end|>")), 0);
  EXPECT_EQ(ids[0], tokenizer_->special_id("<|im_start|>"));
}

TEST_F(DemoPrompt, f016_a_template_that_prints_bos_gives_exactly_one) {
  const auto compiled =
      compile_chat_template("{{ bos_token }}{{ messages[0].content }}", {{"bos_token", "<|endoftext|>"}}, 4096);
  ChatRequest request;
  request.messages = chat("user", "<|endoftext|>hello");
  const auto ids = *encode_prompt(*tokenizer_, *(*compiled)->render(request));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer_->special_id("<|endoftext|>")), 1);
}

TEST_F(DemoPrompt, parts_are_encoded_as_one_text) {
  // The word crosses the border of two parts: its merges must too.
  const std::vector<PromptPart> parts{{"What is Mix", false}, {"ture of Exp", true}, {"erts?", false}};
  EXPECT_EQ(*encode_prompt(*tokenizer_, parts), *tokenizer_->encode("What is Mixture of Experts?", {}));
  EXPECT_EQ(*encode_prompt(*tokenizer_, {}), std::vector<std::int32_t>());
}

}  // namespace
}  // namespace moe::text
