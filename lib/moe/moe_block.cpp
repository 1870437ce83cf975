#include "moe/moe_block.hpp"

#include <algorithm>
#include <string>

#include "ops/elementwise.hpp"

namespace moe {
namespace {

// Tokens a task of the cheap phases takes: enough to outweigh the hand-over, small enough to spread a prefill chunk.
constexpr std::size_t kTokensPerTask = 8;

std::size_t num_chunks(std::size_t count) { return (count + kTokensPerTask - 1) / kTokensPerTask; }

template <typename F>
void for_chunks(base::WorkerPool& pool, std::size_t count, F body) {
  pool.parallel_for(num_chunks(count), [&](std::size_t task, std::size_t) {
    const std::size_t end = std::min(count, (task + 1) * kTokensPerTask);
    for (std::size_t i = task * kTokensPerTask; i < end; ++i) {
      body(i);
    }
  });
}

void route(base::WorkerPool& pool, const MoeWeights& weights, const float* x, std::size_t tokens, Routing& routing) {
  const std::size_t hidden = weights.hidden_size;
  const std::size_t num_experts = weights.spec.num_experts;
  prepare_routing(weights.spec, tokens, routing);
  pool.parallel_for(weights.router->num_tiles(), [&](std::size_t tile, std::size_t) {
    weights.router->multiply_tile(tile, x, hidden, tokens, routing.logits.data(), num_experts);
  });
  for_chunks(pool, tokens,
             [&](std::size_t token) { choose_experts_of_token(weights.spec, weights.selection_bias, token, routing); });
}

// The flat lists of tiles over all experts that have rows, in expert order.
void list_tiles(const MoeWeights& weights, MoeScratch& scratch) {
  scratch.up_tiles.clear();
  scratch.down_tiles.clear();
  for (std::size_t expert = 0; expert < weights.experts.size(); ++expert) {
    if (scratch.dispatch.rows_of(expert) == 0) {
      continue;
    }
    const auto index = static_cast<std::uint32_t>(expert);
    for (std::uint32_t tile = 0; tile < weights.experts[expert].gate->num_tiles(); ++tile) {
      scratch.up_tiles.push_back({index, tile});
    }
    for (std::uint32_t tile = 0; tile < weights.experts[expert].down->num_tiles(); ++tile) {
      scratch.down_tiles.push_back({index, tile});
    }
  }
}

void dispatch(base::WorkerPool& pool, const MoeWeights& weights, const float* x, std::size_t tokens,
              const Routing& routing, MoeScratch& scratch) {
  const std::size_t hidden = weights.hidden_size;
  dispatch_tokens(weights.spec, routing, tokens, scratch.dispatch);
  list_tiles(weights, scratch);
  const std::size_t rows = scratch.dispatch.num_rows();
  scratch.gathered.resize(rows * hidden);
  scratch.gate.resize(rows * weights.intermediate_size);
  scratch.up.resize(rows * weights.intermediate_size);
  scratch.expert_out.resize(rows * hidden);
  for_chunks(pool, rows, [&](std::size_t row) {
    std::copy_n(x + scratch.dispatch.row_token[row] * hidden, hidden, scratch.gathered.data() + row * hidden);
  });
}

// gate and up of one tile for all rows of its expert, and the activation while they are in cache.
void gate_up_tile(const MoeWeights& weights, MoeScratch& scratch, MoeScratch::Tile task) {
  const ExpertWeights& expert = weights.experts[task.expert];
  const std::size_t width = weights.intermediate_size;
  const std::size_t hidden = weights.hidden_size;
  const std::size_t first_row = scratch.dispatch.expert_first[task.expert];
  const std::size_t rows = scratch.dispatch.rows_of(task.expert);
  const float* x = scratch.gathered.data() + first_row * hidden;
  float* gate = scratch.gate.data() + first_row * width;
  float* up = scratch.up.data() + first_row * width;
  expert.gate->multiply_tile(task.tile, x, hidden, rows, gate, width);
  expert.up->multiply_tile(task.tile, x, hidden, rows, up, width);
  const std::size_t column = expert.gate->tile_first(task.tile);
  for (std::size_t row = 0; row < rows; ++row) {
    float* activated = gate + row * width + column;
    ops::swiglu(activated, up + row * width + column, activated, expert.gate->tile_count(task.tile));
  }
}

void down_tile(const MoeWeights& weights, MoeScratch& scratch, MoeScratch::Tile task) {
  const std::size_t first_row = scratch.dispatch.expert_first[task.expert];
  weights.experts[task.expert].down->multiply_tile(
      task.tile, scratch.gate.data() + first_row * weights.intermediate_size, weights.intermediate_size,
      scratch.dispatch.rows_of(task.expert), scratch.expert_out.data() + first_row * weights.hidden_size,
      weights.hidden_size);
}

void run_experts(base::WorkerPool& pool, const MoeWeights& weights, MoeScratch& scratch) {
  pool.parallel_for(scratch.up_tiles.size(),
                    [&](std::size_t task, std::size_t) { gate_up_tile(weights, scratch, scratch.up_tiles[task]); });
  pool.parallel_for(scratch.down_tiles.size(),
                    [&](std::size_t task, std::size_t) { down_tile(weights, scratch, scratch.down_tiles[task]); });
}

// In the order of the choice, whatever order the experts ran in.
void combine(base::WorkerPool& pool, const MoeWeights& weights, std::size_t tokens, const Routing& routing,
             const MoeScratch& scratch, float* y) {
  const std::size_t hidden = weights.hidden_size;
  const std::size_t k = weights.spec.experts_per_token;
  for_chunks(pool, tokens, [&](std::size_t token) {
    float* out = y + token * hidden;
    std::fill_n(out, hidden, 0.0F);
    for (std::size_t slot = token * k; slot < (token + 1) * k; ++slot) {
      const std::uint32_t row = scratch.dispatch.slot_row[slot];
      if (row != Dispatch::kNoRow) {
        ops::add_scaled(scratch.expert_out.data() + std::size_t{row} * hidden, routing.weights[slot], out, hidden);
      }
    }
  });
}

bool has_shape(const std::unique_ptr<const ops::PackedMatrix>& matrix, std::size_t num_out, std::size_t num_in) {
  return matrix != nullptr && matrix->num_out() == num_out && matrix->num_in() == num_in;
}

}  // namespace

Status check_moe_weights(const MoeWeights& weights) {
  if (Status status = check_router(weights.spec, weights.selection_bias.size()); !status.ok()) {
    return status;
  }
  const std::size_t hidden = weights.hidden_size;
  const std::size_t width = weights.intermediate_size;
  if (!has_shape(weights.router, weights.spec.num_experts, hidden)) {
    return invalid("router: not [num_experts, hidden_size]");
  }
  if (weights.experts.size() != weights.spec.num_experts) {
    return invalid("experts: " + std::to_string(weights.experts.size()) + " of " +
                   std::to_string(weights.spec.num_experts));
  }
  for (std::size_t i = 0; i < weights.experts.size(); ++i) {
    const ExpertWeights& expert = weights.experts[i];
    // gate and up must also be cut alike: a tile of both is one unit of work.
    if (!has_shape(expert.gate, width, hidden) || !has_shape(expert.up, width, hidden) ||
        expert.gate->num_tiles() != expert.up->num_tiles()) {
      return invalid("experts." + std::to_string(i) + ".gate, up: not [intermediate_size, hidden_size] both");
    }
    if (!has_shape(expert.down, hidden, width)) {
      return invalid("experts." + std::to_string(i) + ".down: not [hidden_size, intermediate_size]");
    }
  }
  return {};
}

void run_moe_block(base::WorkerPool& pool, const MoeWeights& weights, const float* x, std::size_t tokens, float* y,
                   Routing& routing, MoeScratch& scratch) {
  pool.run([&] {
    route(pool, weights, x, tokens, routing);
    dispatch(pool, weights, x, tokens, routing, scratch);
    run_experts(pool, weights, scratch);
    combine(pool, weights, tokens, routing, scratch, y);
  });
}

}  // namespace moe
