#include "harness.hpp"

namespace moe::model::test {
namespace {

void set_or_erase(const fs::path& path, const char* key, const char* value) {
  json::Value object = parse(read_text(path));
  erase(object, key);
  if (value != nullptr) {
    object.set(key, parse(std::string("[") + value + "]").items()[0]);
  }
  write_text(path, json::write(object));
}

std::map<std::int32_t, std::vector<std::string>> ends(const fs::path& folder) {
  std::map<std::int32_t, std::vector<std::string>> result;
  const auto model = load(folder);
  EXPECT_TRUE(model.ok()) << model.status().message();
  for (const EndToken& token : (*model)->end_tokens()) {
    result[token.id] = token.sources;
  }
  return result;
}

TEST(EndTokens, f014_the_union_of_all_sources_ends_an_answer) {
  struct Copy {
    const char *generation, *config, *tokenizer;
  };
  for (const Copy& copy :
       {Copy{"[3069]", nullptr, nullptr}, Copy{nullptr, "3071", nullptr}, Copy{nullptr, "[3071]", nullptr},
        Copy{nullptr, nullptr, "\"<|im_end|>\""}, Copy{nullptr, nullptr, nullptr}}) {
    const Folder folder(demo());
    set_or_erase(folder / "generation_config.json", "eos_token_id", copy.generation);
    set_or_erase(folder / "config.json", "eos_token_id", copy.config);
    set_or_erase(folder / "tokenizer_config.json", "eos_token", copy.tokenizer);
    auto found = ends(folder.path());
    EXPECT_EQ(found.count(3071), 1U);  // the template ends a turn with it, whatever the files say
    EXPECT_EQ(found.count(3069), copy.generation == nullptr ? 0U : 1U);
    EXPECT_EQ(found[3071].back(), "chat template");
  }
}

TEST(EndTokens, sources_are_listed_for_the_shipped_demo) {
  const auto found = ends(demo());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found.at(3071), (std::vector<std::string>{"generation_config.json", "config.json", "tokenizer_config.json",
                                                      "chat template"}));
  EXPECT_EQ(found.at(3069), (std::vector<std::string>{"generation_config.json"}));
}

TEST(EndTokens, a_broken_generation_config_is_refused_by_name) {
  const Folder folder(golden("qwen3_moe"));
  write_text(folder / "generation_config.json", "{");
  expect_refused(folder.path(), {"generation_config.json"});
  write_text(folder / "generation_config.json", R"({"eos_token_id":[1,999]})");
  expect_refused(folder.path(), {"generation_config.json", "eos_token_id", "999"});
}

}  // namespace
}  // namespace moe::model::test
