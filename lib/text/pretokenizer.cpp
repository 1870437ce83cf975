#include "text/pretokenizer.hpp"

#include "text/regex.hpp"
#include "text/unicode.hpp"

namespace moe::text {
namespace {

// The pattern of GPT-2, which ByteLevel applies itself unless use_regex is false.
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::size_t kMaxSteps = 64;

class Split final : public PreTokenizer {
 public:
  // `drop_matches`, `drop_rest`: behaviour "Removed"; neither: "Isolated".
  Split(std::shared_ptr<const Regex> regex, bool drop_matches, bool drop_rest)
      : regex_(std::move(regex)), drop_matches_(drop_matches), drop_rest_(drop_rest) {}

  Status apply(Pieces& pieces) const override {
    std::vector<std::string_view> out;
    out.reserve(pieces.views.size());
    const auto search = regex_->search();
    for (std::string_view piece : pieces.views) {
      if (Status status = cut(*search, piece, out); !status.ok()) return status;
    }
    pieces.views = std::move(out);
    return {};
  }

 private:
  Status cut(Regex::Search& search, std::string_view piece, std::vector<std::string_view>& out) const {
    std::size_t done = 0;
    for (std::size_t from = 0; from < piece.size();) {
      Regex::Match match{};
      auto found = search.next(piece, from, match);
      if (!found.ok()) return found.status();
      if (!*found) break;
      if (match.end == match.begin) {  // an empty match cuts nothing here
        if (match.end >= piece.size()) break;
        from = match.end + decode_utf8(piece, match.end).size;
        continue;
      }
      if (match.begin > done && !drop_rest_) out.push_back(piece.substr(done, match.begin - done));
      if (!drop_matches_) out.push_back(piece.substr(match.begin, match.end - match.begin));
      done = from = match.end;
    }
    if (done < piece.size() && !drop_rest_) out.push_back(piece.substr(done));
    return {};
  }

  std::shared_ptr<const Regex> regex_;
  bool drop_matches_, drop_rest_;
};

// Cuts out numeric characters, one by one or in runs.
class Digits final : public PreTokenizer {
 public:
  explicit Digits(bool individual) : individual_(individual) {}

  Status apply(Pieces& pieces) const override {
    std::vector<std::string_view> out;
    for (std::string_view piece : pieces.views) {
      std::size_t begin = 0;
      bool in_digits = false;
      for (std::size_t pos = 0; pos < piece.size();) {
        const CodePoint point = decode_utf8(piece, pos);
        const bool digit = is_numeric(point.value);
        if (pos > begin && (digit != in_digits || (digit && individual_))) {
          out.push_back(piece.substr(begin, pos - begin));
          begin = pos;
        }
        in_digits = digit;
        pos += point.size;
      }
      if (begin < piece.size()) out.push_back(piece.substr(begin));
    }
    pieces.views = std::move(out);
    return {};
  }

