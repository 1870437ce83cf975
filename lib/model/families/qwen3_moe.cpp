// Qwen3-MoE (Qwen3 technical report, 2025): per-head q/k norm, softmax over all experts, then the best k. Defaults as
// in the official Qwen3MoeConfig, which does not renormalise unless the file says so.
#include <algorithm>

#include "model/families/family.hpp"

namespace moe::model {

namespace {

std::string json_list(const std::vector<std::uint64_t>& values) {
  json::Value list = json::Value::array();
  for (std::uint64_t value : values) {
    list.push(json::Value::integer(static_cast<std::int64_t>(value)));
  }
  return json::write(list);
}

void read_layer_plan(Config& config, ModelSpec& spec) {
  const std::uint64_t step = config.count({"decoder_sparse_step"}, 1, 1, 1U << 12);
  const auto dense = config.list({"mlp_only_layers"}, spec.num_layers() - 1);
  for (std::size_t i_layer = 0; i_layer < spec.num_layers(); ++i_layer) {
    const bool listed_dense = std::find(dense.begin(), dense.end(), i_layer) != dense.end();
    const bool sparse = !listed_dense && spec.router.num_experts > 0 && (i_layer + 1) % step == 0;
    spec.layers[i_layer] = sparse ? FeedForward::sparse : FeedForward::dense;
  }
  config.note(spec, "decoder_sparse_step", std::to_string(step), {"decoder_sparse_step"});
  config.note(spec, "mlp_only_layers", json_list(dense), {"mlp_only_layers"});
}

}  // namespace

void read_qwen3_moe(Config& config, ModelSpec& spec) {
  read_decoder(config, spec, 10000.0);
  spec.qk_norm = QkNorm::per_head;
  const bool attention_bias = config.flag({"attention_bias"}, false);
  spec.qkv_bias = attention_bias;
  spec.o_bias = attention_bias;
  if (config.flag({"use_sliding_window"}, false) && config.has({"sliding_window"})) {
    config.fail("use_sliding_window: windows are not supported for this family", Code::unsupported);
  }
  spec.router.num_experts = config.count({"num_experts", "num_local_experts"}, Config::kRequired, 0, 4096);
  spec.router.experts_per_token = config.count({"num_experts_per_tok"}, Config::kRequired, 1, 4096);
  const bool renormalise = config.flag({"norm_topk_prob"}, false);
  spec.router.score = ScoreFn::softmax;
  spec.router.renorm = renormalise ? Renorm::sum : Renorm::none;
  config.note(spec, "norm_topk_prob", renormalise ? "true" : "false", {"norm_topk_prob"});
  read_layer_plan(config, spec);
  if (spec.num_moe_layers() > 0) {
    spec.moe_intermediate_size = config.count({"moe_intermediate_size"}, Config::kRequired, 1, 1U << 20);
  }
  if (spec.num_moe_layers() < spec.num_layers()) {
    spec.dense_intermediate_size = config.count({"intermediate_size"}, Config::kRequired, 1, 1U << 20);
  }
}

}  // namespace moe::model
