// moe-conformance [--weights f32] [--isa NAME] [--verbose] PATH...
// A PATH is a model folder, a tokenizer folder, a chat-template folder, a file of template snippets, or a folder of
// such. Ends with one line "N passed, M failed"; exit code 1 if anything failed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "conformance.hpp"

namespace {

namespace fs = std::filesystem;
using moe::conformance::Options;
using moe::conformance::Report;

bool has(const fs::path& folder, const char* name) { return fs::is_regular_file(folder / name); }

// Runs what `path` is; false if it is nothing we know.
bool run_one(const fs::path& path, const Options& options, Report& report) {
  if (fs::is_regular_file(path)) {
    report.begin(path);
    moe::conformance::run_template_features(path, report);
  } else if (has(path, "config.json") && has(path, "expected.json")) {
    report.begin(path);
    moe::conformance::run_model_folder(path, options, report);
  } else if (has(path, "tokenizer.json") && has(path, "cases.jsonl")) {
    report.begin(path);
    moe::conformance::run_tokenizer_folder(path, report);
  } else if (has(path, "template.jinja") && has(path, "cases.json")) {
    report.begin(path);
    moe::conformance::run_template_folder(path, report);
  } else {
    return false;
  }
  return true;
}

void run(const fs::path& path, const Options& options, Report& report) {
  if (!fs::exists(path)) {
    report.begin(path);
    report.fail("files", path.string(), "no such file or folder");
    return;
  }
  if (run_one(path, options, report)) return;
  std::vector<fs::path> inside;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.is_directory()) inside.push_back(entry.path());
    }
  }
  std::sort(inside.begin(), inside.end());
  bool any = false;
  for (const fs::path& folder : inside) any |= run_one(folder, options, report);
  if (!any) {
    report.begin(path);
    report.fail("files", path.string(), "no conformance data of a known kind");
  }
}

int usage() {
  std::fprintf(stderr, "usage: moe-conformance [--weights f32] [--isa NAME] [--verbose] PATH...\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<fs::path> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--verbose") {
      options.verbose = true;
    } else if (word == "--weights" || word == "--isa") {
      if (++i == argc) return usage();
      (word == "--isa" ? options.isa : options.weights) = argv[i];
    } else if (word.starts_with("--")) {
      return usage();
    } else {
      paths.emplace_back(word);
    }
  }
  if (paths.empty()) return usage();
  Report report(options);
  for (const fs::path& path : paths) run(path, options, report);
  report.end();
  std::printf("%zu passed, %zu failed\n", report.passed(), report.failed());
  return report.failed() == 0 ? 0 : 1;
}
