// moe.h as C++ uses it here: owners, its errors as Status, its buffer rule as values. No state; thread-safe as moe.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kit/boundary.hpp"
#include "moe/moe.h"

namespace moegate::plugins {

struct Destroy {
  void operator()(moe_workers* workers) const { moe_workers_destroy(workers); }
  void operator()(moe_model* model) const { moe_model_destroy(model); }
  void operator()(moe_engine* engine) const { moe_engine_destroy(engine); }
  void operator()(moe_sequence* sequence) const { moe_sequence_destroy(sequence); }
};
using Workers = std::unique_ptr<moe_workers, Destroy>;
using Model = std::unique_ptr<moe_model, Destroy>;
using Engine = std::unique_ptr<moe_engine, Destroy>;
using Sequence = std::unique_ptr<moe_sequence, Destroy>;

// The thread's last failed call: code and moe_last_error().
moe::Status library_error(moe_status status);

moe::Result<std::string> model_facts(const moe_model* model);
moe::Result<std::vector<std::int32_t>> tokenize(const moe_model* model, std::string_view text, std::uint32_t flags);
moe::Result<std::vector<std::int32_t>> tokenize_chat(const moe_model* model, std::string_view request);
moe::Result<std::string> render_chat(const moe_model* model, std::string_view request);
moe::Result<std::string> detokenize(const moe_model* model, const std::vector<std::int32_t>& tokens,
                                    std::uint32_t flags);
moe::Result<std::string> token_bytes(const moe_model* model, std::int32_t token);
// Whether an id stands for a token; true if the model has no tokenizer to ask.
bool is_token(const moe_model* model, std::int32_t token);
moe::Result<std::vector<std::uint64_t>> expert_counts(const moe_engine* engine, std::uint64_t& epoch);

}  // namespace moegate::plugins
