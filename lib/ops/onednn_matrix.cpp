#include "ops/onednn_matrix.hpp"

#include <algorithm>
#include <utility>

#include "ops/onednn_gemm.hpp"

namespace moe::ops {
namespace {

constexpr std::size_t kTileColumns = 256;
constexpr std::size_t kTileAlign = 64;

class OneDnnMatrix final : public PackedMatrix {
 public:
  OneDnnMatrix(std::size_t num_out, std::size_t num_in) : num_out_(num_out), num_in_(num_in) {}

  Status build(const float* weight) {
    auto full = OneDnnGemm::create(num_in_, std::min(kTileColumns, num_out_));
    if (!full.ok()) {
      return full.status();
    }
    full_ = *full;
    last_ = full_;
    if (const std::size_t rest = tile_count(num_tiles() - 1); rest != tile_count(0)) {
      auto last = OneDnnGemm::create(num_in_, rest);
      if (!last.ok()) {
        return last.status();
      }
      last_ = *last;
    }
    tile_stride_ = (full_->packed_bytes() + kTileAlign - 1) / kTileAlign * kTileAlign;
    auto memory = base::AlignedMemory::allocate((num_tiles() - 1) * tile_stride_ + last_->packed_bytes());
    if (!memory.ok()) {
      return memory.status();
    }
    memory_ = std::move(*memory);
    for (std::size_t tile = 0; tile < num_tiles(); ++tile) {
      void* packed = memory_.as<std::byte>().data() + tile * tile_stride_;
      if (Status status = gemm(tile).pack(weight + tile_first(tile) * num_in_, packed); !status.ok()) {
        return status;
      }
    }
    return {};
  }

  std::size_t num_out() const override { return num_out_; }
  std::size_t num_in() const override { return num_in_; }
  std::size_t num_tiles() const override { return (num_out_ + kTileColumns - 1) / kTileColumns; }
  std::size_t tile_first(std::size_t tile) const override { return tile * kTileColumns; }
  std::size_t tile_count(std::size_t tile) const override {
    return std::min(kTileColumns, num_out_ - tile * kTileColumns);
  }
  void multiply_tile(std::size_t tile, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                     std::size_t y_stride) const override {
    gemm(tile).run(memory_.as<std::byte>().data() + tile * tile_stride_, x, x_stride, rows, y + tile_first(tile),
                   y_stride);
  }
  std::size_t bytes() const override { return memory_.size(); }

 private:
  const OneDnnGemm& gemm(std::size_t tile) const { return tile + 1 == num_tiles() ? *last_ : *full_; }

  std::size_t num_out_;
  std::size_t num_in_;
  std::shared_ptr<const OneDnnGemm> full_;
  std::shared_ptr<const OneDnnGemm> last_;  // of the last tile, which may be narrower
  std::size_t tile_stride_ = 0;
  base::AlignedMemory memory_;
};

}  // namespace

Result<std::unique_ptr<const PackedMatrix>> pack_onednn_f32(const float* weight, std::size_t num_out,
                                                            std::size_t num_in) {
  auto matrix = std::make_unique<OneDnnMatrix>(num_out, num_in);
  if (Status status = matrix->build(weight); !status.ok()) {
    return status;
  }
  return std::unique_ptr<const PackedMatrix>(std::move(matrix));
}

}  // namespace moe::ops
