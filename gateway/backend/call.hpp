// The functions of moe.backend/1 as values and errors. Internal to the gateway; no state of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"
#include "moe/plugin.h"

namespace moegate::backend {

using Table = moe_plugin_backend_1;

// A refusal of a plugin: it may add a code of its own and the path of the field, never an HTTP status.
struct Refusal {
  moe::Status status;  // with param
  std::string code;    // "" = by the status
};

template <typename T>
using Outcome = std::variant<T, Refusal>;

// A prompt that is rendered and counted; freed unless start() took it. Movable.
class Prepared {
 public:
  Prepared() = default;
  Prepared(const Table& table, moe_plugin_prepared* handle, moe_plugin_prepared_info info)
      : table_(&table), handle_(handle), info_(info) {}
  Prepared(Prepared&& other) noexcept { swap(other); }
  Prepared& operator=(Prepared&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Prepared() {
    if (handle_ != nullptr) table_->discard(handle_);
  }
  std::uint64_t prompt_tokens() const { return info_.prompt_tokens; }
  std::uint64_t max_tokens() const { return info_.max_tokens; }
  std::uint64_t max_context_tokens() const { return info_.max_context_tokens; }
  moe_plugin_prepared* take() { return std::exchange(handle_, nullptr); }

 private:
  void swap(Prepared& other) {
    std::swap(table_, other.table_);
    std::swap(handle_, other.handle_);
    std::swap(info_, other.info_);
  }
  const Table* table_ = nullptr;
  moe_plugin_prepared* handle_ = nullptr;
  moe_plugin_prepared_info info_ = MOE_PLUGIN_PREPARED_INFO_INIT;
};

inline moe_str str(std::string_view text) { return {text.data(), text.size()}; }
Refusal refusal(moe_status status, moe_plugin_error& error);

Outcome<Prepared> call_prepare(const Table& table, std::string_view model, std::string_view request);
enum class TextCall { tokenize, detokenize };
Outcome<moe::json::Value> call_text(const Table& table, TextCall which, std::string_view model,
                                    std::string_view request);
moe::Result<moe::json::Value> call_facts(const Table& table, std::string_view model);
moe::Result<moe::json::Value> call_models(const Table& table);

}  // namespace moegate::backend
