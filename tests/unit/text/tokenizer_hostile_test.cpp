// Malformed and hostile tokenizer.json files: each is refused with a message that names file and key, or works with ids
// inside the vocabulary.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "small_tokenizer.hpp"

namespace moe::text {
namespace {

using json::Value;
using Edit = std::function<void(Value&)>;

Value text(const char* json) { return *json::parse(json); }

struct Case {
  const char* named;  // what the message must hold
  Edit edit;
};

const std::vector<Case>& cases() {
  const auto model = [](const char* key, const char* value) -> Edit {
    return [=](Value& file) { file.find("model")->set(key, text(value)); };
  };
  const auto top = [](const char* key, const char* value) -> Edit {
    return [=](Value& file) { file.set(key, text(value)); };
  };
  const auto vocab = [](const char* token, const char* id) -> Edit {
    return [=](Value& file) { file.find("model")->find("vocab")->set(token, text(id)); };
  };
  const auto added = [](const char* token) -> Edit {
    return [=](Value& file) { file.find("added_tokens")->push(text(token)); };
  };
  static const std::vector<Case> list = {
      {"model must", top("model", "[]")},
      {"model must", top("model", "null")},
      {"model.type", model("type", "\"Unigram\"")},
      {"model.type", model("type", "\"WordPiece\"")},
      {"model.type", model("type", "7")},
      {"model.vocab", model("vocab", "[]")},
      {"model.vocab", model("vocab", "null")},
      {"model.vocab", vocab("x y", "-1")},
      {"model.vocab", vocab("x y", "1.5")},
      {"model.vocab", vocab("x y", "\"1\"")},
      {"model.vocab", vocab("x y", "4294967296")},
      {"model.vocab", vocab("x y", "99999999999999999999")},
      {"model.vocab", vocab("x y", "2147483647")},
      {"given twice", vocab("x y", "65")},
      {"model.merges must", model("merges", "{}")},
      {"model.merges must", model("merges", "null")},
      {"model.merges[0]", model("merges", "[\"t\"]")},
      {"model.merges[0]", model("merges", "[\"t h e\"]")},
      {"model.merges[0]", model("merges", "[\" th\"]")},
      {"model.merges[0]", model("merges", "[[\"t\"]]")},
      {"model.merges[0]", model("merges", "[[\"t\", 1]]")},
      {"model.merges[1]", model("merges", "[\"t h\", 7]")},
      {"model.merges[0]", model("merges", "[\"zz h\"]")},
      {"model.merges[0]", model("merges", "[\"h t\"]")},
      {"model.dropout", model("dropout", "0.5")},
      {"model.byte_fallback", model("byte_fallback", "true")},
      {"model.byte_fallback", model("byte_fallback", "\"x\"")},
      {"model.ignore_merges", model("ignore_merges", "1")},
      {"model.unk_token", model("unk_token", "\"<nope>\"")},
      {"model.unk_token", model("unk_token", "3")},
      {"model.end_of_word_suffix", model("end_of_word_suffix", "\"</w>\"")},
      {"model.continuing_subword_prefix", model("continuing_subword_prefix", "\"##\"")},
      {"added_tokens must", top("added_tokens", "{}")},
      {"added_tokens[3].content", added("{\"id\": 270}")},
      {"added_tokens[3].content", added("5")},
      {"added_tokens[3].id", added("{\"content\": \"x!\"}")},
      {"added_tokens[3].id", added("{\"content\": \"x!\", \"id\": -3}")},
      {"added_tokens[3].id", added("{\"content\": \"x!\", \"id\": 1073741824}")},
      {"added_tokens[3].special", added("{\"content\": \"x!\", \"id\": 270, \"special\": 1}")},
      {"is taken", added("{\"content\": \"x!\", \"id\": 65}")},
      {"is taken", added("{\"content\": \"x!\", \"id\": 261}")},
      {"given twice", added("{\"content\": \"<s>\", \"id\": 270}")},
      {"added_tokens[3].content is longer",
       [](Value& file) {
         file.find("added_tokens")
             ->push(
                 Value::object().set("content", Value::string(std::string(5000, 'x'))).set("id", Value::integer(270)));
       }},
      {"normalizer.type", top("normalizer", "{\"type\": \"Precompiled\"}")},
      {"normalizer.type", top("normalizer", "{}")},
      {"normalizer.normalizers", top("normalizer", "{\"type\": \"Sequence\"}")},
      {"normalizer.normalizers[1].type",
       top("normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"X"}]})")},
      {"pre_tokenizer", top("pre_tokenizer", "null")},
      {"pre_tokenizer must", top("pre_tokenizer", "[]")},
      {"pre_tokenizer.type", top("pre_tokenizer", "{\"type\": \"Metaspace\"}")},
      {"pre_tokenizer: no ByteLevel", top("pre_tokenizer", "{\"type\": \"Digits\"}")},
      {"pre_tokenizer.pretokenizers", top("pre_tokenizer", "{\"type\": \"Sequence\"}")},
      {"pre_tokenizer.pattern",
       top("pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"})")},
      {"pre_tokenizer.pattern",
       top("pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"[a[b]]"},"behavior":"Isolated"})")},
      {"pre_tokenizer.pattern",
       top("pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"\\p{Klingon}"},"behavior":"Isolated"})")},
      {"pre_tokenizer.pattern", top("pre_tokenizer", R"({"type":"Split","pattern":{},"behavior":"Isolated"})")},
      {"pre_tokenizer.behavior",
       top("pre_tokenizer", R"({"type":"Split","pattern":{"String":"a"},"behavior":"Contiguous"})")},
      {"pre_tokenizer.use_regex", top("pre_tokenizer", R"({"type":"ByteLevel","use_regex":"yes"})")},
      {"decoder", top("decoder", "null")},
      {"decoder.type", top("decoder", "{\"type\": \"Metaspace\"}")},
      {"decoder.decoders[0].type", top("decoder", R"({"type":"Sequence","decoders":[{"type":"Fuse"}]})")},
      {"post_processor.type", top("post_processor", "{\"type\": \"BertProcessing\"}")},
      {"post_processor.single", top("post_processor", "{\"type\": \"TemplateProcessing\", \"single\": []}")},
      {"post_processor.single[0]",
       top("post_processor", R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<x>"}}]})")},
      {"post_processor.single[0]",
       top("post_processor",
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{"x":{"ids":[263]}}})")},
      {"post_processor.processors", top("post_processor", "{\"type\": \"Sequence\"}")},
  };
  return list;
}

TEST(HostileTokenizer, f3_every_malformed_file_is_refused_with_file_and_key) {
  ASSERT_GE(cases().size(), 40u);
  for (const Case& one : cases()) {
    Value file = small_file();
    one.edit(file);
    const auto tokenizer = parse_tokenizer(json::write(file), "");
    ASSERT_FALSE(tokenizer.ok()) << one.named;
    EXPECT_TRUE(tokenizer.status().message().starts_with("tokenizer.json: ")) << tokenizer.status().message();
    EXPECT_NE(tokenizer.status().message().find(one.named), std::string::npos)
        << one.named << " is not in: " << tokenizer.status().message();
  }
}

TEST(HostileTokenizer, f10_every_cut_of_the_file_is_refused) {
  const std::string file = json::write(small_file());
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto tokenizer = parse_tokenizer(std::string_view(file).substr(0, size), "");
    ASSERT_FALSE(tokenizer.ok()) << size;
    EXPECT_TRUE(tokenizer.status().message().starts_with("tokenizer.json: line ")) << tokenizer.status().message();
  }
}

TEST(HostileTokenizer, f3_flipped_bytes_are_refused_or_give_ids_inside_the_vocabulary) {
  const std::string file = json::write(small_file());
  for (std::size_t at = 0; at < file.size(); at += 3) {
    std::string broken = file;
    broken[at] = static_cast<char>(broken[at] ^ (1 << (at % 7)));
    const auto tokenizer = parse_tokenizer(broken, "");
    if (!tokenizer.ok()) {
      EXPECT_FALSE(tokenizer.status().message().empty());
      continue;
    }
    const auto ids = (*tokenizer)->encode("the aaaa <s>12 \xC3\xA9", {true, true});
    if (!ids.ok()) continue;
    for (std::int32_t id : *ids) EXPECT_TRUE((*tokenizer)->has_token(id)) << id;
  }
}

TEST(HostileTokenizer, f3_merges_that_lead_in_a_circle_end) {
  Value file = small_file();
  file.find("model")->set("merges", text(R"(["a a", "aa aa", "aa a", "a aa", "a a"])"));
  file.find("model")->find("vocab")->set("aaa", Value::integer(263));
  const auto tokenizer = parse_tokenizer(json::write(file), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->encode(std::string(1000, 'a'), {})->size(), 250u);
}

TEST(HostileTokenizer, f3_a_hundred_thousand_added_tokens_load) {
  Value file = small_file();
  for (int i = 0; i < 100000; ++i) {
    file.find("added_tokens")
        ->push(Value::object()
                   .set("content", Value::string("<r" + std::to_string(i) + ">"))
                   .set("id", Value::integer(300 + i)));
  }
  const auto tokenizer = parse_tokenizer(json::write(file), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(*(*tokenizer)->encode("<r99999><r1>", {}), std::vector<std::int32_t>({100299, 301}));
}

TEST(HostileTokenizer, vocabularies_without_some_bytes_drop_those_bytes) {
  Value file = small_file();
  file.find("model")->find("vocab")->members().erase(file.find("model")->find("vocab")->members().begin() + 'q');
  const auto tokenizer = parse_tokenizer(json::write(file), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(*(*tokenizer)->encode("qa", {}), std::vector<std::int32_t>({'a'}));
}

TEST(HostileTokenizer, files_that_are_none_are_named) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("moe_tokenizer_" + std::to_string(::getpid()));
  fs::create_directories(folder / "tokenizer_config.json");
  EXPECT_EQ(load_tokenizer(folder).status().code(), Code::not_found);
  EXPECT_NE(load_tokenizer(folder).status().message().find("tokenizer.json"), std::string::npos);
  std::ofstream(folder / "tokenizer.json") << json::write(small_file());
  EXPECT_NE(load_tokenizer(folder).status().message().find("tokenizer_config.json: not a regular file"),
            std::string::npos);
  fs::remove_all(folder / "tokenizer_config.json");
  EXPECT_TRUE(load_tokenizer(folder).ok());
  std::ofstream(folder / "tokenizer_config.json") << "{";
  EXPECT_NE(load_tokenizer(folder).status().message().find("tokenizer_config.json: line 1"), std::string::npos);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace moe::text