 private:
  bool individual_;
};

class PrefixSpace final : public PreTokenizer {
 public:
  Status apply(Pieces& pieces) const override {
    for (std::string_view& piece : pieces.views) {
      if (piece.empty() || piece.front() == ' ') continue;
      piece = pieces.storage.emplace_back(" " + std::string(piece));
    }
    return {};
  }
};

class Sequence final : public PreTokenizer {
 public:
  void add(std::unique_ptr<PreTokenizer> step) { steps_.push_back(std::move(step)); }
  std::size_t size() const { return steps_.size(); }
  Status apply(Pieces& pieces) const override {
    for (const auto& step : steps_) {
      if (Status status = step->apply(pieces); !status.ok()) return status;
    }
    return {};
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

class Loader {
 public:
  explicit Loader(bool* byte_level) : byte_level_(byte_level) {}

  Status load(const json::Value& value, const std::string& key, Sequence& out) {
    if (++count_ > kMaxSteps) return invalid(key + ": more than 64 steps");
    if (!value.is_object()) return invalid(key + " must be an object");
    const json::Value* type = value.find("type");
    if (type == nullptr || !type->is_string()) return invalid(key + ".type must be a string");
    const std::string& name = type->as_string();
    if (name == "Sequence") return sequence(value, key, out);
    if (name == "Split") return split(value, key, out);
    if (name == "ByteLevel") return byte_level(value, key, out);
    if (name == "Digits") {
      auto individual = flag(value, key, "individual_digits", false);
      if (!individual.ok()) return individual.status();
      out.add(std::make_unique<Digits>(*individual));
      return {};
    }
    return {Code::unsupported, key + ".type " + json::quote(name) + " is not supported"};
  }

 private:
  static Result<bool> flag(const json::Value& value, const std::string& key, std::string_view name, bool standard) {
    const json::Value* found = value.find(name);
    if (found == nullptr || found->is_null()) return standard;
    if (!found->is_bool()) return invalid(key + "." + std::string(name) + " must be true or false");
    return found->as_bool();
  }

  Status sequence(const json::Value& value, const std::string& key, Sequence& out) {
    const json::Value* steps = value.find("pretokenizers");
    if (steps == nullptr || !steps->is_array()) return invalid(key + ".pretokenizers must be an array");
    for (std::size_t i = 0; i < steps->items().size(); ++i) {
      const std::string place = key + ".pretokenizers[" + std::to_string(i) + "]";
      if (Status status = load(steps->items()[i], place, out); !status.ok()) return status;
    }
    return {};
  }

  Status split(const json::Value& value, const std::string& key, Sequence& out) {
    const json::Value* pattern = value.find("pattern");
    const json::Value* regex = pattern == nullptr ? nullptr : pattern->find("Regex");
    const json::Value* plain = pattern == nullptr ? nullptr : pattern->find("String");
    if ((regex == nullptr || !regex->is_string()) && (plain == nullptr || !plain->is_string())) {
      return invalid(key + ".pattern must hold Regex or String");
    }
    auto invert = flag(value, key, "invert", false);
    if (!invert.ok()) return invert.status();
    const json::Value* behavior = value.find("behavior");
    if (behavior == nullptr || !behavior->is_string()) return invalid(key + ".behavior must be a string");
    const bool removed = behavior->as_string() == "Removed";
    if (!removed && behavior->as_string() != "Isolated") {
      return {Code::unsupported, key + ".behavior " + json::quote(behavior->as_string()) + " is not supported"};
    }
    auto compiled = Regex::compile(regex != nullptr ? regex->as_string() : literal(plain->as_string()));
    if (!compiled.ok()) return compiled.status().with_context(key + ".pattern");
    out.add(std::make_unique<Split>(*compiled, removed && !*invert, removed && *invert));
    return {};
  }

  static std::string literal(const std::string& text) {
    std::string pattern;
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      const bool plain = byte >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
      if (!plain) pattern += '\\';
      pattern += c;
    }
    return pattern;
  }

  Status byte_level(const json::Value& value, const std::string& key, Sequence& out) {
    *byte_level_ = true;
    auto prefix = flag(value, key, "add_prefix_space", true);
    auto use_regex = flag(value, key, "use_regex", true);
    if (!prefix.ok()) return prefix.status();
    if (!use_regex.ok()) return use_regex.status();
    if (*prefix) out.add(std::make_unique<PrefixSpace>());
    if (!*use_regex) return {};
    auto compiled = Regex::compile(kByteLevelPattern);
    if (!compiled.ok()) return compiled.status().with_context(key);
    out.add(std::make_unique<Split>(*compiled, false, false));
    return {};
  }

  bool* byte_level_;
  std::size_t count_ = 0;
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> load_pretokenizer(const json::Value& value, const std::string& key,
                                                        bool* byte_level) {
  auto sequence = std::make_unique<Sequence>();
  if (!value.is_null()) {
    if (Status status = Loader(byte_level).load(value, key, *sequence); !status.ok()) return status;
  }
  return std::unique_ptr<PreTokenizer>(std::move(sequence));
}

}  // namespace moe::text
