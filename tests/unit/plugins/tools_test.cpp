// moe.tools/1: the commands about model files, as the command line calls them.
#include <algorithm>

#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

const std::string kDemo = source_path("configs/models/demo");

struct Console {
  std::string out, err;
  std::vector<std::string> lines;  // the input
  std::size_t next = 0;
};

class Tools : public ::testing::Test {
 protected:
  Tools() : host("moe-engine") {
    tools = static_cast<const moe_plugin_tools_1*>(host.plugin().get_extension(MOE_PLUGIN_TOOLS_1));
  }

  std::int32_t run(const std::vector<std::string>& words) {
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    console.out.clear();
    console.err.clear();
    moe_plugin_tool_host table{};
    table.struct_size = sizeof(table);
    table.context = &console;
    table.print = [](void* context, std::int32_t stream, const char* data, std::uint64_t size) {
      auto& to = *static_cast<Console*>(context);
      (stream == 1 ? to.out : to.err).append(data, size);
    };
    table.read_line = [](void* context, const moe_plugin_sink* out) -> std::int32_t {
      auto& from = *static_cast<Console*>(context);
      if (from.next == from.lines.size()) return 0;
      emit(out, from.lines[from.next++]);
      return 1;
    };
    return tools->run(static_cast<std::int32_t>(argv.size()), argv.data(), &table);
  }

  moe::json::Value json_out() {
    auto value = moe::json::parse(console.out);
    EXPECT_TRUE(value.ok()) << console.out;
    return value.ok() ? std::move(value).value() : moe::json::Value();
  }

  Host host;
  const moe_plugin_tools_1* tools = nullptr;
  Console console;
};

TEST_F(Tools, wrong_usage_exits_2_and_says_what) {
  const std::vector<std::vector<std::string>> cases = {{"facts"},
                                                       {"facts", kDemo, "--jsn"},
                                                       {"facts", kDemo, "twice"},
                                                       {"tokenize", kDemo},
                                                       {"chat"},
                                                       {"chat", kDemo, "--max-tokens", "0"},
                                                       {"chat", kDemo, "--temperature", "hot"},
                                                       {"chat", kDemo, "--message"},
                                                       {"bench", kDemo, "--batch", "1,,2"},
                                                       {"bench", kDemo, "--batch", "1", "--batch", "2"},
                                                       {"bench", kDemo, "--json=1"},
                                                       {"bench", "--shape", "olmoe:8"},
                                                       {"dance"}};
  for (const auto& words : cases) {
    EXPECT_EQ(run(words), 2) << words.back();
    EXPECT_EQ(console.err.substr(0, 7), "error: ") << words.back();
    EXPECT_EQ(console.out, "");
  }
}

TEST_F(Tools, a_model_that_is_not_there_exits_1_and_names_it) {
  for (const char* command : {"facts", "chat", "bench"}) {
    EXPECT_EQ(run({command, "/nowhere/model"}), 1);
    EXPECT_NE(console.err.find("/nowhere/model"), std::string::npos) << console.err;
  }
}

TEST_F(Tools, facts_print_a_table_and_json) {
  ASSERT_EQ(run({"facts", kDemo}), 0) << console.err;
  EXPECT_NE(console.out.find("experts_per_token"), std::string::npos);
  ASSERT_EQ(run({"facts", kDemo, "--json"}), 0);
  EXPECT_EQ(json_out().find("shape")->find("num_experts")->as_int64(), 8);
}

TEST_F(Tools, tokenize_counts_and_shows_each_piece) {
  ASSERT_EQ(run({"tokenize", kDemo, "Who are you?", "--json"}), 0) << console.err;
  const auto answer = json_out();
  std::string text;
  for (const auto& piece : answer.find("pieces")->items()) text += piece.as_string();
  EXPECT_EQ(text, "Who are you?");
  EXPECT_EQ(static_cast<std::size_t>(*answer.find("count")->as_int64()), answer.find("tokens")->items().size());
  ASSERT_EQ(run({"tokenize", kDemo, "--", "--json"}), 0);
  EXPECT_NE(console.out.find("tokens"), std::string::npos);
}

TEST_F(Tools, chat_answers_one_message_with_a_progress_bar_on_the_error_stream) {
  ASSERT_EQ(run({"chat", kDemo, "--message", "Who are you?", "--threads", "1"}), 0) << console.err;
  EXPECT_EQ(console.out.substr(0, 33), "I am a tiny demo model of moegate");
  EXPECT_NE(console.err.find("loading ["), std::string::npos);
  EXPECT_NE(console.err.find("100%"), std::string::npos);
}

TEST_F(Tools, chat_reads_questions_until_the_input_ends) {
  console.lines = {"Who are you?", "What is Mixture of Experts?"};
  ASSERT_EQ(run({"chat", kDemo, "--quiet", "--max-tokens", "4", "--threads", "1"}), 0) << console.err;
  EXPECT_EQ(std::count(console.out.begin(), console.out.end(), '\n'), 2);
  EXPECT_EQ(console.err, "");
}

TEST_F(Tools, bench_reports_every_batch_with_plausible_numbers) {
  ASSERT_EQ(run({"bench", kDemo, "--prompt", "16", "--generate", "4", "--batch", "1,2", "--threads", "1", "--json"}), 0)
      << console.err;
  const auto report = json_out();
  ASSERT_EQ(report.find("runs")->items().size(), 2U);
  EXPECT_GT(report.find("memory_read_bytes_per_second")->as_double(), 0);
  for (const auto& run : report.find("runs")->items()) {
    EXPECT_GT(run.find("prefill_tokens_per_second")->as_double(), 0);
    EXPECT_GT(run.find("decode_tokens_per_second")->as_double(), 0);
    EXPECT_GT(run.find("expected_weight_bytes_per_step")->as_double(), 0);
    const double balance = run.find("routing_balance_mean")->as_double();
    EXPECT_TRUE(balance > 0 && balance <= 1) << balance;
  }
}

}  // namespace
}  // namespace moegate::plugins::testing
