// Reads tokenizer.json and tokenizer_config.json into a byte-level BPE tokenizer. Everything in the files is checked;
// what is not byte-level is refused by the key that says so.
#include <algorithm>

#include "text/bpe_tokenizer.hpp"
#include "text/byte_alphabet.hpp"
#include "text/tokenizer_parts.hpp"

namespace moe::text {
namespace {

constexpr std::size_t kMaxFile = std::size_t{256} << 20;
constexpr std::size_t kMaxAddedToken = 4096;

Status unsupported(std::string message) { return {Code::unsupported, std::move(message)}; }

std::string element(const std::string& key, std::size_t index) { return key + "[" + std::to_string(index) + "]"; }

const std::string* type_of(const json::Value& value) {
  const json::Value* type = value.find("type");
  return type != nullptr && type->is_string() ? &type->as_string() : nullptr;
}

bool absent(const json::Value* value) { return value == nullptr || value->is_null(); }

class Loader {
 public:
  Loader(const json::Value& file, const json::Value& config) : file_(file), config_(config) {}

  Result<BpeModel> load() {
    using Step = Status (Loader::*)();
    for (Step step : {&Loader::model_kind, &Loader::decoder, &Loader::normalizer, &Loader::pretokenizer, &Loader::vocab,
                      &Loader::added_tokens, &Loader::fill_table, &Loader::merges, &Loader::named_tokens,
                      &Loader::post_processor, &Loader::config_bos}) {
      if (Status status = (this->*step)(); !status.ok()) return status;
    }
    return std::move(out_);
  }

 private:
  Status model_kind() {
    const json::Value* model = file_.find("model");
    if (model == nullptr || !model->is_object()) return invalid("model must be an object");
    model_ = model;
    if (const json::Value* type = model->find("type"); !absent(type)) {
      if (!type->is_string()) return invalid("model.type must be a string");
      if (type->as_string() != "BPE") return unsupported("model.type " + json::quote(type->as_string()));
    }
    for (const char* name : {"byte_fallback", "ignore_merges"}) {
      const json::Value* flag = model->find(name);
      if (!absent(flag) && !flag->is_bool()) return invalid("model." + std::string(name) + " must be true or false");
    }
    const json::Value* fallback = model->find("byte_fallback");
    if (!absent(fallback) && fallback->as_bool())
      return unsupported("model.byte_fallback: only byte-level BPE is read");
    const json::Value* dropout = model->find("dropout");
    if (!absent(dropout) && !(dropout->is_number() && dropout->as_double() == 0)) return unsupported("model.dropout");
    for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const json::Value* affix = model->find(name);
      if (!absent(affix) && !(affix->is_string() && affix->as_string().empty())) {
        return unsupported("model." + std::string(name));
      }
    }
    return {};
  }

  Status decoder() {
    const json::Value* decoder = file_.find("decoder");
    if (absent(decoder)) return unsupported("decoder: only ByteLevel is read");
    return decoder_type(*decoder, "decoder", 0);
  }

  Status decoder_type(const json::Value& value, const std::string& key, int depth) {
    const std::string* type = type_of(value);
    if (type == nullptr) return invalid(key + ".type must be a string");
    if (*type == "ByteLevel") return {};
    const json::Value* steps = value.find("decoders");
    if (*type == "Sequence" && depth < 4 && steps != nullptr && steps->is_array() && !steps->items().empty()) {
      for (std::size_t i = 0; i < steps->items().size(); ++i) {
        Status status = decoder_type(steps->items()[i], element(key + ".decoders", i), depth + 1);
        if (!status.ok()) return status;
      }
      return {};
    }
    return unsupported(key + ".type " + json::quote(*type) + ": only ByteLevel is read");
  }

  Status normalizer() {
    const json::Value* value = file_.find("normalizer");
    return absent(value) ? Status() : normalizer_step(*value, "normalizer", 0);
  }

  Status normalizer_step(const json::Value& value, const std::string& key, int depth) {
    static constexpr std::pair<std::string_view, NormalStep> kSteps[] = {{"NFC", NormalStep::nfc},
                                                                         {"NFD", NormalStep::nfd},
                                                                         {"NFKC", NormalStep::nfkc},
                                                                         {"NFKD", NormalStep::nfkd},
                                                                         {"Lowercase", NormalStep::lowercase}};
    const std::string* type = type_of(value);
    if (type == nullptr) return invalid(key + ".type must be a string");
    for (const auto& [name, step] : kSteps) {
      if (*type != name) continue;
      if (out_.normalizer.size() >= 16) return invalid(key + ": more than 16 steps");
      out_.normalizer.push_back(step);
      return {};
    }
    if (*type != "Sequence" || depth > 4) return unsupported(key + ".type " + json::quote(*type));
    const json::Value* steps = value.find("normalizers");
    if (steps == nullptr || !steps->is_array()) return invalid(key + ".normalizers must be an array");
    for (std::size_t i = 0; i < steps->items().size(); ++i) {
      Status status = normalizer_step(steps->items()[i], element(key + ".normalizers", i), depth + 1);
      if (!status.ok()) return status;
    }
    return {};
  }

