#include "ops/own_matrix.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace moe::ops {
namespace {

// Four panels: what one row needs to hide the latency of a multiply-add, and small enough to give every worker some.
constexpr std::size_t kTileColumns = 4 * kPanelColumns;

class OwnMatrix final : public PackedMatrix {
 public:
  OwnMatrix(const Kernels& kernels, std::size_t num_out, std::size_t num_in, base::AlignedMemory memory)
      : kernels_(kernels), num_out_(num_out), num_in_(num_in), memory_(std::move(memory)) {}

  std::size_t num_out() const override { return num_out_; }
  std::size_t num_in() const override { return num_in_; }
  std::size_t num_tiles() const override { return (num_out_ + kTileColumns - 1) / kTileColumns; }
  std::size_t tile_first(std::size_t tile) const override { return tile * kTileColumns; }
  std::size_t tile_count(std::size_t tile) const override {
    return std::min(kTileColumns, num_out_ - tile * kTileColumns);
  }
  void multiply_tile(std::size_t tile, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                     std::size_t y_stride) const override {
    const std::size_t first = tile_first(tile);
    kernels_.multiply_panels(memory_.as<float>().data() + first * num_in_, num_in_, tile_count(tile), x, x_stride, rows,
                             y + first, y_stride);
  }
  std::size_t bytes() const override { return memory_.size(); }

 private:
  const Kernels& kernels_;
  std::size_t num_out_;
  std::size_t num_in_;
  base::AlignedMemory memory_;  // [panels][num_in][kPanelColumns], columns past num_out are zero
};

}  // namespace

Result<std::unique_ptr<const PackedMatrix>> pack_own_f32(const Kernels& kernels, const float* weight,
                                                         std::size_t num_out, std::size_t num_in) {
  const std::size_t panels = (num_out + kPanelColumns - 1) / kPanelColumns;
  auto memory = base::AlignedMemory::allocate(panels * num_in * kPanelColumns * sizeof(float));
  if (!memory.ok()) {
    return memory.status();
  }
  float* out = memory->as<float>().data();
  for (std::size_t row = 0; row < num_out; ++row) {
    float* column = out + row / kPanelColumns * num_in * kPanelColumns + row % kPanelColumns;
    const float* in = weight + row * num_in;
    for (std::size_t k = 0; k < num_in; ++k) {
      column[k * kPanelColumns] = in[k];
    }
  }
  return std::unique_ptr<const PackedMatrix>(std::make_unique<OwnMatrix>(kernels, num_out, num_in, std::move(*memory)));
}

}  // namespace moe::ops
