#include "model/decoder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ops/attention.hpp"
#include "ops/elementwise.hpp"

namespace moe::model {

namespace {

struct Product {
  const Linear* linear;
  float* out;  // [rows, num_out]
};

// Several products of the same rows in one go: their tiles form one list. The bias is added tile by tile.
template <std::size_t N>
void multiply(base::WorkerPool& pool, const std::array<Product, N>& products, const float* x, std::size_t rows) {
  std::size_t total = 0;
  for (const Product& product : products) {
    total += product.linear->weight->num_tiles();
  }
  pool.parallel_for(total, [&](std::size_t tile, std::size_t) {
    const Product* product = products.data();
    while (tile >= product->linear->weight->num_tiles()) {
      tile -= product->linear->weight->num_tiles();
      ++product;
    }
    const ops::PackedMatrix& weight = *product->linear->weight;
    weight.multiply_tile(tile, x, weight.num_in(), rows, product->out, weight.num_out());
    if (product->linear->bias.empty()) {
      return;
    }
    const std::size_t first = weight.tile_first(tile);
    for (std::size_t row = 0; row < rows; ++row) {
      ops::add(product->linear->bias.data() + first, product->out + row * weight.num_out() + first,
               weight.tile_count(tile));
    }
  });
}

template <typename T>
void grow(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) {
    buffer.resize(size);
  }
}

}  // namespace

void ForwardObserver::hidden(std::size_t, const float*, std::size_t) {}

void Decoder::prepare(base::WorkerPool& pool, const Batch& batch, DecoderScratch& s) const {
  const std::size_t rows = batch.tokens.size();
  const std::size_t q_size = spec_.num_heads * spec_.head_dim;
  const std::size_t kv_size = spec_.num_kv_heads * spec_.head_dim;
  for (auto* buffer : {&s.hidden, &s.normed, &s.feed_forward}) {
    grow(*buffer, rows * spec_.hidden_size);
  }
  grow(s.q, rows * q_size);
  grow(s.attention, rows * q_size);
  grow(s.k, rows * kv_size);
  grow(s.v, rows * kv_size);
  grow(s.gate, rows * spec_.dense_intermediate_size);
  grow(s.up, rows * spec_.dense_intermediate_size);
  grow(s.cos, rows * rope_.half_dim());
  grow(s.sin, rows * rope_.half_dim());
  rope_.fill(batch.positions, s.cos.data(), s.sin.data());
  s.row_index.clear();
  s.row_span.clear();
  s.row_blocks.clear();
  std::uint32_t first_block = 0;
  std::size_t longest = 0;
  for (std::size_t i_span = 0; i_span < batch.spans.size(); ++i_span) {
    const RowSpan& span = batch.spans[i_span];
    const std::size_t length = span.first_position + span.num_rows;
    for (std::size_t row = 0; row < span.num_rows; ++row) {
      s.row_index.push_back(static_cast<std::int32_t>(s.row_index.size()));
      s.row_span.push_back(static_cast<std::uint32_t>(i_span));
      s.row_blocks.push_back(first_block);
    }
    first_block += static_cast<std::uint32_t>((length + kBlockTokens - 1) / kBlockTokens);
    longest = std::max(longest, length);
  }
  s.scores.resize(std::max(s.scores.size(), pool.size()));
  for (auto& scores : s.scores) {
    grow(scores, longest * (spec_.num_heads / spec_.num_kv_heads));
  }
}

void Decoder::forward(base::WorkerPool& pool, const Batch& batch, DecoderScratch& s, ForwardObserver& observer) const {
  const std::size_t rows = batch.tokens.size();
  const std::size_t hidden = spec_.hidden_size;
  prepare(pool, batch, s);
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(s.hidden.data() + row * hidden,
                weights_.embedding.data() + static_cast<std::size_t>(batch.tokens[row]) * hidden,
                hidden * sizeof(float));
  }
  std::size_t moe_layer = 0;
  for (std::size_t i_layer = 0; i_layer < spec_.num_layers(); ++i_layer) {
    const LayerWeights& layer = weights_.layers[i_layer];
    observer.hidden(i_layer, s.hidden.data(), rows);
    ops::rms_norm(s.hidden.data(), layer.input_norm.data(), spec_.norm_eps, s.normed.data(), rows, hidden);
    attention(pool, i_layer, batch, s);
    ops::add(s.feed_forward.data(), s.hidden.data(), rows * hidden);
    ops::rms_norm(s.hidden.data(), layer.post_norm.data(), spec_.norm_eps, s.normed.data(), rows, hidden);
    if (spec_.layers[i_layer] == FeedForward::sparse) {
      run_moe_block(pool, layer.moe, s.normed.data(), rows, s.feed_forward.data(), s.routing, s.moe);
      observer.routed(moe_layer++, s.routing, rows);
    } else {
      dense(pool, layer.dense, rows, s);
    }
    ops::add(s.feed_forward.data(), s.hidden.data(), rows * hidden);
  }
  observer.hidden(spec_.num_layers(), s.hidden.data(), rows);
}

