// The weights of a model in their execution format, and how they get there. Immutable after load, shareable.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/worker_pool.hpp"
#include "model/checkpoint.hpp"
#include "model/model_spec.hpp"
#include "moe/moe_block.hpp"
#include "ops/matmul.hpp"

namespace moe::model {

// y = x W^T + bias; an empty bias is none.
struct Linear {
  std::unique_ptr<const ops::PackedMatrix> weight;
  std::vector<float> bias;
};

struct AttentionWeights {
  Linear q, k, v, o;
  std::vector<float> q_norm, k_norm;  // [head_dim] or empty
};

struct DenseWeights {
  Linear gate, up, down;
};

struct LayerWeights {
  std::vector<float> input_norm, post_norm;  // [hidden]
  AttentionWeights attention;
  DenseWeights dense;  // of a dense layer
  MoeWeights moe;      // of a sparse layer
};

struct Weights {
  std::vector<float> embedding;  // [vocab, hidden]
  std::vector<float> final_norm;
  std::unique_ptr<const ops::PackedMatrix> output;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  std::uint64_t bytes = 0;
};

// How a matrix is packed; tests put their own in.
using PackMatrix = Result<std::unique_ptr<const ops::PackedMatrix>> (*)(const float*, std::size_t, std::size_t);
// Bytes done of total; false stops the load with CANCELLED.
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

struct TensorUse {
  std::set<std::string, std::less<>> used;
  std::vector<std::string> unused;  // left over in the files, harmless
  std::uint64_t total_parameters = 0;
  std::uint64_t expert_parameters = 0;  // of all routed experts
};

// Reads every tensor that the spec names, on the pool. Errors name file and tensor; left-over tensors that belong to a
// used layer or share the prefix of a used weight are errors, others are listed.
Result<Weights> load_weights(const ModelSpec& spec, const Checkpoint& checkpoint, base::WorkerPool& pool,
                             PackMatrix pack, const Progress& progress, TensorUse& use);

}  // namespace moe::model
