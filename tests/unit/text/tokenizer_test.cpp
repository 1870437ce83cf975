#include <gtest/gtest.h>

#include <clocale>
#include <locale>
#include <thread>

#include "small_tokenizer.hpp"
#include "text/unicode.hpp"

namespace moe::text {
namespace {

using Ids = std::vector<std::int32_t>;

Ids encode(const Tokenizer& tokenizer, std::string_view text, bool add = false, bool parse = false) {
  const auto ids = tokenizer.encode(text, {add, parse});
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : Ids{-1};
}

TEST(Tokenizer, merges_apply_by_rank_from_the_left) {
  const auto tokenizer = small_tokenizer();
  EXPECT_EQ(encode(*tokenizer, "the"), Ids({257}));
  EXPECT_EQ(encode(*tokenizer, "aaaaaaa"), Ids({259, 258, 'a'}));
  EXPECT_EQ(encode(*tokenizer, ""), Ids());
}

TEST(Tokenizer, long_and_short_pieces_merge_alike) {
  const auto tokenizer = small_tokenizer();
  for (std::size_t size = 1; size < 80; ++size) {
    Ids expected(size / 4, 259);
    if (size % 4 >= 2) expected.push_back(258);
    if (size % 2 == 1) expected.push_back('a');
    EXPECT_EQ(encode(*tokenizer, std::string(size, 'a')), expected) << size;
  }
}

TEST(Tokenizer, f016_bos_comes_once_and_a_typed_one_is_plain_text) {
  const auto tokenizer = small_tokenizer();
  EXPECT_EQ(tokenizer->bos_id(), 260);
  EXPECT_EQ(tokenizer->eos_id(), 261);
  EXPECT_EQ(encode(*tokenizer, "the", true), Ids({260, 257}));
  EXPECT_EQ(encode(*tokenizer, "<s>the", true), Ids({260, '<', 's', '>', 257}));
  EXPECT_EQ(encode(*tokenizer, "<s>the", false, true), Ids({260, 257}));
}

TEST(Tokenizer, f015_added_tokens_that_are_not_special_match_in_both_modes) {
  const auto tokenizer = small_tokenizer();
  EXPECT_EQ(encode(*tokenizer, "<think>", false, false), Ids({262}));
  EXPECT_EQ(encode(*tokenizer, "<think>", false, true), Ids({262}));
  EXPECT_FALSE(tokenizer->is_special(262));
  EXPECT_TRUE(tokenizer->is_special(261));
}

TEST(Tokenizer, f016_the_class_of_llama_adds_bos_by_its_configuration) {
  json::Value file = small_file();
  file.set("post_processor", json::Value());
  const std::string text = json::write(file);
  const auto with =
      parse_tokenizer(text, R"({"tokenizer_class":"LlamaTokenizerFast","add_bos_token":true,"bos_token":"<s>"})");
  const auto without =
      parse_tokenizer(text, R"({"tokenizer_class":"GPT2Tokenizer","add_bos_token":true,"bos_token":"<s>"})");
  EXPECT_EQ(encode(**with, "a", true), Ids({260, 'a'}));
  EXPECT_EQ(encode(**without, "a", true), Ids({'a'}));
}

TEST(Tokenizer, f017_ids_without_text_are_known_as_such) {
  json::Value file = small_file();
  file.find("added_tokens")->push(*json::parse(R"({"id": 270, "content": "", "special": false})"));
  const auto tokenizer = parse_tokenizer(json::write(file), "");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->vocab_size(), 271);
  EXPECT_TRUE((*tokenizer)->has_token(270));
  EXPECT_TRUE((*tokenizer)->token_bytes(270).empty());
  for (std::int32_t id : {-1, 263, 269, 271, INT32_MAX, INT32_MIN}) {
    EXPECT_FALSE((*tokenizer)->has_token(id)) << id;
    EXPECT_TRUE((*tokenizer)->token_bytes(id).empty());
    EXPECT_FALSE((*tokenizer)->is_special(id));
  }
  const Ids ids{'a', 263, 270, -5, 'b'};
  EXPECT_EQ((*tokenizer)->decode(ids, false), "ab");
}

TEST(Tokenizer, text_that_is_not_utf8_is_refused_with_its_place) {
  const auto tokenizer = small_tokenizer();
  for (std::string_view text : {"ab\xff", "ab\xc0\x80", "ab\xed\xa0\x80", "ab\xf4\x90\x80\x80", "ab\xe2\x82"}) {
    const auto ids = tokenizer->encode(text, {});
    ASSERT_FALSE(ids.ok());
    EXPECT_EQ(ids.status().code(), Code::invalid_argument);
    EXPECT_NE(ids.status().message().find("byte 2"), std::string::npos);
  }
}

// Nothing here is timed; quadratic work on these sizes would run for hours.
TEST(Tokenizer, f11_a_megabyte_of_one_thing_is_encoded_in_linear_time) {
  const auto tokenizer = small_tokenizer();
  constexpr std::size_t kSize = std::size_t{1} << 20;
  EXPECT_EQ(encode(*tokenizer, std::string(kSize, 'a')).size(), kSize / 4);
  EXPECT_EQ(encode(*tokenizer, std::string(kSize, ' ')).size(), kSize);
  std::string emoji, marks = "a";
  while (emoji.size() < kSize) emoji += "\xF0\x9F\x98\x80";
  while (marks.size() < kSize) marks += "\xCC\x81\xCC\xA3";  // above, below: the wrong order for NFC
  EXPECT_EQ(encode(*tokenizer, emoji).size(), emoji.size());
  EXPECT_GT(encode(*tokenizer, marks).size(), 0u);
  EXPECT_FALSE(tokenizer->encode(std::string(kSize, '\xFF'), {}).ok());
  std::string specials;
  while (specials.size() < kSize) specials += "<|end|";
  EXPECT_EQ(encode(*tokenizer, specials, false, true).size(), specials.size());
}

TEST(Tokenizer, one_tokenizer_serves_many_threads) {
  const auto tokenizer = load_tokenizer(MOE_GOLDEN "/tokenizers/qwen3");
  ASSERT_TRUE(tokenizer.ok());
  const std::string text = "Hello, wörld! 12345 \n\n  x = f(y);";
  const Ids expected = encode(**tokenizer, text);
  std::vector<std::thread> threads;
  std::array<int, 4> wrong{};
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) count += *(*tokenizer)->encode(text, {}) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

TEST(Unicode, canonical_order_and_composition_match_the_standard) {
  EXPECT_EQ(normalize_nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(normalize_nfc("a\xCC\xA3\xCC\x82"), "\xE1\xBA\xAD");
  EXPECT_EQ(normalize_nfc("a\xCC\x82\xCC\xA3"), "\xE1\xBA\xAD");
  EXPECT_EQ(normalize_nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");
  EXPECT_EQ(normalize_nfc("plain"), "plain");
}

// Numbers of tokenizer and template must not follow the host's locale. Without such a locale installed the test still
// holds for a C++ locale of its own.
class Comma : public std::numpunct<char> {
 protected:
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Tokenizer, f071_a_comma_locale_changes_nothing) {
  const std::string before_c = std::setlocale(LC_ALL, nullptr);
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Comma));
  std::setlocale(LC_ALL, "de_DE.UTF-8");
  const auto value = json::parse("[0.5, 1e-7, 123456789]");
  const auto tokenizer = small_tokenizer();
  const Ids ids = encode(*tokenizer, "the 123456 I\xC4\xB0");
  const std::string lower = to_lower("TITLE");
  std::setlocale(LC_ALL, before_c.c_str());
  std::locale::global(before);
  EXPECT_EQ(json::write(*value), "[0.5,1e-07,123456789]");
  EXPECT_EQ(ids, encode(*tokenizer, "the 123456 I\xC4\xB0"));
  EXPECT_EQ(lower, "title");
}

}  // namespace
}  // namespace moe::text