  Status pretokenizer() {
    const json::Value* value = file_.find("pre_tokenizer");
    if (absent(value)) return unsupported("pre_tokenizer: only byte-level BPE is read");
    bool byte_level = false;
    auto loaded = load_pretokenizer(*value, "pre_tokenizer", &byte_level);
    if (!loaded.ok()) return loaded.status();
    if (!byte_level) return unsupported("pre_tokenizer: no ByteLevel step; only byte-level BPE is read");
    out_.pretokenizer = std::move(*loaded);
    return {};
  }

  // An id of the file, inside the range that its number of entries makes plausible.
  Result<std::int32_t> id_of(const json::Value* value, const std::string& key) const {
    const auto id = value == nullptr ? std::nullopt : value->as_int64();
    if (!id || *id < 0) return invalid(key + " must be a token id");
    if (*id >= max_id_) return invalid(key + ": id " + std::to_string(*id) + " is far beyond the number of entries");
    return static_cast<std::int32_t>(*id);
  }

  Status vocab() {
    const json::Value* vocab = model_->find("vocab");
    if (vocab == nullptr || !vocab->is_object()) return invalid("model.vocab must be an object");
    const json::Value* added = file_.find("added_tokens");
    const std::size_t entries = vocab->members().size() + (added == nullptr ? 0 : added->items().size());
    max_id_ = static_cast<std::int64_t>(std::min<std::size_t>(16 * entries + 65536, std::size_t{1} << 30));
    vocab_.reserve(vocab->members().size());
    for (const auto& [token, value] : vocab->members()) {
      auto id = id_of(&value, "model.vocab[" + json::quote(token.substr(0, 80)) + "]");
      if (!id.ok()) return id.status();
      vocab_.emplace(token, *id);
      highest_ = std::max(highest_, *id);
    }
    return {};
  }

  Status added_tokens() {
    const json::Value* list = file_.find("added_tokens");
    if (absent(list)) return {};
    if (!list->is_array()) return invalid("added_tokens must be an array");
    for (std::size_t i = 0; i < list->items().size(); ++i) {
      if (Status status = added_token(list->items()[i], element("added_tokens", i)); !status.ok()) return status;
    }
    if (Status status = number_added(); !status.ok()) return status;
    // Of equal patterns the plain one wins over the special one, then the earlier.
    for (const bool special : {false, true}) {
      for (const AddedToken& token : out_.added) {
        if (token.special != special) continue;
        if (token.normalized) {
          out_.normal_tokens.add(apply_steps(out_.normalizer, token.content), &token);
        } else {
          out_.raw_tokens.add(token.content, &token);
        }
      }
    }
    out_.raw_tokens.build();
    out_.normal_tokens.build();
    return {};
  }

  Status added_token(const json::Value& value, const std::string& key) {
    const json::Value* content = value.find("content");
    if (content == nullptr || !content->is_string()) return invalid(key + ".content must be a string");
    AddedToken token;
    token.content = content->as_string();
    if (token.content.size() > kMaxAddedToken) return invalid(key + ".content is longer than 4096 bytes");
    const std::pair<const char*, bool*> flags[] = {{"special", &token.special},
                                                   {"normalized", &token.normalized},
                                                   {"lstrip", &token.lstrip},
                                                   {"rstrip", &token.rstrip},
                                                   {"single_word", &token.single_word}};
    for (const auto& [name, target] : flags) {
      const json::Value* flag = value.find(name);
      if (flag == nullptr) continue;
      if (!flag->is_bool()) return invalid(key + "." + name + " must be true or false");
      *target = flag->as_bool();
    }
    auto id = id_of(value.find("id"), key + ".id");
    if (!id.ok()) return id.status();
    token.id = *id;
    out_.added.push_back(std::move(token));
    return {};
  }

