// The forward pass: token rows of many sequences through all layers. Reads the weights, writes the KV blocks of its
// rows. A row's bits depend on its own sequence only. One decoder serves many engines; scratch belongs to the caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/worker_pool.hpp"
#include "model/model_spec.hpp"
#include "model/rope.hpp"
#include "model/weights.hpp"

namespace moe::model {

inline constexpr std::size_t kBlockTokens = 16;

// Where keys and values of a layer stand in a KV block: [layers][key, value][kv_heads][block_tokens][head_dim].
struct KvLayout {
  std::size_t num_layers = 0;
  std::size_t num_kv_heads = 0;
  std::size_t head_dim = 0;

  std::size_t floats_per_part() const { return num_kv_heads * kBlockTokens * head_dim; }
  std::size_t floats_per_block() const { return num_layers * 2 * floats_per_part(); }
  std::size_t key_offset(std::size_t layer) const { return layer * 2 * floats_per_part(); }
  std::size_t value_offset(std::size_t layer) const { return (layer * 2 + 1) * floats_per_part(); }
};

// Consecutive rows of one sequence. `blocks[b]` holds positions [16 b, 16 b + 16).
struct RowSpan {
  std::size_t first_row = 0;
  std::size_t num_rows = 0;
  std::size_t first_position = 0;
  float* const* blocks = nullptr;
};

struct Batch {
  std::span<const std::int32_t> tokens;     // [rows]
  std::span<const std::int32_t> positions;  // [rows]
  std::span<const RowSpan> spans;           // cover the rows in order
};

// Sees what passes by; called on the loop thread, data lives until the call returns.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // `moe_layer` counts layers with a router.
  virtual void routed(std::size_t moe_layer, const Routing& routing, std::size_t rows) = 0;
  // Input of layer `layer`; layer == num_layers: output of the last one. [rows, hidden]
  virtual void hidden(std::size_t layer, const float* values, std::size_t rows);
};

// Grows to the largest step and stays.
struct DecoderScratch {
  std::vector<float> hidden, normed, q, k, v, attention, feed_forward, gate, up, cos, sin;
  std::vector<std::int32_t> row_index;
  std::vector<const float*> key_blocks, value_blocks;  // of the layer, all spans behind each other
  std::vector<std::uint32_t> row_span, row_blocks;     // span of a row; where its block pointers begin
  std::vector<std::vector<float>> scores;              // [workers]
  std::vector<float> head_rows;
  Routing routing;
  MoeScratch moe;
};

class Decoder {
 public:
  Decoder(const ModelSpec& spec, const Weights& weights)
      : spec_(spec), weights_(weights), rope_(spec.rope, spec.head_dim) {}

  KvLayout kv_layout() const { return {spec_.num_layers(), spec_.num_kv_heads, spec_.head_dim}; }
  // Leaves the output of the last layer in scratch.hidden. The caller holds the pool's turn.
  void forward(base::WorkerPool& pool, const Batch& batch, DecoderScratch& scratch, ForwardObserver& observer) const;
  // logits[rows.size(), vocab] of the named rows of the last forward().
  void logits(base::WorkerPool& pool, std::span<const std::uint32_t> rows, DecoderScratch& scratch, float* out) const;
  // The final norm of one row, as logits() uses it.
  void final_norm(const float* hidden, std::size_t rows, float* out) const;

 private:
  void attention(base::WorkerPool& pool, std::size_t i_layer, const Batch& batch, DecoderScratch& scratch) const;
  void write_kv(std::size_t i_layer, const Batch& batch, DecoderScratch& scratch) const;
  void attend(base::WorkerPool& pool, std::size_t i_layer, const Batch& batch, DecoderScratch& scratch) const;
  void dense(base::WorkerPool& pool, const DenseWeights& weights, std::size_t rows, DecoderScratch& scratch) const;
  void prepare(base::WorkerPool& pool, const Batch& batch, DecoderScratch& scratch) const;

  const ModelSpec& spec_;
  const Weights& weights_;
  Rope rope_;
};

}  // namespace moe::model