// Projections, per-head norms, rotation, softmax over the sequence's own blocks, output projection (into feed_forward).
void Decoder::attention(base::WorkerPool& pool, std::size_t i_layer, const Batch& batch, DecoderScratch& s) const {
  const AttentionWeights& w = weights_.layers[i_layer].attention;
  const std::size_t rows = batch.tokens.size();
  const std::size_t dim = spec_.head_dim;
  multiply<3>(pool, {{{&w.q, s.q.data()}, {&w.k, s.k.data()}, {&w.v, s.v.data()}}}, s.normed.data(), rows);
  if (spec_.qk_norm == QkNorm::per_head) {
    ops::rms_norm(s.q.data(), w.q_norm.data(), spec_.norm_eps, s.q.data(), rows * spec_.num_heads, dim);
    ops::rms_norm(s.k.data(), w.k_norm.data(), spec_.norm_eps, s.k.data(), rows * spec_.num_kv_heads, dim);
  }
  // The tables hold one row of this step each, so a row's "position" in them is its index.
  ops::rope_half(s.q.data(), spec_.num_heads * dim, rows, spec_.num_heads, dim, dim, s.row_index.data(), s.cos.data(),
                 s.sin.data());
  ops::rope_half(s.k.data(), spec_.num_kv_heads * dim, rows, spec_.num_kv_heads, dim, dim, s.row_index.data(),
                 s.cos.data(), s.sin.data());
  write_kv(i_layer, batch, s);
  attend(pool, i_layer, batch, s);
  multiply<1>(pool, {{{&w.o, s.feed_forward.data()}}}, s.attention.data(), rows);
}

void Decoder::write_kv(std::size_t i_layer, const Batch& batch, DecoderScratch& s) const {
  const KvLayout layout = kv_layout();
  const std::size_t dim = spec_.head_dim;
  for (const RowSpan& span : batch.spans) {
    for (std::size_t i = 0; i < span.num_rows; ++i) {
      const std::size_t position = span.first_position + i;
      float* block = span.blocks[position / kBlockTokens];
      const std::size_t source = (span.first_row + i) * spec_.num_kv_heads * dim;
      for (std::size_t head = 0; head < spec_.num_kv_heads; ++head) {
        const std::size_t target = (head * kBlockTokens + position % kBlockTokens) * dim;
        std::memcpy(block + layout.key_offset(i_layer) + target, s.k.data() + source + head * dim, dim * sizeof(float));
        std::memcpy(block + layout.value_offset(i_layer) + target, s.v.data() + source + head * dim,
                    dim * sizeof(float));
      }
    }
  }
}

void Decoder::attend(base::WorkerPool& pool, std::size_t i_layer, const Batch& batch, DecoderScratch& s) const {
  const KvLayout layout = kv_layout();
  s.key_blocks.clear();
  s.value_blocks.clear();
  for (const RowSpan& span : batch.spans) {
    const std::size_t num_blocks = (span.first_position + span.num_rows + kBlockTokens - 1) / kBlockTokens;
    for (std::size_t b = 0; b < num_blocks; ++b) {
      s.key_blocks.push_back(span.blocks[b] + layout.key_offset(i_layer));
      s.value_blocks.push_back(span.blocks[b] + layout.value_offset(i_layer));
    }
  }
  ops::AttentionShape shape;
  shape.num_heads = spec_.num_heads;
  shape.num_kv_heads = spec_.num_kv_heads;
  shape.head_dim = spec_.head_dim;
  shape.block_tokens = kBlockTokens;
  shape.scale = 1.0F / std::sqrt(static_cast<float>(spec_.head_dim));
  const std::size_t row_floats = spec_.num_heads * spec_.head_dim;
  pool.parallel_for(batch.tokens.size() * spec_.num_kv_heads, [&](std::size_t task, std::size_t worker) {
    const std::size_t row = task / spec_.num_kv_heads;
    const RowSpan& span = batch.spans[s.row_span[row]];
    const std::size_t length = span.first_position + (row - span.first_row) + 1;
    ops::attend_kv_head(shape, task % spec_.num_kv_heads, s.q.data() + row * row_floats,
                        s.key_blocks.data() + s.row_blocks[row], s.value_blocks.data() + s.row_blocks[row], length,
                        s.attention.data() + row * row_floats, s.scores[worker].data());
  });
}

void Decoder::dense(base::WorkerPool& pool, const DenseWeights& w, std::size_t rows, DecoderScratch& s) const {
  multiply<2>(pool, {{{&w.gate, s.gate.data()}, {&w.up, s.up.data()}}}, s.normed.data(), rows);
  ops::swiglu(s.gate.data(), s.up.data(), s.gate.data(), rows * spec_.dense_intermediate_size);
  multiply<1>(pool, {{{&w.down, s.feed_forward.data()}}}, s.gate.data(), rows);
}

void Decoder::final_norm(const float* hidden, std::size_t rows, float* out) const {
  ops::rms_norm(hidden, weights_.final_norm.data(), spec_.norm_eps, out, rows, spec_.hidden_size);
}

void Decoder::logits(base::WorkerPool& pool, std::span<const std::uint32_t> rows, DecoderScratch& s, float* out) const {
  const std::size_t hidden = spec_.hidden_size;
  grow(s.head_rows, rows.size() * hidden);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    final_norm(s.hidden.data() + rows[i] * hidden, 1, s.head_rows.data() + i * hidden);
  }
  const ops::PackedMatrix& weight = *weights_.output;
  pool.parallel_for(weight.num_tiles(), [&](std::size_t tile, std::size_t) {
    weight.multiply_tile(tile, s.head_rows.data(), hidden, rows.size(), out, weight.num_out());
  });
}

}  // namespace moe::model
