// AVX2 + FMA. Compiled with its own flags, entered only where detection found the level.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ops/kernels.hpp"

namespace moe::ops {
namespace {

struct Avx2 {
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kAccumulators =
      12;  // of 16 registers; the rest holds weights and the broadcast row value
  __m256 v = _mm256_setzero_ps();

  static __m256i mask_of(std::size_t lanes) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(lanes)), index);
  }
  static Avx2 all(float value) { return {_mm256_set1_ps(value)}; }
  static Avx2 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Avx2 load_part(const float* p, std::size_t lanes) { return {_mm256_maskload_ps(p, mask_of(lanes))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_part(float* p, std::size_t lanes) const { _mm256_maskstore_ps(p, mask_of(lanes), v); }
  friend Avx2 operator+(Avx2 a, Avx2 b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Avx2 operator-(Avx2 a, Avx2 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Avx2 operator*(Avx2 a, Avx2 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Avx2 operator/(Avx2 a, Avx2 b) { return {_mm256_div_ps(a.v, b.v)}; }
  static Avx2 fma(Avx2 a, Avx2 b, Avx2 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  static Avx2 max_of(Avx2 a, Avx2 b) { return {_mm256_max_ps(a.v, b.v)}; }
  static Avx2 min_of(Avx2 a, Avx2 b) { return {_mm256_min_ps(a.v, b.v)}; }
  float sum() const {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
  }
  float max_lane() const {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    s = _mm_max_ss(s, _mm_movehdup_ps(s));
    return _mm_cvtss_f32(s);
  }
  static float square_root(float value) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(value))); }
  static Avx2 round_to_int(Avx2 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static Avx2 scale_by_power_of_two(Avx2 a, Avx2 n) {
    const __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
    return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(bits))};
  }
  static Avx2 zero_where_less(Avx2 a, Avx2 x, Avx2 bound) {
    return {_mm256_andnot_ps(_mm256_cmp_ps(x.v, bound.v, _CMP_LT_OQ), a.v)};
  }
};

#include "ops/impl_kernels.hpp"

}  // namespace

const Kernels kAvx2Kernels = make_kernels<Avx2>(base::IsaLevel::avx2);

}  // namespace moe::ops
