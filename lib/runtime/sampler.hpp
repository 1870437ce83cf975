// From one row of raw logits to one token: masks, penalties, bias, temperature, top-k, top-p, min-p, one counter-based
// draw. Pure functions; scratch belongs to the caller and does not grow after reserve(). Log probabilities are those of
// the model itself: log-softmax of the raw logits over real tokens, before any of the above.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace moe::runtime {

inline constexpr std::size_t kMaxAlternatives = 20;

struct SamplingOptions {
  std::uint64_t seed = 0;
  float temperature = 0;         // 0 = greedy
  float top_p = 1;               // 1 = off
  float min_p = 0;               // 0 = off
  float frequency_penalty = 0;   // times occurrences in the completion
  float presence_penalty = 0;    // once if in the completion
  float repetition_penalty = 1;  // 1 = off; of tokens in prompt or completion (Keskar et al. 2019)
  std::uint32_t top_k = 0;       // 0 = off
  std::vector<std::pair<std::int32_t, float>> logit_bias;

  bool has_penalties() const { return frequency_penalty != 0 || presence_penalty != 0 || repetition_penalty != 1; }
};

// Tokens seen so far by one choice, sorted by id.
class TokenHistory {
 public:
  void add(std::int32_t token, bool in_completion);
  struct Entry {
    std::int32_t token = 0;
    std::uint32_t completion_count = 0;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

struct SampleScratch {
  std::vector<float> logits;
  std::vector<std::pair<float, std::int32_t>> candidates;
  void reserve(std::size_t vocab) {
    logits.reserve(vocab);
    candidates.reserve(vocab);
  }
};

struct SampleInput {
  std::span<const float> logits;
  std::span<const std::uint8_t> is_token;  // [vocab], 0 = padding
  const SamplingOptions* options = nullptr;
  const TokenHistory* history = nullptr;  // needed only with penalties
  std::span<const std::int32_t> banned;   // never chosen here (end tokens before min_tokens)
  std::uint32_t choice = 0;
  std::uint64_t position = 0;  // of the token to come
};

struct Alternatives {
  std::uint32_t count = 0;
  std::array<std::int32_t, kMaxAlternatives> tokens;
  std::array<float, kMaxAlternatives> logprobs;
};

// False if a logit of a real token is not finite.
bool logits_are_finite(std::span<const float> logits, std::span<const std::uint8_t> is_token);
// -1 if nothing may be chosen.
std::int32_t sample(const SampleInput& input, SampleScratch& scratch);
// Log probability of `token` under the raw logits, and the best `num_alternatives`, descending, ties to the lower id.
float score(std::span<const float> logits, std::span<const std::uint8_t> is_token, std::int32_t token,
            std::uint32_t num_alternatives, Alternatives& out);

}  // namespace moe::runtime
