#include "runtime/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/philox.hpp"

namespace moe::runtime {

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

void penalise(const SamplingOptions& options, const TokenHistory& history, std::vector<float>& logits) {
  for (const TokenHistory::Entry& entry : history.entries()) {
    float& logit = logits[static_cast<std::size_t>(entry.token)];
    if (options.repetition_penalty != 1) {
      logit = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
    }
    if (entry.completion_count > 0) {
      logit -= static_cast<float>(entry.completion_count) * options.frequency_penalty + options.presence_penalty;
    }
  }
}

// Logits after masks, penalties and bias.
void adjust(const SampleInput& input, std::vector<float>& logits) {
  logits.assign(input.logits.begin(), input.logits.end());
  if (input.options->has_penalties() && input.history != nullptr) {
    penalise(*input.options, *input.history, logits);
  }
  for (const auto& [token, bias] : input.options->logit_bias) {
    logits[static_cast<std::size_t>(token)] += bias;
  }
  for (const std::int32_t token : input.banned) {
    logits[static_cast<std::size_t>(token)] = kNever;
  }
  for (std::size_t id = 0; id < logits.size(); ++id) {
    logits[id] = input.is_token[id] != 0 ? logits[id] : kNever;
  }
}

std::int32_t argmax(const std::vector<float>& logits) {
  std::int32_t best = -1;
  float best_logit = kNever;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > best_logit) {
      best_logit = logits[id];
      best = static_cast<std::int32_t>(id);
    }
  }
  return best;
}

bool comes_before(const std::pair<float, std::int32_t>& a, const std::pair<float, std::int32_t>& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

// Keeps the candidates that top-k, top-p and min-p leave; they carry weights exp((logit - max) / temperature)
// afterwards.
void filter(const SamplingOptions& options, std::vector<std::pair<float, std::int32_t>>& candidates) {
  const std::size_t keep =
      options.top_k == 0 ? candidates.size() : std::min<std::size_t>(options.top_k, candidates.size());
  const bool needs_order = options.top_k != 0 || options.top_p < 1 || options.min_p > 0;
  if (needs_order) {
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep), candidates.end(),
                      comes_before);
    candidates.resize(keep);
  }
  float max = kNever;
  for (const auto& candidate : candidates) {
    max = std::max(max, candidate.first);
  }
  double total = 0;
  for (auto& candidate : candidates) {
    candidate.first = candidate.first == max ? 1.0F : std::exp((candidate.first - max) / options.temperature);
    total += static_cast<double>(candidate.first);
  }
  if (options.top_p < 1) {
    double sum = 0;
    std::size_t count = 0;
    while (count < candidates.size() && (count == 0 || sum < static_cast<double>(options.top_p) * total)) {
      sum += static_cast<double>(candidates[count++].first);
    }
    candidates.resize(count);
  }
  while (options.min_p > 0 && candidates.size() > 1 && candidates.back().first < options.min_p) {
    candidates.pop_back();  // weights are relative to the best one already
  }
}

}  // namespace

void TokenHistory::add(std::int32_t token, bool in_completion) {
  auto place = std::lower_bound(entries_.begin(), entries_.end(), token,
                                [](const Entry& entry, std::int32_t id) { return entry.token < id; });
  if (place == entries_.end() || place->token != token) {
    place = entries_.insert(place, Entry{token, 0});
  }
  place->completion_count += in_completion ? 1 : 0;
}

bool logits_are_finite(std::span<const float> logits, std::span<const std::uint8_t> is_token) {
  bool finite = true;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    finite = finite && (is_token[id] == 0 || std::isfinite(logits[id]));
  }
  return finite;
}

std::int32_t sample(const SampleInput& input, SampleScratch& scratch) {
  adjust(input, scratch.logits);
  const SamplingOptions& options = *input.options;
  if (options.temperature == 0) {
    return argmax(scratch.logits);
  }
  auto& candidates = scratch.candidates;
  candidates.clear();
  for (std::size_t id = 0; id < scratch.logits.size(); ++id) {
    if (scratch.logits[id] != kNever) {
      candidates.emplace_back(scratch.logits[id], static_cast<std::int32_t>(id));
    }
  }
  if (candidates.empty()) {
    return -1;
  }
  filter(options, candidates);
  double total = 0;
  for (const auto& candidate : candidates) {
    total += static_cast<double>(candidate.first);
  }
  double left = uniform(options.seed, input.choice, input.position) * total;
  std::int32_t last_possible = candidates.front().second;
  for (const auto& [weight, token] : candidates) {
    if (weight > 0) {
      last_possible = token;
      left -= static_cast<double>(weight);
      if (left < 0) {
        break;
      }
    }
  }
  return last_possible;
}

float score(std::span<const float> logits, std::span<const std::uint8_t> is_token, std::int32_t token,
            std::uint32_t num_alternatives, Alternatives& out) {
  float max = kNever;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    max = is_token[id] != 0 ? std::max(max, logits[id]) : max;
  }
  double sum = 0;
  out.count = 0;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (is_token[id] == 0) {
      continue;
    }
    sum += std::exp(static_cast<double>(logits[id] - max));
    std::uint32_t at = out.count;
    while (at > 0 && logits[static_cast<std::size_t>(out.tokens[at - 1])] < logits[id]) {
      --at;
    }
    if (at < num_alternatives) {
      out.count = std::min(out.count + 1, num_alternatives);
      std::copy_backward(out.tokens.begin() + at, out.tokens.begin() + out.count - 1, out.tokens.begin() + out.count);
      out.tokens[at] = static_cast<std::int32_t>(id);
    }
  }
  const double log_sum = static_cast<double>(max) + std::log(sum);
  const auto logprob = [&](std::int32_t id) {
    return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(id)]) - log_sum);
  };
  for (std::uint32_t i = 0; i < out.count; ++i) {
    out.logprobs[i] = logprob(out.tokens[i]);
  }
  return logprob(token);
}

}  // namespace moe::runtime
