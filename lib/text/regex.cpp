#include "text/regex.hpp"

#include <algorithm>
#include <array>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace moe::text {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Freed<pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Freed<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data_free>>;

PCRE2_SPTR bytes(std::string_view text) {
  static constexpr unsigned char kNothing = 0;
  return text.empty() ? &kNothing : reinterpret_cast<PCRE2_SPTR>(text.data());
}

std::string error_text(int code) {
  std::array<PCRE2_UCHAR, 160> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

class PcreSearch final : public Regex::Search {
 public:
  explicit PcreSearch(const pcre2_code* code)
      : code_(code), data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
    if (context_) pcre2_set_heap_limit(context_.get(), 64 * 1024);  // KiB
  }

  Result<bool> next(std::string_view subject, std::size_t from, Regex::Match& out) override {
    if (!data_ || !context_) return Status(moe::Code::resource_exhausted, "no memory for a pattern search");
    // Backtracking is bounded in proportion to the subject: linear patterns never come near it.
    const std::size_t limit = std::min<std::size_t>(100000 + 64 * subject.size(), 1000000000);
    pcre2_set_match_limit(context_.get(), static_cast<std::uint32_t>(limit));
    int found = run(subject, from, 0);
    // The compiled code uses a small machine stack; the interpreter keeps its frames on the heap.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = run(subject, from, PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) return Status(moe::Code::resource_exhausted, "pre-tokeniser pattern: " + error_text(found));
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data_.get());
    if (offsets[1] < offsets[0]) return false;  // \K inside a lookahead
    out = {offsets[0], offsets[1]};
    return true;
  }

 private:
  int run(std::string_view subject, std::size_t from, std::uint32_t options) {
    return pcre2_match(code_, bytes(subject), subject.size(), from, options | PCRE2_NO_UTF_CHECK, data_.get(),
                       context_.get());
  }

  const pcre2_code* code_;
  MatchData data_;
  MatchContext context_;
};

class PcreRegex final : public Regex {
 public:
  explicit PcreRegex(Code code) : code_(std::move(code)) {}
  std::unique_ptr<Search> search() const override { return std::make_unique<PcreSearch>(code_.get()); }

 private:
  Code code_;
};

bool probe_jit() {
  std::uint32_t available = 0;
  if (pcre2_config(PCRE2_CONFIG_JIT, &available) < 0 || available == 0) return false;
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(bytes("(a|b)+c"), 7, PCRE2_UTF, &error, &offset, nullptr));
  if (!code || pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE) != 0) return false;
  MatchData data(pcre2_match_data_create(4, nullptr));
  return data && pcre2_match(code.get(), bytes("xabc"), 4, 0, 0, data.get(), nullptr) > 0;
}

}  // namespace

bool regex_jit_works() {
  static const bool works = probe_jit();
  return works;
}

Result<std::shared_ptr<const Regex>> Regex::compile(std::string_view pattern) {
  auto translated = translate_pattern(pattern);
  if (!translated.ok()) return translated.status();
  CompileContext context(pcre2_compile_context_create(nullptr));
  if (!context) return Status(moe::Code::resource_exhausted, "no memory for a pattern");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 64);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // In the source syntax ^ and $ stand at every line.
  const std::uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
  Code code(pcre2_compile(bytes(*translated), translated->size(), options, &error, &offset, context.get()));
  if (!code) return invalid("pattern: " + error_text(error) + " at offset " + std::to_string(offset));
  if (regex_jit_works()) pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // on failure it stays interpreted
  return std::shared_ptr<const Regex>(std::make_shared<PcreRegex>(std::move(code)));
}

}  // namespace moe::text
