// A whole (not streamed) answer, collected from events. One a request, on its strand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/wire.hpp"

namespace moegate::api {

class Answer {
 public:
  Answer(const Params& params, AnswerHead head);
  void on_event(const backend::Event& event);
  std::string body(const ledger::Counts& counts, const UsageExtra& extra) const;

 private:
  struct ToolCall {
    std::string name, arguments;
  };
  struct Choice {
    std::string text, reasoning, logprobs, token_ids;
    LegacyLogprobs legacy;
    std::map<std::uint32_t, ToolCall> tools;
    backend::Finish finish = backend::Finish::none;
  };

  std::string message(const Choice& choice) const;
  std::string choice_object(std::size_t index) const;

  const Params& params_;
  AnswerHead head_;
  std::vector<Choice> choices_;
};

}  // namespace moegate::api
