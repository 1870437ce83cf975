// Plain C++ for every machine: the level that other architectures run and that the vector levels are compared with.
#include <cstddef>
#include <cstdint>

#include "ops/kernels.hpp"

namespace moe::ops {
namespace {

struct Scalar {
  static constexpr std::size_t kWidth = 1;
  static constexpr std::size_t kAccumulators = 64;  // the compiler turns 16 neighbouring columns into its own vectors
  float v = 0;

  static Scalar all(float value) { return {value}; }
  static Scalar load(const float* p) { return {*p}; }
  static Scalar load_part(const float*, std::size_t) { return {}; }
  void store(float* p) const { *p = v; }
  void store_part(float*, std::size_t) const {}
  friend Scalar operator+(Scalar a, Scalar b) { return {a.v + b.v}; }
  friend Scalar operator-(Scalar a, Scalar b) { return {a.v - b.v}; }
  friend Scalar operator*(Scalar a, Scalar b) { return {a.v * b.v}; }
  friend Scalar operator/(Scalar a, Scalar b) { return {a.v / b.v}; }
  static Scalar fma(Scalar a, Scalar b, Scalar c) { return {a.v * b.v + c.v}; }  // two roundings on every machine
  static Scalar max_of(Scalar a, Scalar b) { return {a.v > b.v ? a.v : b.v}; }
  static Scalar min_of(Scalar a, Scalar b) { return {a.v < b.v ? a.v : b.v}; }
  float sum() const { return v; }
  float max_lane() const { return v; }
  static float square_root(float value) { return __builtin_sqrtf(value); }
  // Adding and taking off 1.5 x 2^23 rounds to nearest even for |v| < 2^22.
  static Scalar round_to_int(Scalar a) { return {(a.v + 12582912.0F) - 12582912.0F}; }
  static Scalar scale_by_power_of_two(Scalar a, Scalar n) {
    if (n.v != n.v) {
      return {a.v + n.v};
    }
    const std::uint32_t bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(n.v) + 127) << 23;
    return {a.v * __builtin_bit_cast(float, bits)};
  }
  static Scalar zero_where_less(Scalar a, Scalar x, Scalar bound) { return {x.v < bound.v ? 0.0F : a.v}; }
};

#include "ops/impl_kernels.hpp"

}  // namespace

const Kernels kScalarKernels = make_kernels<Scalar>(base::IsaLevel::scalar);

}  // namespace moe::ops