  // An added token that the vocabulary holds has the vocabulary's id. Where the file says otherwise, the authors'
  // library ignores the ids of the file and counts on from the vocabulary; so do we.
  Status number_added() {
    const auto known = [&](const AddedToken& token) { return vocab_.find(token.content); };
    const bool renumber = std::any_of(out_.added.begin(), out_.added.end(), [&](const AddedToken& token) {
      return known(token) != vocab_.end() && known(token)->second != token.id;
    });
    auto next = static_cast<std::int32_t>(vocab_.size());
    for (AddedToken& token : out_.added) {
      if (renumber) token.id = known(token) != vocab_.end() ? known(token)->second : next;
      next = std::max(next, token.id + 1);
      highest_ = std::max(highest_, token.id);
      if (!out_.by_content.emplace(token.content, token.id).second) {
        return invalid("added_tokens: " + json::quote(token.content.substr(0, 80)) + " is given twice");
      }
    }
    return {};
  }

  Status fill_table() {
    out_.table.resize(static_cast<std::size_t>(highest_) + 1);
    for (const auto& [token, id] : vocab_) {
      if (out_.table.has(id)) return invalid("model.vocab: id " + std::to_string(id) + " is given twice");
      out_.table.set(id, symbol_bytes(token), false);
    }
    for (const AddedToken& token : out_.added) {
      if (out_.table.has(token.id) && !vocab_.contains(token.content)) {
        return invalid("added_tokens: id " + std::to_string(token.id) + " of " +
                       json::quote(token.content.substr(0, 80)) + " is taken");
      }
      const std::string shown = token.normalized ? apply_steps(out_.normalizer, token.content) : token.content;
      // A special token that the normaliser rewrites is shown like text; the authors' library does so.
      out_.table.set(token.id, symbol_bytes(shown), token.special && shown == token.content);
    }
    return {};
  }

  std::int32_t lookup(const std::string& token) const {
    const auto found = vocab_.find(token);
    return found == vocab_.end() ? -1 : found->second;
  }

  Status merges() {
    const json::Value* list = model_->find("merges");
    if (list == nullptr || !list->is_array()) return invalid("model.merges must be an array");
    out_.bpe.reserve(list->items().size());
    for (std::size_t i = 0; i < list->items().size(); ++i) {
      std::string left, right;
      if (!merge_pair(list->items()[i], left, right)) {
        return invalid(element("model.merges", i) + " must be \"left right\" or [\"left\", \"right\"]");
      }
      const std::int32_t ids[] = {lookup(left), lookup(right), lookup(left + right)};
      if (std::find(std::begin(ids), std::end(ids), -1) != std::end(ids)) {
        return invalid(element("model.merges", i) + ": a part or the result is not in model.vocab");
      }
      out_.bpe.add_merge(ids[0], ids[1], ids[2]);
    }
    for (unsigned byte = 0; byte < 256; ++byte) {
      const auto c = static_cast<unsigned char>(byte);
      out_.bpe.set_byte(c, lookup(std::string(byte_symbol(c))));
    }
    if (const json::Value* unknown = model_->find("unk_token"); !absent(unknown)) {
      const std::int32_t id = unknown->is_string() ? lookup(unknown->as_string()) : -1;
      if (id < 0) return invalid("model.unk_token is not in model.vocab");
      out_.bpe.set_unknown(id);
    }
    const json::Value* ignore = model_->find("ignore_merges");
    if (absent(ignore) || !ignore->as_bool()) return {};
    for (const auto& [token, id] : vocab_) {
      bool in_alphabet = false;
      std::string bytes = symbol_bytes(token, &in_alphabet);
      if (in_alphabet) out_.bpe.add_whole(std::move(bytes), id);
    }
    return {};
  }

  static bool merge_pair(const json::Value& value, std::string& left, std::string& right) {
    if (value.is_array()) {
      const auto& parts = value.items();
      if (parts.size() != 2 || !parts[0].is_string() || !parts[1].is_string()) return false;
      left = parts[0].as_string();
      right = parts[1].as_string();
    } else {
      if (!value.is_string()) return false;
      const std::string& text = value.as_string();
      const std::size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return false;
      left = text.substr(0, space);
      right = text.substr(space + 1);
    }
    return !left.empty() && !right.empty();
  }

  // Id of a token's spelling, added or ordinary; -1 if there is none.
  std::int32_t id_by_spelling(const std::string& token) const {
    if (token.empty()) return -1;
    const auto added = out_.by_content.find(token);
    return added != out_.by_content.end() ? added->second : lookup(token);
  }

  Status named_tokens() {
    out_.bos_token = token_spelling(config_.find("bos_token"));
    out_.eos_token = token_spelling(config_.find("eos_token"));
    out_.bos_id = id_by_spelling(out_.bos_token);
    out_.eos_id = id_by_spelling(out_.eos_token);
    return {};
  }

  Status post_processor() {
    const json::Value* value = file_.find("post_processor");
    return absent(value) ? Status() : processor(*value, "post_processor", 0);
  }

