#include "model/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace moe::model {

namespace {

double llama3_frequency(const RopeSpec& spec, double frequency) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength > spec.original_context / spec.low_freq_factor) {
    return frequency / spec.factor;
  }
  if (wavelength < spec.original_context / spec.high_freq_factor || spec.high_freq_factor == spec.low_freq_factor) {
    return frequency;
  }
  const double smooth =
      (spec.original_context / wavelength - spec.low_freq_factor) / (spec.high_freq_factor - spec.low_freq_factor);
  return (1 - smooth) * frequency / spec.factor + smooth * frequency;
}

// YaRN, section 3.2: channels that turn often keep their frequency, slow ones are interpolated, a ramp between.
struct YarnRamp {
  double low, high;

  YarnRamp(const RopeSpec& spec, double dims) {
    const auto correction = [&](double rotations) {
      return dims * std::log(spec.original_context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(spec.theta));
    };
    low = correction(spec.beta_fast);
    high = correction(spec.beta_slow);
    if (spec.truncate) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dims - 1);
    if (low == high) {
      high += 0.001;
    }
  }
  double at(std::size_t channel) const {
    return std::clamp((static_cast<double>(channel) - low) / (high - low), 0.0, 1.0);
  }
};

}  // namespace

Rope::Rope(const RopeSpec& spec, std::size_t head_dim)
    : frequencies_(head_dim / 2), magnitude_(static_cast<float>(spec.magnitude)) {
  const auto dims = static_cast<double>(head_dim);
  const YarnRamp ramp(spec, dims);
  for (std::size_t j = 0; j < frequencies_.size(); ++j) {
    double frequency = std::pow(spec.theta, -2.0 * static_cast<double>(j) / dims);
    if (spec.scale == RopeScale::llama3) {
      frequency = llama3_frequency(spec, frequency);
    } else if (spec.scale == RopeScale::yarn) {
      frequency = frequency / spec.factor * ramp.at(j) + frequency * (1 - ramp.at(j));
    }
    frequencies_[j] = static_cast<float>(frequency);
  }
}

void Rope::fill(std::span<const std::int32_t> positions, float* cos, float* sin) const {
  for (const std::int32_t position : positions) {
    for (const float frequency : frequencies_) {
      const float angle = static_cast<float>(position) * frequency;
      *cos++ = std::cos(angle) * magnitude_;
      *sin++ = std::sin(angle) * magnitude_;
    }
  }
}

}  // namespace moe::model
