// Chat templates and single template features: rendered text and errors against the reference.
#include "conformance.hpp"
#include "text/jinja/template.hpp"
#include "text_files.hpp"

namespace moe::conformance {
namespace {

namespace jinja = text::jinja;

constexpr std::int64_t kFeatureClock = 1768482309;  // 2026-01-15T13:05:09

struct Outcome {
  bool rendered = false;
  std::string text;
  std::vector<jinja::Str::Span> spans;
  jinja::Error error;
};

Outcome render(const std::string& source, const std::vector<std::pair<std::string, jinja::Value>>& variables,
               std::int64_t now) {
  Outcome out;
  try {
    jinja::Rendered result = jinja::Template::parse(source).render(variables, jinja::Bounds(), now);
    out.rendered = true;
    out.text = result.text.text();
    out.spans = result.generation_spans;
  } catch (const jinja::Error& error) {
    out.error = error;
  }
  return out;
}

// Ended by a bound rather than by an error of its own.
bool bounded(const Outcome& outcome) { return outcome.error.kind == "limit" || outcome.error.kind == "size"; }

std::string describe(const Outcome& outcome) {
  return outcome.rendered ? shown(outcome.text) : outcome.error.kind + ": " + outcome.error.message;
}

bool same_spans(const json::Value& wanted, const Outcome& outcome) {
  if (wanted.items().size() != outcome.spans.size()) return false;
  for (std::size_t i = 0; i < outcome.spans.size(); ++i) {
    const auto points = [&](std::size_t end) {
      return static_cast<std::int64_t>(jinja::count_points(std::string_view(outcome.text).substr(0, end)));
    };
    const auto& span = wanted.items()[i].items();
    if (span.at(0).as_int64() != points(outcome.spans[i].begin) ||
        span.at(1).as_int64() != points(outcome.spans[i].end)) {
      return false;
    }
  }
  return true;
}

// Seconds since 1970 of a stamp like 2026-01-15T13:05:09, read as UTC.
std::int64_t seconds_of(const std::string& stamp) {
  if (stamp.size() < 19) return 0;
  const auto field = [&](std::size_t pos, std::size_t size) { return std::stoll(stamp.substr(pos, size)); };
  std::int64_t year = field(0, 4), month = field(5, 2), days = field(8, 2) - 1;
  static constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const auto leaps = [](std::int64_t y) { return y / 4 - y / 100 + y / 400; };
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  days += kBefore[(month - 1) % 12] + (leap && month > 2 ? 1 : 0) + (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
  return ((days * 24 + field(11, 2)) * 60 + field(14, 2)) * 60 + field(17, 2);
}

class TemplateRun {
 public:
  TemplateRun(std::string source, const json::Value& file, Report& report)
      : source_(std::move(source)), report_(report), now_(seconds_of(text_of(file, "now"))) {
    if (const json::Value* special = file.find("special_tokens")) {
      for (const auto& [name, value] : special->members()) {
        if (value.is_string()) special_.emplace_back(name, jinja::Value::string(value.as_string()));
      }
    }
  }

  void one(const json::Value& line) {
    const std::string name = text_of(line, "name");
    if (flag_of(line, "continue_final_message", false)) return;  // a request option, not the template's
    auto variables = special_;
    if (const json::Value* kwargs = line.find("kwargs")) {
      for (const auto& [key, value] : kwargs->members()) variables.emplace_back(key, jinja::Value::from_json(value));
    }
    for (const char* key : {"messages", "tools", "documents"}) {
      const json::Value* value = line.find(key);
      variables.emplace_back(key, value != nullptr ? jinja::Value::from_json(*value) : jinja::Value::none());
    }
    variables.emplace_back("add_generation_prompt",
                           jinja::Value::boolean(flag_of(line, "add_generation_prompt", false)));
    const Outcome outcome = render(source_, variables, now_);
    if (const json::Value* error = line.find("error")) return refused(line, *error, name, outcome);
    if (!outcome.rendered || outcome.text != text_of(line, "rendered")) {
      return report_.fail("rendered", name, describe(outcome) + " instead of " + shown(text_of(line, "rendered")));
    }
    const json::Value* spans = line.find("generation_spans");
    report_.check(spans == nullptr || same_spans(*spans, outcome), "generation", name, "other spans");
  }

 private:
  void refused(const json::Value& line, const json::Value& error, const std::string& name, const Outcome& outcome) {
    const std::string kind = text_of(error, "kind");
    if (kind == "api") return;  // of the caller's interface, not the template's
    const json::Value* unguarded = line.find("rendered_without_sandbox");
    if (outcome.rendered) {
      const bool fine = kind == "security" && unguarded != nullptr && outcome.text == unguarded->as_string();
      return report_.check(fine, "errors", name, "rendered instead of " + kind + ": " + text_of(error, "message"));
    }
    const bool same =
        kind != "raise_exception" || (outcome.error.kind == kind && outcome.error.message == text_of(error, "message"));
    report_.check(same && !bounded(outcome), "errors", name,
                  describe(outcome) + " instead of " + text_of(error, "message"));
  }

  std::string source_;
  Report& report_;
  std::int64_t now_;
  std::vector<std::pair<std::string, jinja::Value>> special_;
};

}  // namespace

void run_template_features(const std::filesystem::path& file, Report& report) {
  const auto list = json::parse(read_file(file));
  if (!list.ok() || !list->is_array()) {
    return report.fail("files", file.string(), list.ok() ? "not a list of snippets" : list.status().message());
  }
  for (const json::Value& line : list->items()) {
    std::vector<std::pair<std::string, jinja::Value>> variables;
    if (const json::Value* context = line.find("context")) {
      for (const auto& [name, value] : context->members()) variables.emplace_back(name, jinja::Value::from_json(value));
    }
    const Outcome outcome = render(text_of(line, "template"), variables, kFeatureClock);
    const std::string id = text_of(line, "id") + " " + text_of(line, "template");
    const std::string group = text_of(line, "group"), error = text_of(line, "error");
    const json::Value* spans = line.find("generation_spans");
    if (!error.empty()) {
      const bool message = error != "raise_exception" ||
                           (outcome.error.kind == error && outcome.error.message == text_of(line, "message"));
      report.check(!outcome.rendered && message && !bounded(outcome), group, id,
                   describe(outcome) + " instead of " + error + ": " + text_of(line, "message"));
    } else {
      const bool same = outcome.rendered && outcome.text == text_of(line, "expected") &&
                        (spans == nullptr || same_spans(*spans, outcome));
      report.check(same, group, id, describe(outcome) + " instead of " + shown(text_of(line, "expected")));
    }
  }
}

void run_template_folder(const std::filesystem::path& folder, Report& report) {
  const auto file = json::parse(read_file(folder / "cases.json"));
  const json::Value* cases = file.ok() ? file->find("cases") : nullptr;
  if (cases == nullptr) {
    return report.fail("files", folder.string(), file.ok() ? "cases.json has no cases" : file.status().message());
  }
  TemplateRun run(read_file(folder / "template.jinja"), *file, report);
  for (const json::Value& line : cases->items()) run.one(line);
}

}  // namespace moe::conformance
