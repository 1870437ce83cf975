// Dispatch: from "token t chose experts a, b, c" to "expert e has these rows", a counting sort. Stable: the rows of an
// expert stand in token order. No state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/router.hpp"

namespace moe {

// Rows of all experts, one expert after another. Tokens whose routing is bad have no rows.
struct Dispatch {
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFFU;
  std::vector<std::uint32_t> expert_first;  // [num_experts + 1] first row of each expert
  std::vector<std::uint32_t> row_token;     // [rows] token of each row
  std::vector<std::uint32_t> slot_row;      // [tokens * k] row of each (token, choice), or kNoRow

  std::size_t num_rows() const { return row_token.size(); }
  std::size_t rows_of(std::size_t expert) const { return expert_first[expert + 1] - expert_first[expert]; }
};

void dispatch_tokens(const RouterSpec& spec, const Routing& routing, std::size_t tokens, Dispatch& out);

}  // namespace moe
