// Llama 2 and 3 (dense). Defaults as in the official LlamaConfig.
#include "model/families/family.hpp"

namespace moe::model {

void read_llama(Config& config, ModelSpec& spec) {
  read_decoder(config, spec, 10000.0);
  spec.dense_intermediate_size = config.count({"intermediate_size"}, Config::kRequired, 1, 1U << 20);
  const bool attention_bias = config.flag({"attention_bias"}, false);
  spec.qkv_bias = attention_bias;
  spec.o_bias = attention_bias;
  spec.mlp_bias = config.flag({"mlp_bias"}, false);
}

}  // namespace moe::model
