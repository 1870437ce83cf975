// Matmul of one thread: bytes of weights read a second (what decides decoding) and multiply-adds a second (what decides
// prefill), for each kernel that this machine has. Square weights; they rotate
// through more memory than the caches hold.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ops/kernels.hpp"
#include "ops/onednn_matrix.hpp"
#include "ops/own_matrix.hpp"

namespace {

constexpr std::size_t kWeightBytes = std::size_t{384} << 20;

using Matrix = std::unique_ptr<const moe::ops::PackedMatrix>;
using Pack = moe::Result<Matrix> (*)(const float* weight, std::size_t size);

template <moe::base::IsaLevel kLevel>
moe::Result<Matrix> pack_own(const float* weight, std::size_t size) {
  return moe::ops::pack_own_f32(moe::ops::kernels_of(kLevel), weight, size, size);
}

moe::Result<Matrix> pack_onednn(const float* weight, std::size_t size) {
  return moe::ops::pack_onednn_f32(weight, size, size);
}

std::vector<float> random_values(std::size_t count) {
  std::mt19937 generator(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(generator);
  }
  return values;
}

void matmul(benchmark::State& state, Pack pack) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const auto size = static_cast<std::size_t>(state.range(1));
  const std::size_t num_matrices = std::min<std::size_t>(kWeightBytes / (size * size * sizeof(float)), 512);
  const std::vector<float> weight = random_values(size * size);
  std::vector<Matrix> matrices;
  for (std::size_t i = 0; i < num_matrices; ++i) {
    auto packed = pack(weight.data(), size);
    if (!packed.ok()) {
      state.SkipWithError(packed.status().message().c_str());
      return;
    }
    matrices.push_back(std::move(*packed));
  }
  const std::vector<float> x = random_values(rows * size);
  std::vector<float> y(rows * size);
  std::size_t next = 0;
  for (auto _ : state) {
    const moe::ops::PackedMatrix& matrix = *matrices[next++ % num_matrices];
    for (std::size_t tile = 0; tile < matrix.num_tiles(); ++tile) {
      matrix.multiply_tile(tile, x.data(), size, rows, y.data(), size);
    }
    benchmark::ClobberMemory();
  }
  const double calls = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(calls * static_cast<double>(size * size * sizeof(float)) / 1e9, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s"] =
      benchmark::Counter(calls * 2 * static_cast<double>(size * size * rows) / 1e9, benchmark::Counter::kIsRate);
}

void add(const std::string& name, Pack pack) {
  benchmark::RegisterBenchmark(name.c_str(), matmul, pack)
      ->ArgNames({"rows", "size"})
      ->ArgsProduct({{1, 4, 16, 64, 256}, {128, 512, 2048}})
      ->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  const moe::base::IsaLevel best = moe::base::best_isa(moe::base::current_features());
  add("own scalar", &pack_own<moe::base::IsaLevel::scalar>);
  if (best >= moe::base::IsaLevel::avx2) {
    add("own avx2", &pack_own<moe::base::IsaLevel::avx2>);
  }
  if (best >= moe::base::IsaLevel::avx512) {
    add("own avx512", &pack_own<moe::base::IsaLevel::avx512>);
  }
  add("onednn", &pack_onednn);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
