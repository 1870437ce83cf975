// The C interface as a stranger uses it, with destructors.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "moe/moe.h"

namespace moe::capi::test {

inline moe_str str(std::string_view text) { return {text.data(), text.size()}; }
inline std::string golden(const std::string& name) {
  return std::string(MOE_SOURCE_DIR "/tests/data/golden/models/") + name;
}
inline std::string demo() { return MOE_SOURCE_DIR "/configs/models/demo"; }

struct ModelDeleter {
  void operator()(moe_model* model) const { moe_model_destroy(model); }
};
struct EngineDeleter {
  void operator()(moe_engine* engine) const { moe_engine_destroy(engine); }
};
struct SequenceDeleter {
  void operator()(moe_sequence* sequence) const { moe_sequence_destroy(sequence); }
};
using Model = std::unique_ptr<moe_model, ModelDeleter>;
using Engine = std::unique_ptr<moe_engine, EngineDeleter>;
using Sequence = std::unique_ptr<moe_sequence, SequenceDeleter>;

inline Model load(const std::string& path) {
  moe_model* model = nullptr;
  EXPECT_EQ(moe_model_load(str(path), nullptr, &model), MOE_OK) << moe_last_error();
  return Model(model);
}

inline moe_engine_options engine_options() {
  moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
  return options;
}

inline Engine make_engine(moe_model* model, const moe_engine_options& options = engine_options()) {
  moe_engine* engine = nullptr;
  EXPECT_EQ(moe_engine_create(model, &options, &engine), MOE_OK) << moe_last_error();
  return Engine(engine);
}

inline Sequence make_sequence(moe_engine* engine) {
  moe_sequence* sequence = nullptr;
  EXPECT_EQ(moe_sequence_create(engine, &sequence), MOE_OK) << moe_last_error();
  return Sequence(sequence);
}

inline std::vector<std::int32_t> prompt(std::size_t size) {
  std::vector<std::int32_t> tokens(size);
  for (std::size_t i = 0; i < size; ++i) {
    tokens[i] = 4 + static_cast<std::int32_t>(i * 7 % 190);
  }
  return tokens;
}

inline moe_request request(const std::vector<std::int32_t>& tokens, std::uint64_t max_tokens) {
  moe_request result = MOE_REQUEST_INIT;
  result.prompt = tokens.data();
  result.num_prompt = tokens.size();
  result.max_tokens = max_tokens;
  result.ignore_eos = 1;
  return result;
}

inline moe_engine_stats stats(const moe_engine* engine) {
  moe_engine_stats result = MOE_ENGINE_STATS_INIT;
  EXPECT_EQ(moe_engine_stats_get(engine, &result), MOE_OK);
  return result;
}

struct Answer {
  std::vector<std::int32_t> tokens;
  std::string text;
  moe_event final{};
};

inline Answer read_all(moe_sequence* sequence) {
  Answer answer;
  moe_event event{};
  event.struct_size = sizeof event;
  while (answer.final.kind != MOE_EVENT_FINAL) {
    if (moe_sequence_read(sequence, 60000, &event) != MOE_OK) {
      ADD_FAILURE() << moe_last_error();
      break;
    }
    if (event.kind == MOE_EVENT_TOKENS) {
      answer.tokens.insert(answer.tokens.end(), event.tokens, event.tokens + event.num_tokens);
      answer.text.append(event.text.data, event.text.size);
    }
    if (event.kind == MOE_EVENT_FINAL) {
      answer.final = event;
    }
  }
  return answer;
}

// Calls a function that fills a buffer twice: for the size, then for the bytes.
template <typename Call>
std::string filled(Call call) {
  std::uint64_t size = 0;
  EXPECT_EQ(call(nullptr, 0, &size), MOE_E_OUT_OF_RANGE);
  std::string text(size, '\0');
  EXPECT_EQ(call(text.data(), text.size(), &size), MOE_OK) << moe_last_error();
  return text;
}

// Counts what an engine says through on_step, and can wait for it.
struct Listener {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t steps = 0;  // highest step index
  std::uint64_t tokens = 0;
  std::uint64_t finals = 0;
  std::int32_t last_finish = 0;
  std::uint64_t hold_at = 0;  // step index that answers HOLD, 0 = never
  bool is_holding = false;
  void (*in_step)(Listener&, const moe_step&) = nullptr;
  moe_sequence* target = nullptr;
  moe_engine* engine = nullptr;

  static std::int32_t on_step(void* user, const moe_step* step) {
    auto& self = *static_cast<Listener*>(user);
    const std::lock_guard lock(self.mutex);
    self.steps = step->step_index;
    for (std::uint32_t i = 0; i < step->num_events; ++i) {
      const moe_event& event = *step->events[i];
      self.tokens += event.num_tokens;
      if (event.kind == MOE_EVENT_FINAL) {
        ++self.finals;
        self.last_finish = event.finish_reason;
      }
    }
    if (self.in_step != nullptr) {
      self.in_step(self, *step);
    }
    self.is_holding = self.hold_at != 0 && step->step_index >= self.hold_at;
    self.changed.notify_all();
    return self.is_holding ? MOE_STEP_HOLD : MOE_STEP_CONTINUE;
  }

  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), condition);
  }

  moe_engine_options options() {
    moe_engine_options result = MOE_ENGINE_OPTIONS_INIT;
    result.on_step = &Listener::on_step;
    result.on_step_user = this;
    return result;
  }
};

}  // namespace moe::capi::test
