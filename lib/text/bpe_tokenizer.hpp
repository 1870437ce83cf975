// Byte-level BPE tokenizer: what tokenizer_load.cpp reads and bpe_tokenizer.cpp runs. Immutable after load.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/bpe.hpp"
#include "text/pretokenizer.hpp"
#include "text/tokenizer.hpp"

namespace moe::text {

enum class NormalStep : std::uint8_t { nfc, nfd, nfkc, nfkd, lowercase };
std::string apply_steps(const std::vector<NormalStep>& steps, std::string_view text);

// Bytes and flags of every id.
class TokenTable {
 public:
  void resize(std::size_t size) { entries_.resize(size); }
  void set(std::int32_t id, std::string bytes, bool special);
  bool has(std::int32_t id) const;
  bool special(std::int32_t id) const { return has(id) && entries_[static_cast<std::size_t>(id)].special; }
  std::string_view bytes(std::int32_t id) const;
  std::int32_t size() const { return static_cast<std::int32_t>(entries_.size()); }

 private:
  struct Entry {
    std::string bytes;
    bool present = false;
    bool special = false;
  };
  std::vector<Entry> entries_;
};

struct BpeModel {
  std::vector<NormalStep> normalizer;
  std::unique_ptr<PreTokenizer> pretokenizer;
  Bpe bpe;
  TokenTable table;
  std::deque<AddedToken> added;  // what the two sets below point to
  AddedTokens raw_tokens;        // matched in the text as given
  AddedTokens normal_tokens;     // matched in the normalised text
  std::unordered_map<std::string, std::int32_t> by_content;
  std::vector<std::int32_t> prefix, suffix;  // BOS and EOS of EncodeOptions::add_special
  std::string bos_token, eos_token;
  std::int32_t bos_id = -1, eos_id = -1;
};

std::shared_ptr<const Tokenizer> make_bpe_tokenizer(BpeModel model);

}  // namespace moe::text
