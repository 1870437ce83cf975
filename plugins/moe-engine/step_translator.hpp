// Turns a step of libmoe into one of plugin.h. One per engine, used on its step thread; buffers are reused.
#pragma once

#include <unordered_map>
#include <vector>

#include "served_model.hpp"

namespace moegate::plugins {

class StepTranslator {
 public:
  explicit StepTranslator(const ServedModel& model) : model_(&model) {}
  // What the step points to lives until the next call.
  const moe_plugin_step& translate(const moe_step& step);

 private:
  void translate_event(const moe_event& from, moe_plugin_event& to);
  const moe_str* views_of(const std::int32_t* tokens, std::size_t count);
  const std::string& bytes_of(std::int32_t token);

  const ServedModel* model_;
  std::unordered_map<std::int32_t, std::string> bytes_;  // of tokens that were asked for; at most the vocabulary
  std::vector<moe_plugin_event> events_;
  std::vector<const moe_plugin_event*> pointers_;
  std::vector<moe_str> views_;
  moe_plugin_step step_{};
};

}  // namespace moegate::plugins
