// Finds stop strings in streamed text and holds back what may still become one. One per choice, not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moe::text {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);
  // Feeds new text; returns what is safe to show. After a match only the text before the stop string was shown,
  // stopped() is true and further text is dropped. Linear in the text.
  std::string push(std::string_view text);
  std::string flush();  // end without a match: what was held back
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::vector<std::vector<std::size_t>> failures_;  // of each stop string: longest border of every prefix
  std::vector<std::size_t> matched_;                // of each: how much of it the text ends in
  std::string held_;
  bool stopped_ = false;
};

}  // namespace moe::text
