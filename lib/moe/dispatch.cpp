#include "moe/dispatch.hpp"

#include <numeric>

namespace moe {

void dispatch_tokens(const RouterSpec& spec, const Routing& routing, std::size_t tokens, Dispatch& out) {
  const std::size_t k = spec.experts_per_token;
  out.expert_first.assign(spec.num_experts + 1, 0);
  out.slot_row.assign(tokens * k, Dispatch::kNoRow);
  for (std::size_t slot = 0; slot < tokens * k; ++slot) {
    if (routing.is_bad[slot / k] == 0) {
      ++out.expert_first[static_cast<std::size_t>(routing.experts[slot]) + 1];
    }
  }
  std::partial_sum(out.expert_first.begin(), out.expert_first.end(), out.expert_first.begin());
  out.row_token.resize(out.expert_first.back());
  // Fill from the end, so that expert_first itself can count down: afterwards entry e + 1 is the first row of e.
  for (std::size_t slot = tokens * k; slot-- > 0;) {
    if (routing.is_bad[slot / k] == 0) {
      const std::uint32_t row = --out.expert_first[static_cast<std::size_t>(routing.experts[slot]) + 1];
      out.row_token[row] = static_cast<std::uint32_t>(slot / k);
      out.slot_row[slot] = row;
    }
  }
  // Entry e + 1 now holds the first row of expert e: move down and close with the total.
  for (std::size_t expert = 0; expert < spec.num_experts; ++expert) {
    out.expert_first[expert] = out.expert_first[expert + 1];
  }
  out.expert_first[spec.num_experts] = static_cast<std::uint32_t>(out.row_token.size());
}

}  // namespace moe
