// A host for one plugin: loads it, copies its events, answers HOLD when told. Used from the test's thread; on_step
// comes on the plugin's.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "kit/boundary.hpp"

namespace moegate::plugins::testing {

// A copied event; text and tokens of an ended request are put together by Answer.
struct Seen {
  moe_plugin_event event{};  // its pointers are not to be followed
  std::string text, tool_name, message;
  std::vector<std::int32_t> tokens;
  std::vector<float> logprobs;
  std::vector<std::string> token_bytes;
  std::vector<std::uint8_t> digest;
};

struct Answer {
  std::vector<Seen> events;  // in order; the last is FINAL once it ended
  int finals = 0;

  const moe_plugin_event& last() const { return events.back().event; }
  std::string text(std::uint32_t choice = 0, std::int32_t channel = MOE_PLUGIN_CHANNEL_CONTENT) const;
  std::vector<std::int32_t> tokens(std::uint32_t choice = 0) const;
  std::int32_t finish(std::uint32_t choice = 0) const;  // of the TOKENS event that ended the choice
};

class Host {
 public:
  explicit Host(const std::string& plugin);  // "playback", or the path of a shared object
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const moe_plugin& plugin() const { return *plugin_; }
  moe_status init(const std::string& config);
  void deinit();
  const moe_plugin_backend_1& backend() const { return *backend_; }
  const moe_plugin_error& error() const { return error_; }

  // Gives NULL and fills error() when refused.
  moe_plugin_prepared* prepare(const std::string& model, const std::string& request);
  const moe_plugin_prepared_info& info() const { return info_; }
  static moe_plugin_start_options options(std::uint64_t tag);
  moe_status start(moe_plugin_prepared* prepared, const moe_plugin_start_options& options);
  // prepare + start of a chat of one user message; the test fails if refused.
  void chat(const std::string& model, std::uint64_t tag, const std::string& text, const std::string& more = "");
  static std::string chat_json(const std::string& text, const std::string& more = "");

  // Waits for FINAL (60 s, then the test fails).
  Answer wait(std::uint64_t tag);
  // Waits until `ready` holds for what came for a tag so far.
  void wait_until(std::uint64_t tag, const std::function<bool(const Answer&)>& ready);
  Answer peek(std::uint64_t tag);
  // Called in each on_step, its answer is given to the plugin.
  void on_step(std::function<std::int32_t(const moe_plugin_step&)> answer);
  std::uint64_t steps();
  void wait_steps(std::uint64_t count);     // until so many steps came
  std::vector<std::string> broken_rules();  // of the interface, seen so far

  moe::json::Value json(const std::function<moe_status(const moe_plugin_sink*)>& call);
  moe_plugin_counters counters(const std::string& model);

 private:
  static std::int32_t step_trampoline(void* context, const moe_plugin_step* step);
  void copy(const moe_plugin_event& event);
  void check(const moe_plugin_event& event, const Answer& before);

  void* library_ = nullptr;
  const moe_plugin* plugin_ = nullptr;
  const moe_plugin_backend_1* backend_ = nullptr;
  bool is_initialised_ = false;
  moe_plugin_error error_ = MOE_PLUGIN_ERROR_INIT;
  moe_plugin_prepared_info info_ = MOE_PLUGIN_PREPARED_INFO_INIT;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::map<std::uint64_t, Answer> answers_;
  std::function<std::int32_t(const moe_plugin_step&)> step_answer_;
  std::uint64_t steps_ = 0;
  std::vector<std::string> broken_rules_;
};

inline moe_str to_str(const std::string& text) { return {text.data(), text.size()}; }
std::string source_path(const std::string& below);
// Plugin configuration with one model "m" that plays the basic script.
std::string basic_config();
// ... that plays `script`.
std::string script_config(const std::string& script);

}  // namespace moegate::plugins::testing
