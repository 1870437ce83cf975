// A loaded model: weights, tokenizer, chat template, facts. Immutable after load, shared by engines and callers on any
// thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/decoder.hpp"
#include "model/end_tokens.hpp"
#include "model/model_spec.hpp"
#include "model/weights.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace moe::model {

struct LoadOptions {
  std::shared_ptr<base::WorkerPool> pool;  // null: a temporary one
  Progress progress;                       // may be empty
  PackMatrix pack = &ops::pack_f32;
  std::string config_file = "config.json";
};

class Model {
 public:
  // Errors: NOT_FOUND, INVALID_ARGUMENT (file, tensor or key named), UNSUPPORTED, RESOURCE_EXHAUSTED, CANCELLED.
  static Result<std::shared_ptr<const Model>> load(const std::filesystem::path& folder, const LoadOptions& options);

  const ModelSpec& spec() const { return spec_; }
  const Weights& weights() const { return weights_; }
  const Decoder& decoder() const { return *decoder_; }
  const text::Tokenizer* tokenizer() const { return tokenizer_.get(); }        // nullptr: the folder has none
  const text::ChatTemplate* chat_template() const { return template_.get(); }  // likewise
  const std::vector<EndToken>& end_tokens() const { return end_tokens_; }
  bool is_end_token(std::int32_t id) const;
  // False for rows of the output matrix that are no token (padding): they are never sampled and never a prompt.
  bool is_token(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < is_token_.size() && is_token_[static_cast<std::size_t>(id)] != 0;
  }
  const std::vector<std::uint8_t>& token_mask() const { return is_token_; }  // [vocab] 1 = a token
  const std::string& facts() const { return facts_; }                        // JSON

 private:
  Model() = default;
  Status load_text(const std::filesystem::path& folder);
  Status check_tokens();

  ModelSpec spec_;
  Weights weights_;
  std::unique_ptr<const Decoder> decoder_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::shared_ptr<const text::ChatTemplate> template_;
  std::vector<EndToken> end_tokens_;
  std::vector<std::uint8_t> is_token_;
  std::string facts_;
};

}  // namespace moe::model
