// AVX-512 (F, BW, DQ, VL, CD). Compiled with its own flags, entered only where detection found the level.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ops/kernels.hpp"

namespace moe::ops {
namespace {

struct Avx512 {
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kAccumulators = 24;  // of 32 registers: 6 rows x 4 panels, 4 weights, 1 row value
  __m512 v = _mm512_setzero_ps();

  static __mmask16 mask_of(std::size_t lanes) { return static_cast<__mmask16>((1U << lanes) - 1U); }
  static Avx512 all(float value) { return {_mm512_set1_ps(value)}; }
  static Avx512 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Avx512 load_part(const float* p, std::size_t lanes) { return {_mm512_maskz_loadu_ps(mask_of(lanes), p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_part(float* p, std::size_t lanes) const { _mm512_mask_storeu_ps(p, mask_of(lanes), v); }
  friend Avx512 operator+(Avx512 a, Avx512 b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Avx512 operator-(Avx512 a, Avx512 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Avx512 operator*(Avx512 a, Avx512 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Avx512 operator/(Avx512 a, Avx512 b) { return {_mm512_div_ps(a.v, b.v)}; }
  static Avx512 fma(Avx512 a, Avx512 b, Avx512 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static Avx512 max_of(Avx512 a, Avx512 b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Avx512 min_of(Avx512 a, Avx512 b) { return {_mm512_min_ps(a.v, b.v)}; }
  // Halves, quarters, pairs: written out, because the order is part of the bits.
  float sum() const {
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
  }
  float max_lane() const {
    const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    s = _mm_max_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
  }
  static float square_root(float value) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(value))); }
  static Avx512 round_to_int(Avx512 a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static Avx512 scale_by_power_of_two(Avx512 a, Avx512 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
  static Avx512 zero_where_less(Avx512 a, Avx512 x, Avx512 bound) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, bound.v, _CMP_NLT_UQ), a.v)};
  }
};

#include "ops/impl_kernels.hpp"

}  // namespace

const Kernels kAvx512Kernels = make_kernels<Avx512>(base::IsaLevel::avx512);

}  // namespace moe::ops
