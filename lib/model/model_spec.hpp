// What a model is, as options that do not depend on each other. A family (families/*.cpp) fills one from its config
// keys; nothing after that knows families. Plain data, immutable after load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "moe/router.hpp"

namespace moe::model {

enum class FeedForward : std::uint8_t { dense, sparse };
enum class QkNorm : std::uint8_t { none, per_head };  // per_head: RMS over head_dim, before the rotation
enum class RopeScale : std::uint8_t { none, llama3, yarn };

// Rotary embedding, HALF pairing over the whole head.
struct RopeSpec {
  double theta = 10000.0;
  RopeScale scale = RopeScale::none;
  double factor = 1.0;
  double original_context = 0.0;
  double low_freq_factor = 1.0;  // llama3
  double high_freq_factor = 4.0;
  double beta_fast = 32.0;  // yarn
  double beta_slow = 1.0;
  bool truncate = true;
  double magnitude = 1.0;  // multiplies cos and sin
};

// Names of the tensors in the file. "{L}" stands for the layer, "{E}" for the expert.
struct TensorNames {
  std::string embedding = "model.embed_tokens.weight";
  std::string final_norm = "model.norm.weight";
  std::string output = "lm_head.weight";
  std::string layer_prefix = "model.layers.";
  std::string input_norm = "model.layers.{L}.input_layernorm.weight";
  std::string post_norm = "model.layers.{L}.post_attention_layernorm.weight";
  std::string q = "model.layers.{L}.self_attn.q_proj";
  std::string k = "model.layers.{L}.self_attn.k_proj";
  std::string v = "model.layers.{L}.self_attn.v_proj";
  std::string o = "model.layers.{L}.self_attn.o_proj";
  std::string q_norm = "model.layers.{L}.self_attn.q_norm.weight";
  std::string k_norm = "model.layers.{L}.self_attn.k_norm.weight";
  std::string dense_gate = "model.layers.{L}.mlp.gate_proj";
  std::string dense_up = "model.layers.{L}.mlp.up_proj";
  std::string dense_down = "model.layers.{L}.mlp.down_proj";
  std::string router = "model.layers.{L}.mlp.gate.weight";
  std::string expert_gate = "model.layers.{L}.mlp.experts.{E}.gate_proj.weight";
  std::string expert_up = "model.layers.{L}.mlp.experts.{E}.up_proj.weight";
  std::string expert_down = "model.layers.{L}.mlp.experts.{E}.down_proj.weight";
};

// An option that a config may leave out, with where its value came from.
struct OptionFact {
  std::string name;
  std::string value;  // JSON text
  bool from_config = false;
};

struct ModelSpec {
  std::string family;
  std::string architecture;
  std::size_t vocab_size = 0;  // rows of the output matrix
  std::size_t hidden_size = 0;
  std::size_t num_heads = 0;
  std::size_t num_kv_heads = 0;
  std::size_t head_dim = 0;
  std::size_t dense_intermediate_size = 0;
  std::size_t moe_intermediate_size = 0;
  std::size_t context = 0;
  float norm_eps = 1e-6F;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  bool tied_head = false;
  QkNorm qk_norm = QkNorm::none;
  RopeSpec rope;
  RouterSpec router;  // num_experts == 0: no sparse layer
  std::vector<FeedForward> layers;
  TensorNames names;
  std::vector<OptionFact> options;

  std::size_t num_layers() const { return layers.size(); }
  std::size_t num_moe_layers() const;
};

}  // namespace moe::model
