#include "model/config.hpp"

#include "harness.hpp"
#include "model/families/family.hpp"

namespace moe::model::test {
namespace {

struct Change {
  const char* key;
  const char* value;  // JSON text, nullptr = removed
  const char* word;   // in the refusal
};

// Every one of these makes the golden qwen3_moe folder unusable.
constexpr Change kHostile[] = {
    {"model_type", nullptr, "model_type"},
    {"model_type", "7", "model_type"},
    {"model_type", "\"qwen9\"", "qwen9"},
    {"architectures", "[\"LlamaForCausalLM\"]", "LlamaForCausalLM"},
    {"hidden_size", nullptr, "hidden_size"},
    {"hidden_size", "0", "hidden_size"},
    {"hidden_size", "-64", "-64"},
    {"hidden_size", "64.5", "64.5"},
    {"hidden_size", "\"64\"", "hidden_size"},
    {"hidden_size", "1000000000", "1000000000"},
    {"hidden_size", "99999999999999999999", "hidden_size"},
    {"hidden_size", "true", "hidden_size"},
    {"hidden_size", "128", "[288, 64]"},
    {"num_hidden_layers", "0", "num_hidden_layers"},
    {"num_hidden_layers", "100000", "100000"},
    {"num_hidden_layers", "4", "model.layers.3"},
    {"num_hidden_layers", "null", "num_hidden_layers"},
    {"num_attention_heads", "0", "num_attention_heads"},
    {"num_attention_heads", "3", "num_key_value_heads 2"},
    {"num_attention_heads", "8", "q_proj"},
    {"num_key_value_heads", "3", "num_key_value_heads 3"},
    {"num_key_value_heads", "4", "k_proj"},
    {"head_dim", "31", "31"},
    {"head_dim", "0", "head_dim"},
    {"head_dim", "16", "q_proj"},
    {"vocab_size", "0", "vocab_size"},
    {"vocab_size", "289", "[289, 64]"},
    {"vocab_size", "4000000000", "vocab_size"},
    {"num_local_experts", "9", "[9, 64]"},
    {"num_local_experts", "7", "[7, 64]"},
    {"num_local_experts", "-1", "-1"},
    {"num_experts", "16", "16 and 8"},
    {"num_experts_per_tok", "9", "9"},
    {"num_experts_per_tok", "0", "num_experts_per_tok"},
    {"num_experts_per_tok", nullptr, "num_experts_per_tok"},
    {"moe_intermediate_size", "48", "[32, 64]"},
    {"moe_intermediate_size", "0", "moe_intermediate_size"},
    {"norm_topk_prob", "\"yes\"", "norm_topk_prob"},
    {"norm_topk_prob", "1", "norm_topk_prob"},
    {"decoder_sparse_step", "0", "decoder_sparse_step"},
    {"decoder_sparse_step", "2", "model.layers.0.mlp.gate_proj.weight"},
    {"mlp_only_layers", "[7]", "mlp_only_layers"},
    {"mlp_only_layers", "3", "mlp_only_layers"},
    {"mlp_only_layers", "[1]", "model.layers.1"},
    {"attention_bias", "true", "q_proj.bias"},
    {"tie_word_embeddings", "1", "tie_word_embeddings"},
    {"hidden_act", "\"gelu\"", "gelu"},
    {"rms_norm_eps", "-1", "rms_norm_eps"},
    {"rms_norm_eps", "\"1e-5\"", "rms_norm_eps"},
    {"max_position_embeddings", "0", "max_position_embeddings"},
    {"max_position_embeddings", "99999999999", "max_position_embeddings"},
    {"rope_theta", "5000.0", "5000.0 contradicts rope_parameters.rope_theta 1000000.0"},
    {"rope_parameters", "7", "rope_parameters"},
    {"rope_parameters", R"({"rope_theta":0})", "rope_theta"},
    {"rope_parameters", R"({"rope_theta":"x"})", "rope_theta"},
    {"rope_parameters", R"({"rope_theta":1e4,"rope_type":"spiral"})", "spiral"},
    {"rope_parameters", R"({"rope_theta":1e4,"rope_type":"llama3"})", "factor"},
    {"rope_parameters", R"({"rope_theta":1e4,"rope_type":"yarn","type":"llama3","factor":2})", "contradicts"},
    {"rope_parameters",
     R"({"rope_theta":1e4,"rope_type":"llama3","factor":8,"original_max_position_embeddings":32,"low_freq_factor":4,"high_freq_factor":1})",
     "high_freq_factor"},
    {"use_sliding_window", "true", nullptr},
    {"quantization_config", R"({"quant_method":"fp8"})", "quantization_config"},
    {"eos_token_id", "288", "288"},
    {"eos_token_id", "[2,-1]", "-1"},
    {"eos_token_id", "\"</s>\"", "eos_token_id"},
};

TEST(Config, f4_hostile_and_contradictory_values_are_refused_by_key) {
  for (const Change& change : kHostile) {
    const Folder folder(golden("qwen3_moe"));
    json::Value config = parse(read_text(folder / "config.json"));
    if (change.value == nullptr) {
      erase(config, change.key);
    } else {
      config.set(change.key, parse(std::string("[") + change.value + "]").items()[0]);
    }
    write_text(folder / "config.json", json::write(config));
    const auto model = load(folder.path());
    if (change.word == nullptr) {
      EXPECT_TRUE(model.ok()) << change.key << ": " << model.status().message();  // a window that is null is none
      continue;
    }
    ASSERT_FALSE(model.ok()) << change.key << " = " << (change.value == nullptr ? "absent" : change.value);
    EXPECT_NE(model.status().message().find(change.word), std::string::npos)
        << change.key << ": " << model.status().message();
  }
}

TEST(Config, files_that_are_no_config_are_refused) {
  const std::vector<std::string> texts = {"",
                                          "{",
                                          "[]",
                                          "null",
                                          "{\"hidden_size\":64,\"hidden_size\":65}",
                                          std::string(5000, '['),
                                          "{\"a\":1e999}",
                                          "{\"a\":\"\xff\"}"};
  for (const std::string& text : texts) {
    const Folder folder(golden("qwen3_moe"));
    write_text(folder / "config.json", text);
    expect_refused(folder.path(), {"config.json"});
  }
  const Folder folder(golden("qwen3_moe"));
  fs::remove(folder / "config.json");
  expect_refused(folder.path(), {"config.json"});
}

json::Value fact(const fs::path& folder, const char* name) {
  const auto model = load(folder);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? *parse((*model)->facts()).find("options")->find(name) : json::Value();
}

TEST(Config, f007_absent_and_null_renormalisation_take_the_official_default) {
  for (const char* value : {"absent", "null", "true", "false"}) {
    const Folder folder(golden("qwen3_moe"));
    json::Value config = parse(read_text(folder / "config.json"));
    erase(config, "norm_topk_prob");
    if (std::string(value) != "absent") {
      config.set("norm_topk_prob", parse(std::string("[") + value + "]").items()[0]);
    }
    write_text(folder / "config.json", json::write(config));
    const auto model = load(folder.path());
    ASSERT_TRUE(model.ok());
    const bool is_given = std::string(value) == "true" || std::string(value) == "false";
    EXPECT_EQ((*model)->spec().router.renorm == Renorm::sum, std::string(value) == "true");
    const json::Value option = fact(folder.path(), "norm_topk_prob");
    EXPECT_EQ(option.find("source")->as_string(), is_given ? "config" : "default");
    EXPECT_EQ(option.find("value")->as_bool(), std::string(value) == "true");
  }
}

TEST(Config, f005_a_width_that_contradicts_the_tensor_names_both_numbers) {
  const Folder folder(golden("qwen3_moe"));
  json::Value config = parse(read_text(folder / "config.json"));
  config.set("moe_intermediate_size", json::Value::integer(64));
  write_text(folder / "config.json", json::write(config));
  expect_refused(folder.path(), {"model.layers.0.mlp.experts.0.gate_proj.weight", "[32, 64]", "[64, 64]"});
}

TEST(Config, both_spellings_give_the_same_spec) {
  for (const char* name : {"qwen3_moe", "llama", "qwen3_moe_yarn"}) {
    ModelSpec specs[2];
    for (const int i : {0, 1}) {
      auto root = read_json_file(golden(name) / (i == 0 ? "config.json" : "config.legacy.json"), 1 << 20);
      ASSERT_TRUE(root.ok());
      Config config(std::move(*root), "config.json");
      auto spec = read_spec(config);
      ASSERT_TRUE(spec.ok()) << spec.status().message();
      specs[i] = std::move(*spec);
    }
    EXPECT_EQ(specs[0].rope.theta, specs[1].rope.theta);
    EXPECT_EQ(specs[0].rope.scale, specs[1].rope.scale);
    EXPECT_EQ(specs[0].rope.magnitude, specs[1].rope.magnitude);
    EXPECT_EQ(specs[0].layers, specs[1].layers);
    EXPECT_EQ(specs[0].head_dim, specs[1].head_dim);
  }
}

}  // namespace
}  // namespace moe::model::test
