#include "model/weights.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

namespace moe::model {

namespace {

std::string fill(std::string pattern, std::string_view mark, std::size_t number) {
  const std::size_t at = pattern.find(mark);
  return at == std::string::npos ? pattern : pattern.replace(at, mark.size(), std::to_string(number));
}

class Loader {
 public:
  Loader(const ModelSpec& spec, const Checkpoint& checkpoint, base::WorkerPool& pool, PackMatrix pack,
         const Progress& progress, TensorUse& use)
      : spec_(spec), checkpoint_(checkpoint), pool_(pool), pack_(pack), progress_(progress), use_(use) {}

  Status load(Weights& weights) {
    if (Status status = load_ends(weights); !status.ok()) {
      return status;
    }
    weights.layers.resize(spec_.num_layers());
    for (std::size_t i_layer = 0; i_layer < spec_.num_layers(); ++i_layer) {
      if (Status status = load_layer(i_layer, weights.layers[i_layer]); !status.ok()) {
        return std::move(status).with_context("layer " + std::to_string(i_layer));
      }
    }
    weights.bytes = packed_bytes_;
    return sort_leftovers();
  }

 private:
  using Shape = std::vector<std::uint64_t>;

  Status vector(const std::string& name, std::uint64_t size, std::vector<float>& out) {
    if (Status status = checkpoint_.read_floats(name, Shape{size}, out); !status.ok()) {
      return status;
    }
    packed_bytes_ += out.size() * sizeof(float);
    return account(name, out.size(), false);
  }

  // Reads and packs; safe on several workers at once.
  Status matrix(const std::string& name, std::uint64_t num_out, std::uint64_t num_in, bool is_expert,
                std::unique_ptr<const ops::PackedMatrix>& out) {
    std::vector<float> values;
    if (Status status = checkpoint_.read_floats(name, Shape{num_out, num_in}, values); !status.ok()) {
      return status;
    }
    auto packed = pack_(values.data(), num_out, num_in);
    if (!packed.ok()) {
      return packed.status().with_context("tensor " + name);
    }
    packed_bytes_ += (*packed)->bytes();
    out = std::move(*packed);
    return account(name, values.size(), is_expert);
  }

  Status linear(const std::string& stem, std::uint64_t num_out, std::uint64_t num_in, bool has_bias, Linear& out) {
    Status status = matrix(stem + ".weight", num_out, num_in, false, out.weight);
    return status.ok() && has_bias ? vector(stem + ".bias", num_out, out.bias) : status;
  }

  Status account(const std::string& name, std::uint64_t values, bool is_expert) {
    const std::lock_guard lock(mutex_);
    use_.used.insert(name);
    use_.total_parameters += values;
    use_.expert_parameters += is_expert ? values : 0;
    done_bytes_ += checkpoint_.find(name)->info->bytes;
    if (progress_ && !progress_(done_bytes_, checkpoint_.total_bytes())) {
      return Status(Code::cancelled, "load stopped by the caller");
    }
    return {};
  }

  Status load_ends(Weights& weights) {
    const TensorNames& names = spec_.names;
    const Shape shape{spec_.vocab_size, spec_.hidden_size};
    if (Status status = checkpoint_.read_floats(names.embedding, shape, weights.embedding); !status.ok()) {
      return status;
    }
    packed_bytes_ += weights.embedding.size() * sizeof(float);
    if (Status status = account(names.embedding, weights.embedding.size(), false); !status.ok()) {
      return status;
    }
    if (Status status = vector(names.final_norm, spec_.hidden_size, weights.final_norm); !status.ok()) {
      return status;
    }
    if (!spec_.tied_head) {
      return matrix(names.output, spec_.vocab_size, spec_.hidden_size, false, weights.output);
    }
    auto packed = pack_(weights.embedding.data(), spec_.vocab_size, spec_.hidden_size);
    if (!packed.ok()) {
      return packed.status();
    }
    packed_bytes_ += (*packed)->bytes();
    weights.output = std::move(*packed);
    return {};
  }

  Status load_layer(std::size_t i_layer, LayerWeights& layer) {
    const auto at = [&](const std::string& pattern) { return fill(pattern, "{L}", i_layer); };
    const TensorNames& names = spec_.names;
    Status status = vector(at(names.input_norm), spec_.hidden_size, layer.input_norm);
    if (status.ok()) {
      status = vector(at(names.post_norm), spec_.hidden_size, layer.post_norm);
    }
    if (status.ok()) {
      status = load_attention(i_layer, layer.attention);
    }
    if (!status.ok()) {
      return status;
    }
    return spec_.layers[i_layer] == FeedForward::sparse ? load_moe(i_layer, layer.moe)
                                                        : load_dense(i_layer, layer.dense);
  }

  Status load_attention(std::size_t i_layer, AttentionWeights& out) {
    const auto at = [&](const std::string& pattern) { return fill(pattern, "{L}", i_layer); };
    const TensorNames& names = spec_.names;
    const std::uint64_t q_size = spec_.num_heads * spec_.head_dim;
    const std::uint64_t kv_size = spec_.num_kv_heads * spec_.head_dim;
    Status status = linear(at(names.q), q_size, spec_.hidden_size, spec_.qkv_bias, out.q);
    if (status.ok()) {
      status = linear(at(names.k), kv_size, spec_.hidden_size, spec_.qkv_bias, out.k);
    }
    if (status.ok()) {
      status = linear(at(names.v), kv_size, spec_.hidden_size, spec_.qkv_bias, out.v);
    }
    if (status.ok()) {
      status = linear(at(names.o), spec_.hidden_size, q_size, spec_.o_bias, out.o);
    }
    if (status.ok() && spec_.qk_norm == QkNorm::per_head) {
      status = vector(at(names.q_norm), spec_.head_dim, out.q_norm);
      if (status.ok()) {
        status = vector(at(names.k_norm), spec_.head_dim, out.k_norm);
      }
    }
    return status;
  }

