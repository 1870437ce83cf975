// Tokenizer folders: ids, decoded text and streamed pieces against the reference.
#include "conformance.hpp"
#include "text/tokenizer.hpp"
#include "text_files.hpp"

namespace moe::conformance {
namespace {

using Ids = std::vector<std::int32_t>;

Ids ids_of(const json::Value& value, std::string_view name) {
  Ids ids;
  if (const json::Value* list = value.find(name)) {
    for (const json::Value& id : list->items()) ids.push_back(static_cast<std::int32_t>(id.as_int64().value_or(-1)));
  }
  return ids;
}

Ids expected_ids(const json::Value& line) {
  const json::Value* runs = line.find("ids_rle");
  if (runs == nullptr) return ids_of(line, "ids");
  Ids ids;
  for (const json::Value& run : runs->items()) {
    const auto count = static_cast<std::size_t>(run.items().at(1).as_int64().value_or(0));
    ids.insert(ids.end(), count, static_cast<std::int32_t>(run.items().at(0).as_int64().value_or(-1)));
  }
  return ids;
}

std::string input_text(const json::Value& line) {
  const json::Value* units = line.find("text_repeat");
  if (units == nullptr) return text_of(line, "text");
  std::string text;
  for (const json::Value& unit : units->items()) {
    const auto count = unit.items().at(1).as_int64().value_or(0);
    for (std::int64_t i = 0; i < count; ++i) text += unit.items().at(0).as_string();
  }
  return text;
}

std::string shown(const Ids& ids) {
  std::string out = "[";
  for (std::size_t i = 0; i < ids.size() && i < 40; ++i) out += (i > 0 ? " " : "") + std::to_string(ids[i]);
  return out + (ids.size() > 40 ? " ...]" : "]");
}

class TokenizerRun {
 public:
  TokenizerRun(const text::Tokenizer& tokenizer, Report& report) : tokenizer_(tokenizer), report_(report) {}

  void encode_case(const json::Value& line) {
    const std::string id = text_of(line, "id");
    const std::string group = text_of(line, "group");
    const std::string input = input_text(line);
    text::EncodeOptions options;
    options.add_special = flag_of(line, "add_special_tokens", false);
    options.parse_special = !flag_of(line, "split_special_tokens", false);
    const auto ids = tokenizer_.encode(input, options);
    const Ids expected = expected_ids(line);
    if (!ids.ok()) return judge(group, id, ids.status().message());
    if (*ids != expected) {
      return judge(group, id, shown(*ids) + " instead of " + shown(expected) + " for " + conformance::shown(input));
    }
    decode(line, group, id, expected, input);
  }

  void decode_case(const json::Value& line) { decode(line, "decode", text_of(line, "id"), ids_of(line, "ids"), ""); }

  void stream_case(const json::Value& line) {
    text::StreamDecoder decoder(tokenizer_, flag_of(line, "skip_special_tokens", false));
    const Ids ids = ids_of(line, "ids");
    const std::string name = text_of(line, "id");
    const json::Value* pieces = line.find("pieces_eager");
    if (pieces == nullptr) return report_.fail("stream", name, "no pieces_eager");
    std::string full;
    for (std::size_t i = 0; i < ids.size() && i < pieces->items().size(); ++i) {
      const json::Value& wanted = pieces->items()[i];
      const std::string got = decoder.push(ids[i]);
      full += got;
      if (got != (wanted.is_string() ? wanted.as_string() : std::string())) {
        return report_.fail("stream", name, "piece " + std::to_string(i) + " is " + conformance::shown(got));
      }
    }
    const std::string rest = decoder.flush();
    full += rest;
    if (rest != text_of(line, "flush_eager")) return report_.fail("stream", name, "flush " + conformance::shown(rest));
    const json::Value* eager = line.find("full_eager");
    const std::string wanted = text_of(line, eager != nullptr ? "full_eager" : "full");
    report_.check(full == wanted, "stream", name, "text " + conformance::shown(full));
  }

 private:
  void decode(const json::Value& line, const std::string& group, const std::string& id, const Ids& ids,
              const std::string& input) {
    const std::string decoded = line.find("decoded") != nullptr ? text_of(line, "decoded") : input;
    const std::string skipped =
        line.find("decoded_skip_special") != nullptr ? text_of(line, "decoded_skip_special") : decoded;
    // Long inputs are given without their decoded text, which normaliser and prefix may have changed.
    const bool implied = line.find("text_repeat") != nullptr && line.find("decoded") == nullptr;
    for (const bool skip : {false, true}) {
      const std::string got = tokenizer_.decode(ids, skip);
      const std::string& wanted = skip ? skipped : decoded;
      if (got != wanted && !implied) {
        return judge(group, id, "decoded " + conformance::shown(got) + " instead of " + conformance::shown(wanted));
      }
    }
    report_.pass(group);
  }

  // Newest Unicode data differs between libraries: reported, not counted.
  void judge(const std::string& group, const std::string& id, const std::string& what) {
    if (group == "unicode_new") {
      report_.warn(group, id, what);
    } else {
      report_.fail(group, id, what);
    }
  }

  const text::Tokenizer& tokenizer_;
  Report& report_;
};

}  // namespace

void run_tokenizer_folder(const std::filesystem::path& folder, Report& report) {
  const auto tokenizer = text::load_tokenizer(folder);
  if (!tokenizer.ok()) return report.fail("load", folder.string(), tokenizer.status().message());
  TokenizerRun run(**tokenizer, report);
  std::string problem;
  for (const auto& line : read_lines(folder / "cases.jsonl", problem)) run.encode_case(line);
  for (const auto& line : read_lines(folder / "decode_cases.jsonl", problem)) run.decode_case(line);
  for (const auto& line : read_lines(folder / "stream_cases.jsonl", problem)) run.stream_case(line);
  if (!problem.empty()) report.fail("files", folder.string(), problem);
}

}  // namespace moe::conformance
