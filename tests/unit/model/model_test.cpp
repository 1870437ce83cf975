#include "harness.hpp"

namespace moe::model::test {
namespace {

void edit(const Folder& folder, const std::function<void(Tensors&)>& change) {
  Tensors tensors = Tensors::read(folder / "model.safetensors");
  change(tensors);
  tensors.write(folder / "model.safetensors");
}

TEST(Model, f002_left_over_tensors_beside_used_weights_are_refused) {
  for (const char* name :
       {"model.layers.1.mlp.experts.3.up_proj.weight_scale_inv2", "model.layers.0.self_attn.q_proj.input_scale",
        "model.layers.0.self_attn.q_proj.bias", "model.layers.2.mlp.experts.8.up_proj.weight",
        "model.layers.0.mlp.shared_expert.up_proj.weight", "lm_head.bias", "model.norm.bias"}) {
    const Folder folder(golden("qwen3_moe"));
    edit(folder, [&](Tensors& tensors) { tensors.all[name] = {"F32", {2}, std::string(8, '\0')}; });
    expect_refused(folder.path(), {name, "model.safetensors", "left over"});
  }
}

TEST(Model, f002_left_over_tensors_elsewhere_are_listed_in_facts) {
  const Folder folder(golden("qwen3_moe"));
  const std::vector<std::string> names = {"model.layers.3.mlp.gate.weight", "vision_tower.patch.weight",
                                          "model.layers.0.self_attn.rotary_emb.inv_freq"};
  edit(folder, [&](Tensors& tensors) {
    for (const std::string& name : names) {
      tensors.all[name] = {"F32", {2}, std::string(8, '\0')};
    }
  });
  const auto model = load(folder.path());
  ASSERT_TRUE(model.ok()) << model.status().message();
  const json::Value facts = parse((*model)->facts());
  EXPECT_EQ(facts.find("tensors")->find("unused")->items().size(), names.size());
}

TEST(Model, a_missing_tensor_is_named) {
  for (const char* name : {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
                           "model.layers.2.self_attn.k_norm.weight", "model.layers.1.mlp.experts.5.down_proj.weight"}) {
    const Folder folder(golden("qwen3_moe"));
    edit(folder, [&](Tensors& tensors) { tensors.all.erase(name); });
    expect_refused(folder.path(), {name, "missing"});
  }
}

TEST(Model, f013_values_that_are_not_finite_are_refused_at_load) {
  for (const std::uint16_t code : {0x7FC0, 0x7F80, 0xFF80}) {  // NaN, infinity, -infinity in bf16
    const Folder folder(golden("qwen3_moe"));
    edit(folder, [&](Tensors& tensors) {
      std::string& data = tensors.all["model.layers.1.mlp.experts.5.up_proj.weight"].data;
      data[6] = static_cast<char>(code & 0xFF);
      data[7] = static_cast<char>(code >> 8);
    });
    expect_refused(folder.path(), {"model.layers.1.mlp.experts.5.up_proj.weight", "1 values are not finite"});
  }
}

TEST(Model, types_that_cannot_be_widened_are_refused) {
  const Folder folder(golden("qwen3_moe"));
  edit(folder, [](Tensors& tensors) {
    auto& tensor = tensors.all["model.layers.0.mlp.gate.weight"];
    tensor.dtype = "F8_E4M3";
    tensor.data.resize(tensor.data.size() / 2);
  });
  expect_refused(folder.path(), {"model.layers.0.mlp.gate.weight", "F8_E4M3"});
}

TEST(Model, half_and_single_precision_files_give_the_same_weights) {
  const auto original = load(golden("qwen3_moe"));
  ASSERT_TRUE(original.ok());
  const Folder folder(golden("qwen3_moe"));
  edit(folder, [](Tensors& tensors) {
    for (auto& [name, tensor] : tensors.all) {
      std::string wide;
      for (std::size_t i = 0; i < tensor.data.size(); i += 2) {
        wide += std::string(2, '\0') + tensor.data.substr(i, 2);  // bf16 is the upper half of float32
      }
      tensor.data = wide;
      tensor.dtype = "F32";
    }
  });
  const auto wide = load(folder.path());
  ASSERT_TRUE(wide.ok()) << wide.status().message();
  EXPECT_EQ((*wide)->weights().embedding, (*original)->weights().embedding);
}

TEST(Model, f017_padded_output_rows_are_no_tokens) {
  const Folder folder(demo());
  json::Value config = parse(read_text(folder / "config.json"));
  config.set("vocab_size", json::Value::integer(3200));
  write_text(folder / "config.json", json::write(config));
  edit(folder, [](Tensors& tensors) {
    auto& tensor = tensors.all["model.embed_tokens.weight"];
    tensor.shape[0] = 3200;
    tensor.data.resize(3200 * tensor.shape[1] * 2, '\0');
  });
  const auto model = load(folder.path());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_TRUE((*model)->is_token(3071));
  EXPECT_FALSE((*model)->is_token(3072));
  EXPECT_FALSE((*model)->is_token(3199));
  EXPECT_FALSE((*model)->is_token(3200));
  EXPECT_FALSE((*model)->is_token(-1));
  EXPECT_EQ(parse((*model)->facts()).find("padding_rows")->as_int64(), 128);
}

TEST(Model, a_tokenizer_larger_than_the_model_is_refused) {
  const Folder folder(demo());
  json::Value config = parse(read_text(folder / "config.json"));
  config.set("vocab_size", json::Value::integer(3000));
  config.set("eos_token_id", json::Value());
  write_text(folder / "config.json", json::write(config));
  fs::remove(folder / "generation_config.json");
  edit(folder, [](Tensors& tensors) {
    auto& tensor = tensors.all["model.embed_tokens.weight"];
    tensor.shape[0] = 3000;
    tensor.data.resize(3000 * tensor.shape[1] * 2);
  });
  expect_refused(folder.path(), {"tokenizer.json", "3071", "3000"});
}

}  // namespace
}  // namespace moe::model::test
