#include "text/stop_matcher.hpp"

#include <algorithm>

namespace moe::text {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
  for (const std::string& stop : stops_) {
    auto& failure = failures_.emplace_back(stop.size(), 0);
    for (std::size_t i = 1, matched = 0; i < stop.size(); ++i) {
      while (matched > 0 && stop[i] != stop[matched]) matched = failure[matched - 1];
      if (stop[i] == stop[matched]) ++matched;
      failure[i] = matched;
    }
  }
  matched_.assign(stops_.size(), 0);
}

// Every stop string keeps how much of it the text ends in (Knuth, Morris, Pratt). The first that completes decides; of
// two that complete at the same byte the longer one, so that the least text is shown.
std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return {};
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t longest = 0;
    for (std::size_t s = 0; s < stops_.size(); ++s) {
      const std::string& stop = stops_[s];
      std::size_t& matched = matched_[s];
      while (matched > 0 && (matched == stop.size() || stop[matched] != text[i])) matched = failures_[s][matched - 1];
      if (stop[matched] == text[i]) ++matched;
      if (matched == stop.size()) longest = std::max(longest, stop.size());
    }
    if (longest > 0) {
      stopped_ = true;
      held_ += text.substr(0, i + 1);
      held_.resize(held_.size() - longest);
      return std::exchange(held_, {});
    }
  }
  held_ += text;
  const std::size_t keep = matched_.empty() ? 0 : *std::max_element(matched_.begin(), matched_.end());
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::flush() {
  std::fill(matched_.begin(), matched_.end(), std::size_t{0});
  return std::exchange(held_, {});
}

}  // namespace moe::text