  Status processor(const json::Value& value, const std::string& key, int depth) {
    const std::string* type = type_of(value);
    if (type == nullptr) return invalid(key + ".type must be a string");
    if (*type == "ByteLevel") return {};
    if (*type == "TemplateProcessing") return template_processor(value, key);
    if (*type != "Sequence" || depth > 4) return unsupported(key + ".type " + json::quote(*type));
    const json::Value* steps = value.find("processors");
    if (steps == nullptr || !steps->is_array()) return invalid(key + ".processors must be an array");
    for (std::size_t i = 0; i < steps->items().size(); ++i) {
      Status status = processor(steps->items()[i], element(key + ".processors", i), depth + 1);
      if (!status.ok()) return status;
    }
    return {};
  }

  Status template_processor(const json::Value& value, const std::string& key) {
    const json::Value* single = value.find("single");
    if (single == nullptr || !single->is_array()) return invalid(key + ".single must be an array");
    has_template_ = true;
    bool seen_text = false;
    for (std::size_t i = 0; i < single->items().size(); ++i) {
      const json::Value& item = single->items()[i];
      const std::string place = element(key + ".single", i);
      if (item.find("Sequence") != nullptr) {
        if (seen_text) return invalid(place + ": the text stands twice");
        seen_text = true;
        continue;
      }
      const json::Value* special = item.find("SpecialToken");
      const json::Value* name = special == nullptr ? nullptr : special->find("id");
      if (name == nullptr || !name->is_string()) return invalid(place + " must be Sequence or SpecialToken");
      if (Status status = template_ids(value, name->as_string(), place, seen_text); !status.ok()) return status;
    }
    return seen_text ? Status() : invalid(key + ".single: the text is missing");
  }

  Status template_ids(const json::Value& value, const std::string& name, const std::string& place, bool after) {
    const json::Value* tokens = value.find("special_tokens");
    const json::Value* token = tokens == nullptr ? nullptr : tokens->find(name);
    const json::Value* ids = token == nullptr ? nullptr : token->find("ids");
    if (ids == nullptr || !ids->is_array())
      return invalid(place + ": special_tokens has no ids for " + json::quote(name));
    for (const json::Value& value_of_id : ids->items()) {
      auto id = id_of(&value_of_id, place + ": id");
      if (!id.ok()) return id.status();
      if (!out_.table.has(*id)) return invalid(place + ": id " + std::to_string(*id) + " is not in the vocabulary");
      (after ? out_.suffix : out_.prefix).push_back(*id);
    }
    return {};
  }

  // Llama's tokenizer class adds BOS by a key of tokenizer_config.json where tokenizer.json has no template for it.
  Status config_bos() {
    const json::Value* type = config_.find("tokenizer_class");
    if (has_template_ || type == nullptr || !type->is_string() || !type->as_string().starts_with("LlamaTokenizer")) {
      return {};
    }
    const auto wanted = [&](const char* key, bool standard) {
      const json::Value* flag = config_.find(key);
      return flag != nullptr && flag->is_bool() ? flag->as_bool() : standard;
    };
    if (wanted("add_bos_token", true) && out_.bos_id >= 0) out_.prefix.push_back(out_.bos_id);
    if (wanted("add_eos_token", false) && out_.eos_id >= 0) out_.suffix.push_back(out_.eos_id);
    return {};
  }

  const json::Value& file_;
  const json::Value& config_;
  const json::Value* model_ = nullptr;
  std::unordered_map<std::string, std::int32_t> vocab_;
  std::int64_t max_id_ = 0;
  std::int32_t highest_ = -1;
  bool has_template_ = false;
  BpeModel out_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> parse_tokenizer(std::string_view file, std::string_view config) {
  auto parsed = parse_json_file(file, "tokenizer.json", kMaxFile);
  if (!parsed.ok()) return parsed.status();
  json::Value settings = json::Value::object();
  if (!config.empty()) {
    auto read = parse_json_file(config, "tokenizer_config.json", kMaxFile);
    if (!read.ok()) return read.status();
    settings = std::move(*read);
  }
  auto model = Loader(*parsed, settings).load();
  if (!model.ok()) return model.status().with_context("tokenizer.json");
  return make_bpe_tokenizer(std::move(*model));
}

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::filesystem::path& folder) {
  auto file = read_text_file(folder / "tokenizer.json", kMaxFile);
  if (!file.ok()) return file.status();
  auto config = read_text_file(folder / "tokenizer_config.json", kMaxFile);
  if (!config.ok() && config.status().code() != Code::not_found) return config.status();
  return parse_tokenizer(*file, config.ok() ? *config : std::string());
}

}  // namespace moe::text
