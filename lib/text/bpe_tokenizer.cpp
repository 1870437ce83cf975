#include "text/bpe_tokenizer.hpp"

#include "text/unicode.hpp"

namespace moe::text {
namespace {

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeModel model) : model_(std::move(model)) {}

  Result<std::vector<std::int32_t>> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<std::int32_t> ids;
    if (options.add_special) ids = model_.prefix;
    const SpecialRule rule = options.parse_special ? SpecialRule::all() : SpecialRule::none();
    if (Status status = append(text, rule, ids); !status.ok()) return status;
    if (options.add_special) ids.insert(ids.end(), model_.suffix.begin(), model_.suffix.end());
    return ids;
  }

  Result<std::vector<std::int32_t>> encode_parts(std::span<const PromptPart> parts) const override {
    std::string text;
    std::vector<bool> from_request;
    for (const PromptPart& part : parts) {
      text += part.text;
      from_request.resize(text.size(), part.from_request);
    }
    std::vector<std::int32_t> ids;
    if (Status status = append(text, SpecialRule::outside(from_request), ids); !status.ok()) return status;
    return ids;
  }

  std::string_view token_bytes(std::int32_t id) const override { return model_.table.bytes(id); }
  bool has_token(std::int32_t id) const override { return model_.table.has(id); }
  bool is_special(std::int32_t id) const override { return model_.table.special(id); }
  std::int32_t special_id(std::string_view content) const override {
    const auto found = model_.by_content.find(std::string(content));
    return found == model_.by_content.end() ? -1 : found->second;
  }
  std::int32_t vocab_size() const override { return model_.table.size(); }

  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override {
    StreamDecoder decoder(*this, skip_special);
    std::string text;
    for (std::int32_t id : ids) text += decoder.push(id);
    return text + decoder.flush();
  }

  std::int32_t bos_id() const override { return model_.bos_id; }
  std::int32_t eos_id() const override { return model_.eos_id; }
  const std::string& bos_token() const override { return model_.bos_token; }
  const std::string& eos_token() const override { return model_.eos_token; }

 private:
  Status append(std::string_view text, const SpecialRule& rule, std::vector<std::int32_t>& ids) const {
    if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
      return invalid("text is not UTF-8 at byte " + std::to_string(bad));
    }
    std::vector<Segment> segments;
    model_.raw_tokens.split(text, rule, segments);
    for (const Segment& segment : segments) {
      if (segment.id >= 0) {
        ids.push_back(segment.id);
        continue;
      }
      const std::string_view piece = text.substr(segment.begin, segment.end - segment.begin);
      if (Status status = append_normalized(piece, rule.at(segment.begin), ids); !status.ok()) return status;
    }
    return {};
  }

  Status append_normalized(std::string_view piece, SpecialRule rule, std::vector<std::int32_t>& ids) const {
    std::string normal;
    if (!model_.normalizer.empty()) {
      normal = apply_steps(model_.normalizer, piece);
      // Places no longer correspond: a special token is only trusted if no byte of the piece came from the request.
      if (normal != piece && rule.by_place()) {
        rule = rule.allows(0, piece.size()) ? SpecialRule::all() : SpecialRule::none();
      }
      piece = normal;
    }
    std::vector<Segment> segments;
    model_.normal_tokens.split(piece, rule, segments);
    for (const Segment& segment : segments) {
      if (segment.id >= 0) {
        ids.push_back(segment.id);
        continue;
      }
      Pieces pieces;
      pieces.views.push_back(piece.substr(segment.begin, segment.end - segment.begin));
      if (Status status = model_.pretokenizer->apply(pieces); !status.ok()) return status;
      for (std::string_view word : pieces.views) model_.bpe.encode(word, ids);
    }
    return {};
  }

  BpeModel model_;
};

}  // namespace

std::string apply_steps(const std::vector<NormalStep>& steps, std::string_view text) {
  std::string out(text);
  for (NormalStep step : steps) {
    switch (step) {
      case NormalStep::nfc:
        out = normalize_nfc(out);
        break;
      case NormalStep::nfd:
        out = normalize(out, false, false);
        break;
      case NormalStep::nfkc:
        out = normalize(out, true, true);
        break;
      case NormalStep::nfkd:
        out = normalize(out, true, false);
        break;
      case NormalStep::lowercase:
        out = to_lower(out);
        break;
    }
  }
  return out;
}

void TokenTable::set(std::int32_t id, std::string bytes, bool special) {
  Entry& entry = entries_.at(static_cast<std::size_t>(id));
  entry.bytes = std::move(bytes);
  entry.present = true;
  entry.special = special;
}

bool TokenTable::has(std::int32_t id) const {
  return id >= 0 && id < size() && entries_[static_cast<std::size_t>(id)].present;
}

std::string_view TokenTable::bytes(std::int32_t id) const {
  return has(id) ? std::string_view(entries_[static_cast<std::size_t>(id)].bytes) : std::string_view();
}

std::shared_ptr<const Tokenizer> make_bpe_tokenizer(BpeModel model) {
  return std::make_shared<BpeTokenizer>(std::move(model));
}

}  // namespace moe::text
