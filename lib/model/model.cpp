#include "model/model.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "model/config.hpp"
#include "model/facts.hpp"
#include "model/families/family.hpp"

namespace moe::model {

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

Result<json::Value> read_config(const std::filesystem::path& folder, const std::string& file) {
  auto path = resolve_inside(folder, file);
  if (!path.ok()) {
    return path.status();
  }
  auto value = read_json_file(*path, kMaxConfigBytes);
  // A cache layout gives the real file another name than config.json.
  return value.ok() || path->filename() == file ? std::move(value)
                                                : Result<json::Value>(value.status().with_context(file));
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::load(const std::filesystem::path& folder, const LoadOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return Status(Code::not_found, "model folder \"" + folder.string() + "\" does not exist");
  }
  auto root = read_config(folder, options.config_file);
  if (!root.ok()) {
    return root.status();
  }
  Config config(std::move(*root), options.config_file);
  std::shared_ptr<Model> model(new Model);
  auto spec = read_spec(config);
  if (!spec.ok()) {
    return spec.status();
  }
  model->spec_ = std::move(*spec);
  auto checkpoint = Checkpoint::open(folder);
  if (!checkpoint.ok()) {
    return checkpoint.status();
  }
  std::shared_ptr<base::WorkerPool> pool = options.pool;
  if (pool == nullptr) {
    auto created = base::WorkerPool::create({});
    if (!created.ok()) {
      return created.status();
    }
    pool = std::move(*created);
  }
  TensorUse use;
  auto weights = [&] {
    base::WorkerPool::Member member(pool, 1);
    const base::Turn turn(member);
    return load_weights(model->spec_, *checkpoint, *pool, options.pack, options.progress, use);
  }();
  if (!weights.ok()) {
    return weights.status();
  }
  model->weights_ = std::move(*weights);
  model->decoder_ = std::make_unique<const Decoder>(model->spec_, model->weights_);
  if (Status status = model->load_text(folder); !status.ok()) {
    return status;
  }
  auto ends =
      find_end_tokens(folder, config.root(), model->spec_.vocab_size, model->tokenizer_.get(), model->template_.get());
  if (!ends.ok()) {
    return ends.status();
  }
  model->end_tokens_ = std::move(*ends);
  if (Status status = model->check_tokens(); !status.ok()) {
    return status;
  }
  model->facts_ = describe(*model, *checkpoint, use);
  return std::shared_ptr<const Model>(std::move(model));
}

// Tokenizer and template are optional; one that is there must be right.
Status Model::load_text(const std::filesystem::path& folder) {
  auto tokenizer = text::load_tokenizer(folder);
  if (tokenizer.ok()) {
    tokenizer_ = std::move(*tokenizer);
  } else if (tokenizer.status().code() != Code::not_found) {
    return tokenizer.status();
  }
  // Four times the context at a generous 16 bytes a token.
  const std::size_t max_output = std::min<std::size_t>(spec_.context * 64, std::size_t{64} << 20);
  auto chat = text::load_chat_template(folder, std::max<std::size_t>(max_output, std::size_t{1} << 16));
  if (chat.ok()) {
    template_ = std::move(*chat);
  } else if (chat.status().code() != Code::not_found) {
    return chat.status();
  }
  return {};
}

Status Model::check_tokens() {
  is_token_.assign(spec_.vocab_size, 1);
  if (tokenizer_ == nullptr) {
    return {};
  }
  if (static_cast<std::size_t>(tokenizer_->vocab_size()) > spec_.vocab_size) {
    return invalid("tokenizer.json: its highest id is " + std::to_string(tokenizer_->vocab_size() - 1) +
                   ", but the model has only " + std::to_string(spec_.vocab_size) + " output rows");
  }
  std::string empty;  // the first few
  std::size_t num_empty = 0;
  for (std::size_t id = 0; id < spec_.vocab_size; ++id) {
    const auto token = static_cast<std::int32_t>(id);
    is_token_[id] = tokenizer_->has_token(token) ? 1 : 0;
    if (is_token_[id] != 0 && tokenizer_->token_bytes(token).empty() && ++num_empty <= 8) {
      empty += " " + std::to_string(id);
    }
  }
  if (num_empty != 0) {
    base::log(base::LogLevel::warning,
              "tokenizer.json: " + std::to_string(num_empty) + " tokens have no text:" + empty);
  }
  return {};
}

bool Model::is_end_token(std::int32_t id) const {
  return std::any_of(end_tokens_.begin(), end_tokens_.end(), [&](const EndToken& token) { return token.id == id; });
}

}  // namespace moe::model
