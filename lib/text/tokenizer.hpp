// Tokenizer of a model folder (tokenizer.json, tokenizer_config.json): text to ids and back, exactly as the model's
// authors do it. Immutable after load, safe to use from many threads at once. Linear in the text (1 MiB within a
// second).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

namespace moe::text {

// A rendered prompt in parts: text the template itself wrote (special tokens in it are tokens) and text that came from
// the request (always plain text). Concatenated they are the prompt.
struct PromptPart {
  std::string text;
  bool from_request = false;
};

struct EncodeOptions {
  bool add_special = false;    // BOS / EOS as the model's authors do it
  bool parse_special = false;  // special added tokens in the text become tokens; other added tokens always do
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Errors: INVALID_ARGUMENT (text is not UTF-8).
  virtual Result<std::vector<std::int32_t>> encode(std::string_view text, const EncodeOptions& options) const = 0;
  // Ids of a rendered prompt: encode(join(parts), parse_special), but a special token is one only where no byte of its
  // spelling came from the request.
  virtual Result<std::vector<std::int32_t>> encode_parts(std::span<const PromptPart> parts) const = 0;
  // Bytes of one token as it stands in running text (may be part of a code point); empty for an id without text.
  virtual std::string_view token_bytes(std::int32_t id) const = 0;
  virtual bool has_token(std::int32_t id) const = 0;
  virtual bool is_special(std::int32_t id) const = 0;
  // Id of an added token by its spelling, -1 if there is none.
  virtual std::int32_t special_id(std::string_view content) const = 0;
  virtual std::int32_t vocab_size() const = 0;  // highest id + 1
  // Whole decode. Byte-level families: one U+FFFD per maximal invalid part.
  virtual std::string decode(std::span<const std::int32_t> ids, bool skip_special) const = 0;

  // Tokens named in tokenizer_config.json; -1 / "" if none.
  virtual std::int32_t bos_id() const = 0;
  virtual std::int32_t eos_id() const = 0;
  virtual const std::string& bos_token() const = 0;
  virtual const std::string& eos_token() const = 0;
};

// Loads <folder>/tokenizer.json (byte-level BPE with Split or ByteLevel pre-tokenisers; NFC).
// Errors: NOT_FOUND, INVALID_ARGUMENT / UNSUPPORTED with file and key.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const std::filesystem::path& folder);
// The same from the texts of the two files; `config` may be empty.
Result<std::shared_ptr<const Tokenizer>> parse_tokenizer(std::string_view file, std::string_view config);

// Streaming decode of one choice: gives each token's text as soon as no code point is cut; never emits half a code
// point.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special) : tokenizer_(&tokenizer), skip_special_(skip_special) {}
  std::string push(std::int32_t id);  // new complete text, may be empty
  std::string flush();                // what is held back, U+FFFD for each maximal invalid part

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string held_;  // at most 3 bytes of an incomplete code point
};

}  // namespace moe::text
