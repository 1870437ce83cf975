#include "moe/route_digest.hpp"

#include <algorithm>
#include <string_view>

namespace moe {

void RouteDigest::add(std::uint64_t position, std::span<const std::int32_t> experts) {
  const std::uint64_t block = position / kBlockTokens;
  if (is_open_ && block != open_block_) {
    close_block();
  }
  if (!is_open_) {
    open_ = Sha256();
    open_block_ = block;
    is_open_ = true;
  }
  ids_.assign(experts.begin(), experts.end());
  std::sort(ids_.begin(), ids_.end());
  for (const std::uint16_t id : ids_) {
    const std::uint8_t bytes[2] = {static_cast<std::uint8_t>(id & 0xFF), static_cast<std::uint8_t>(id >> 8)};
    open_.update(bytes, sizeof(bytes));
  }
}

void RouteDigest::close_block() {
  if (is_open_) {
    blocks_.push_back(open_.finish());
    is_open_ = false;
  }
}

void RouteDigest::restore_block(const Digest& block) { blocks_.push_back(block); }

Digest RouteDigest::finish(const std::array<std::uint8_t, 32>& route_key) const {
  std::vector<Digest> all = blocks_;
  if (is_open_) {
    all.push_back(open_.finish());
  }
  const auto* bytes = reinterpret_cast<const char*>(all.data());
  return hmac_sha256(route_key, std::string_view(bytes, all.size() * sizeof(Digest)));
}

}  // namespace moe
