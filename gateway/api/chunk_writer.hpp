// A streamed answer: events to server-sent events, in the exact shapes that the OpenAI clients check. One a request, on
// its strand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/wire.hpp"

namespace moegate::api {

class ChunkWriter {
 public:
  ChunkWriter(const Params& params, AnswerHead head);

  // Text for the socket, empty if the event shows nothing. A choice begins with its role, ends with one finish chunk.
  std::string on_event(const backend::Event& event);
  // Finish chunks for choices that have none (cancelled), the usage chunk if asked, [DONE].
  std::string end(const ledger::Counts& counts, const UsageExtra& extra);
  static std::string error(const std::string& error_body);

 private:
  struct Choice {
    bool has_begun = false, has_finished = false;
    std::string logprobs;  // chat, held until a chunk goes out
    LegacyLogprobs legacy;
    std::string token_ids;  // the same
    std::vector<std::string> tool_ids;
  };

  std::size_t index_of(const backend::Event& event) const { return event.sequence * params_.n + event.choice; }
  std::string chunk(std::size_t index, Choice& choice, std::string_view delta, std::string_view finish,
                    const ledger::Counts* counts);
  std::string begin(std::size_t index, Choice& choice, const ledger::Counts& counts);
  std::string delta_of(const backend::Event& event) const;
  std::string content_chunk(std::size_t index, Choice& choice, const backend::Event& event);
  std::string usage_tail(const ledger::Counts* counts) const;

  const Params& params_;
  AnswerHead head_;
  std::string open_;
  std::vector<Choice> choices_;
};

}  // namespace moegate::api
