// moe-conformance: checks the engine against reference data. Shared by the runners of models, tokenizers and templates.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace moe::conformance {

struct Options {
  std::string weights = "f32";  // format of the weights in memory
  std::string isa;              // instruction set to force, empty: the machine's own
  bool verbose = false;         // every failure, not only the first of a group
};

// Counts checks and prints, for each item, the first failing group with its first failure. Not thread-safe.
class Report {
 public:
  explicit Report(const Options& options) : verbose_(options.verbose) {}
  void begin(const std::filesystem::path& item);  // a folder or file; ends the one before
  void pass(std::string_view group);
  void fail(std::string_view group, std::string_view where, std::string_view what);
  // A difference that is reported but does not count as a failure.
  void warn(std::string_view group, std::string_view where, std::string_view what);
  // One check: passes, or fails with `what`.
  void check(bool ok, std::string_view group, std::string_view where, std::string_view what) {
    ok ? pass(group) : fail(group, where, what);
  }
  void end();  // prints the last item
  std::size_t passed() const { return total_passed_; }
  std::size_t failed() const { return total_failed_; }

 private:
  struct Group {
    std::size_t passed = 0, failed = 0, warned = 0;
    std::string first;  // failure or warning
  };
  std::string item_;
  std::map<std::string, Group, std::less<>> groups_;
  std::string first_group_;
  std::size_t total_passed_ = 0, total_failed_ = 0;
  bool verbose_;
};

// A model folder: config.json, weights, expected.json (model_cases.cpp).
void run_model_folder(const std::filesystem::path& folder, const Options& options, Report& report);
// A tokenizer folder: cases.jsonl and what lies beside it.
void run_tokenizer_folder(const std::filesystem::path& folder, Report& report);
// Snippets of template features with what they render.
void run_template_features(const std::filesystem::path& file, Report& report);
// A chat-template folder: template.jinja and cases.json.
void run_template_folder(const std::filesystem::path& folder, Report& report);

}  // namespace moe::conformance