  Status load_dense(std::size_t i_layer, DenseWeights& out) {
    const auto at = [&](const std::string& pattern) { return fill(pattern, "{L}", i_layer); };
    const std::uint64_t width = spec_.dense_intermediate_size;
    Status status = linear(at(spec_.names.dense_gate), width, spec_.hidden_size, spec_.mlp_bias, out.gate);
    if (status.ok()) {
      status = linear(at(spec_.names.dense_up), width, spec_.hidden_size, spec_.mlp_bias, out.up);
    }
    if (status.ok()) {
      status = linear(at(spec_.names.dense_down), spec_.hidden_size, width, spec_.mlp_bias, out.down);
    }
    return status;
  }

  Status load_expert(std::size_t i_layer, std::size_t i_expert, ExpertWeights& out) {
    const auto at = [&](const std::string& pattern) { return fill(fill(pattern, "{L}", i_layer), "{E}", i_expert); };
    const std::uint64_t width = spec_.moe_intermediate_size;
    Status status = matrix(at(spec_.names.expert_gate), width, spec_.hidden_size, true, out.gate);
    if (status.ok()) {
      status = matrix(at(spec_.names.expert_up), width, spec_.hidden_size, true, out.up);
    }
    if (status.ok()) {
      status = matrix(at(spec_.names.expert_down), spec_.hidden_size, width, true, out.down);
    }
    return status;
  }

  Status load_moe(std::size_t i_layer, MoeWeights& out) {
    out.spec = spec_.router;
    out.hidden_size = spec_.hidden_size;
    out.intermediate_size = spec_.moe_intermediate_size;
    Status status = matrix(fill(spec_.names.router, "{L}", i_layer), spec_.router.num_experts, spec_.hidden_size, false,
                           out.router);
    if (!status.ok()) {
      return status;
    }
    out.experts.resize(spec_.router.num_experts);
    std::vector<Status> results(spec_.router.num_experts);
    pool_.parallel_for(spec_.router.num_experts, [&](std::size_t i_expert, std::size_t) {
      try {
        results[i_expert] = load_expert(i_layer, i_expert, out.experts[i_expert]);
      } catch (const std::exception&) {  // only memory can run out here
        results[i_expert] = Status(Code::resource_exhausted, "expert " + std::to_string(i_expert) + ": out of memory");
      }
    });
    for (Status& result : results) {
      if (!result.ok()) {
        return std::move(result);
      }
    }
    return {};
  }

  // Layer number of a name under the layer prefix, or num_layers if it has none.
  std::size_t layer_of(std::string_view name) const {
    const std::string& prefix = spec_.names.layer_prefix;
    if (name.substr(0, prefix.size()) != prefix) {
      return spec_.num_layers();
    }
    std::size_t layer = 0;
    std::size_t digits = 0;
    for (char c : name.substr(prefix.size())) {
      if (c < '0' || c > '9' || digits > 6) {
        break;
      }
      layer = layer * 10 + static_cast<std::size_t>(c - '0');
      ++digits;
    }
    return digits == 0 ? spec_.num_layers() : layer;
  }

  // A tensor "a.b.c" next to a used "a.b.weight" changes what that weight means (a second scale, a bias).
  bool shares_prefix_with_used(std::string_view name) const {
    for (std::size_t dot = name.rfind('.'); dot != std::string_view::npos && dot > 0; dot = name.rfind('.', dot - 1)) {
      if (use_.used.count(std::string(name.substr(0, dot)) + ".weight") != 0) {
        return true;
      }
    }
    return false;
  }

  Status sort_leftovers() {
    for (const auto& [name, place] : checkpoint_.tensors()) {
      if (use_.used.count(name) != 0) {
        continue;
      }
      const bool is_table = name.find("rotary_emb.inv_freq") != std::string::npos;  // recomputed from the config
      if (!is_table && (layer_of(name) < spec_.num_layers() || shares_prefix_with_used(name))) {
        return invalid(place.file->name() + ": tensor " + name +
                       ": left over beside used weights; the config does not account for it");
      }
      use_.unused.push_back(name);
    }
    return {};
  }

  const ModelSpec& spec_;
  const Checkpoint& checkpoint_;
  base::WorkerPool& pool_;
  PackMatrix pack_;
  const Progress& progress_;
  TensorUse& use_;
  std::mutex mutex_;  // guards use_ and done_bytes_ while experts load on several workers
  std::uint64_t done_bytes_ = 0;
  std::atomic<std::uint64_t> packed_bytes_ = 0;
};

}  // namespace

Result<Weights> load_weights(const ModelSpec& spec, const Checkpoint& checkpoint, base::WorkerPool& pool,
                             PackMatrix pack, const Progress& progress, TensorUse& use) {
  Weights weights;
  Status status = Loader(spec, checkpoint, pool, pack, progress, use).load(weights);
  if (!status.ok()) {
    return status;
  }
  return weights;
}

}  // namespace moe::model
