#include "runtime/sequence.hpp"

#include <algorithm>

namespace moe::runtime {

void Event::clear() {
  kind = EventKind::tokens;
  sequence.reset();
  tag = 0;
  choice_index = 0;
  finish = Finish::none;
  status = Code::ok;
  text.clear();
  tokens.clear();
  logprobs.clear();
  num_top = 0;
  top_tokens.clear();
  top_logprobs.clear();
  prompt_tokens = cached_tokens = completion_tokens = 0;
  has_digest = false;
  queue_ns = prefill_ns = decode_ns = 0;
}

bool Sequence::all_choices_finished() const { return num_unfinished() == 0; }

std::uint32_t Sequence::num_unfinished() const {
  return static_cast<std::uint32_t>(std::count_if(choices.begin(), choices.end(),
                                                  [](const Choice& choice) { return choice.finish == Finish::none; }));
}

bool Sequence::queue_is_full() {
  const std::lock_guard lock(queue_mutex);
  return queue.size() >= kMaxQueued;
}

}  // namespace moe::runtime
