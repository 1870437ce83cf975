// Pre-tokeniser patterns as tokenizer.json writes them (Oniguruma's syntax), run by PCRE2: just-in-time compiled where
// the system allows it, interpreted elsewhere. A compiled pattern is immutable and may be used by many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/status.hpp"

namespace moe::text {

// The same pattern in PCRE2's syntax: class intersection (&&) becomes lookaheads, \s and \p{Script} their exact sets.
Result<std::string> translate_pattern(std::string_view pattern);

class Regex {
 public:
  // Errors: INVALID_ARGUMENT with PCRE2's sentence and the offset, UNSUPPORTED for syntax that cannot be translated.
  static Result<std::shared_ptr<const Regex>> compile(std::string_view pattern);
  virtual ~Regex() = default;

  struct Match {
    std::size_t begin, end;
  };
  // Searches one subject from left to right; one object a thread. The subject (valid UTF-8) must outlive it.
  class Search {
   public:
    virtual ~Search() = default;
    // Next match at or after `from`. False at the end. RESOURCE_EXHAUSTED if the pattern backtracks beyond its bound.
    virtual Result<bool> next(std::string_view subject, std::size_t from, Match& out) = 0;
  };
  virtual std::unique_ptr<Search> search() const = 0;
};

// Does the process get executable memory for compiled patterns? Asked once with a real pattern.
bool regex_jit_works();

}  // namespace moe::text
