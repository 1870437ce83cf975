#include <algorithm>
#include <array>

#include "model/families/family.hpp"

namespace moe::model {

namespace {

constexpr std::array kFamilies = {
    Family{"llama", "LlamaForCausalLM", read_llama},
    Family{"qwen3_moe", "Qwen3MoeForCausalLM", read_qwen3_moe},
};

std::string first_architecture(const Config& config) {
  const json::Value* list = config.root().find("architectures");
  const bool usable = list != nullptr && list->is_array() && !list->items().empty() && list->items()[0].is_string();
  return usable ? list->items()[0].as_string() : std::string();
}

void check_router(Config& config, const ModelSpec& spec) {
  if (spec.num_moe_layers() > 0 && spec.router.experts_per_token > spec.router.num_experts) {
    config.fail("num_experts_per_tok: " + std::to_string(spec.router.experts_per_token) +
                " is more than the number of experts, " + std::to_string(spec.router.num_experts));
  }
}

}  // namespace

std::size_t ModelSpec::num_moe_layers() const {
  return static_cast<std::size_t>(std::count(layers.begin(), layers.end(), FeedForward::sparse));
}

std::span<const Family> families() { return kFamilies; }

Result<const Family*> find_family(std::string_view model_type) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) {
      return &family;
    }
    known += known.empty() ? "" : ", ";
    known += family.model_type;
  }
  return Status(Code::unsupported,
                "config.json: model_type: \"" + std::string(model_type) + "\" is not supported (known: " + known + ")");
}

Result<ModelSpec> read_spec(Config& config) {
  const std::string model_type = config.text({"model_type"}, "");
  if (!config.status().ok()) {
    return config.status();
  }
  if (model_type.empty()) {
    return invalid("config.json: model_type: missing");
  }
  auto family = find_family(model_type);
  if (!family.ok()) {
    return family.status();
  }
  ModelSpec spec;
  spec.family = model_type;
  spec.architecture = first_architecture(config);
  if (!spec.architecture.empty() && spec.architecture != (*family)->architecture) {
    return Status(Code::unsupported, "config.json: architectures: \"" + spec.architecture +
                                         "\" contradicts model_type \"" + model_type + "\", expected \"" +
                                         std::string((*family)->architecture) + "\"");
  }
  (*family)->read(config, spec);
  check_router(config, spec);
  if (!config.status().ok()) {
    return config.status();
  }
  return spec;
}

void read_decoder(Config& config, ModelSpec& spec, double default_theta) {
  spec.vocab_size = config.count({"vocab_size"}, Config::kRequired, 1, 1U << 24);
  spec.hidden_size = config.count({"hidden_size"}, Config::kRequired, 1, 1U << 17);
  spec.layers.assign(config.count({"num_hidden_layers"}, Config::kRequired, 1, 4096), FeedForward::dense);
  spec.num_heads = config.count({"num_attention_heads"}, Config::kRequired, 1, 4096);
  spec.num_kv_heads = config.count({"num_key_value_heads"}, spec.num_heads, 1, 4096);
  if (spec.num_heads % spec.num_kv_heads != 0) {
    config.fail("num_attention_heads: " + std::to_string(spec.num_heads) + " is no multiple of num_key_value_heads " +
                std::to_string(spec.num_kv_heads));
  }
  if (!config.has({"head_dim"}) && spec.hidden_size % spec.num_heads != 0) {
    config.fail("hidden_size: " + std::to_string(spec.hidden_size) + " is no multiple of num_attention_heads " +
                std::to_string(spec.num_heads) + " and head_dim is missing");
  }
  spec.head_dim = config.count({"head_dim"}, spec.hidden_size / spec.num_heads, 2, 4096);
  spec.context = config.count({"max_position_embeddings"}, Config::kRequired, 1, 1U << 27);
  spec.norm_eps = static_cast<float>(config.number({"rms_norm_eps"}, 1e-6, 0.0, 1.0));
  spec.tied_head = config.flag({"tie_word_embeddings"}, false);
  const std::string activation = config.text({"hidden_act"}, "silu");
  if (activation != "silu") {
    config.fail("hidden_act: \"" + activation + "\" is not supported, expected \"silu\"", Code::unsupported);
  }
  if (config.has({"quantization_config"})) {
    config.fail("quantization_config: quantised checkpoints are not supported", Code::unsupported);
  }
  spec.rope = config.rope(default_theta, spec.head_dim, spec.context);
  config.note(spec, "head_dim", std::to_string(spec.head_dim), {"head_dim"});
  config.note(spec, "rope_theta", json::format_double(spec.rope.theta), {"rope_theta", "rope_parameters"});
  config.note(spec, "tie_word_embeddings", spec.tied_head ? "true" : "false", {"tie_word_embeddings"});
}

}  // namespace moe::model
