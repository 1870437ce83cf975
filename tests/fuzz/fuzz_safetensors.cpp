// LINK: room_core room_model
// Weight files and configurations as strangers may write them: the header of a safetensors file, and the same bytes as
// a config.json.
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/json.hpp"
#include "model/config.hpp"
#include "model/families/family.hpp"
#include "model/safetensors.hpp"

namespace {

void check(bool ok) {
  if (!ok) {
    __builtin_trap();
  }
}

void as_weights(std::string_view file) {
  std::uint64_t length = 0;
  if (file.size() < sizeof length) {
    return;
  }
  std::memcpy(&length, file.data(), sizeof length);
  file.remove_prefix(sizeof length);
  const std::string_view header = file.substr(0, length);
  const std::uint64_t data_bytes = file.size() - header.size();
  const auto tensors = moe::model::parse_safetensors_header(header, sizeof length + header.size(), data_bytes, "fuzz");
  if (!tensors.ok()) {
    check(!tensors.status().message().empty());
    return;
  }
  for (const auto& [name, info] : *tensors) {  // whatever is accepted lies inside the file
    check(info.offset >= sizeof length + header.size() && info.bytes > 0);
    check(info.offset + info.bytes <= sizeof length + header.size() + data_bytes);
  }
}

void as_config(std::string_view text) {
  auto root = moe::json::parse(text);
  if (!root.ok() || !root->is_object()) {
    return;
  }
  moe::model::Config config(std::move(*root), "config.json");
  const auto spec = moe::model::read_spec(config);
  if (spec.ok()) {
    check(spec->num_heads % spec->num_kv_heads == 0 && spec->head_dim % 2 == 0);
    check(spec->num_moe_layers() == 0 || spec->router.experts_per_token <= spec->router.num_experts);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  as_weights(bytes);
  as_config(bytes);
  return 0;
}
