#include "host_harness.hpp"

#include <dlfcn.h>

#include <chrono>
#include <stdexcept>

namespace moegate::plugins::testing {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

void write_to_string(void* context, const char* data, std::uint64_t size) {
  static_cast<std::string*>(context)->append(data, size);
}

}  // namespace

std::string Answer::text(std::uint32_t choice, std::int32_t channel) const {
  std::string all;
  for (const Seen& seen : events) {
    if (seen.event.choice_index == choice && seen.event.channel == channel) all += seen.text;
  }
  return all;
}

std::vector<std::int32_t> Answer::tokens(std::uint32_t choice) const {
  std::vector<std::int32_t> all;
  for (const Seen& seen : events) {
    if (seen.event.kind != MOE_PLUGIN_EVENT_TOKENS || seen.event.choice_index != choice) continue;
    all.insert(all.end(), seen.tokens.begin(), seen.tokens.end());
  }
  return all;
}

std::int32_t Answer::finish(std::uint32_t choice) const {
  for (const Seen& seen : events) {
    if (seen.event.kind == MOE_PLUGIN_EVENT_TOKENS && seen.event.choice_index == choice &&
        seen.event.finish_reason != 0) {
      return seen.event.finish_reason;
    }
  }
  return MOE_PLUGIN_FINISH_NONE;
}

Host::Host(const std::string& plugin) {
  const bool is_path = plugin.find('/') != std::string::npos;
  const std::string path = is_path ? plugin : std::string(MOE_TEST_PLUGIN_DIR) + "/moegate-" + plugin + ".so";
  library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<moe_plugin_entry_fn>(dlsym(library_, MOE_PLUGIN_ENTRY_NAME));
  if (entry == nullptr) throw std::runtime_error(path + " has no " MOE_PLUGIN_ENTRY_NAME);
  plugin_ = entry();
  backend_ = static_cast<const moe_plugin_backend_1*>(plugin_->get_extension(MOE_PLUGIN_BACKEND_1));
}

Host::~Host() {
  deinit();
  dlclose(library_);
}

moe_status Host::init(const std::string& config) {
  moe_host host{};
  host.struct_size = sizeof(host);
  host.abi_major = MOE_PLUGIN_ABI_MAJOR;
  host.abi_minor = MOE_PLUGIN_ABI_MINOR;
  host.context = this;
  host.on_step = step_trampoline;
  host.log = [](void*, std::int32_t, moe_str) {};
  host.now_us = [](void*) -> std::int64_t { return 1700000000000000; };
  error_ = MOE_PLUGIN_ERROR_INIT;
  const moe_status status = plugin_->init(&host, to_str(config), &error_);
  if (status == MOE_OK) is_initialised_ = true;
  return status;
}

void Host::deinit() {
  if (is_initialised_) plugin_->deinit();
  is_initialised_ = false;
}

moe_plugin_prepared* Host::prepare(const std::string& model, const std::string& request) {
  moe_plugin_prepared* prepared = nullptr;
  error_ = MOE_PLUGIN_ERROR_INIT;
  info_ = MOE_PLUGIN_PREPARED_INFO_INIT;
  const moe_status status = backend_->prepare(to_str(model), to_str(request), &prepared, &info_, &error_);
  EXPECT_EQ(status == MOE_OK, prepared != nullptr);
  return prepared;
}

moe_plugin_start_options Host::options(std::uint64_t tag) {
  moe_plugin_start_options options{};
  options.struct_size = sizeof(options);
  options.tag = tag;
  options.num_choices = 1;
  return options;
}

moe_status Host::start(moe_plugin_prepared* prepared, const moe_plugin_start_options& options) {
  error_ = MOE_PLUGIN_ERROR_INIT;
  return backend_->start(prepared, &options, &error_);
}

std::string Host::chat_json(const std::string& text, const std::string& more) {
  return R"({"messages":[{"role":"user","content":)" + moe::json::quote(text) + "}]" + more + "}";
}

void Host::chat(const std::string& model, std::uint64_t tag, const std::string& text, const std::string& more) {
  moe_plugin_prepared* prepared = prepare(model, chat_json(text, more));
  ASSERT_NE(prepared, nullptr) << error_.message;
  ASSERT_EQ(start(prepared, options(tag)), MOE_OK) << error_.message;
}

std::int32_t Host::step_trampoline(void* context, const moe_plugin_step* step) {
  auto& host = *static_cast<Host*>(context);
  std::function<std::int32_t(const moe_plugin_step&)> answer;
  {
    const std::lock_guard lock(host.mutex_);
    ++host.steps_;
    for (std::uint32_t i = 0; i < step->num_events; ++i) host.copy(*step->events[i]);
    answer = host.step_answer_;
  }
  host.changed_.notify_all();
  return answer ? answer(*step) : MOE_PLUGIN_STEP_CONTINUE;
}

void Host::copy(const moe_plugin_event& event) {
  Answer& answer = answers_[event.tag];
  check(event, answer);
  Seen seen;
  seen.event = event;
  seen.text = view(event.text);
  seen.tool_name = view(event.tool_name);
  seen.message = view(event.message);
  for (std::uint32_t i = 0; i < event.num_tokens; ++i) {
    seen.tokens.push_back(event.tokens[i]);
    if (event.logprobs != nullptr) seen.logprobs.push_back(event.logprobs[i]);
    if (event.token_bytes != nullptr) seen.token_bytes.emplace_back(view(event.token_bytes[i]));
  }
  if (event.route_digest != nullptr) seen.digest.assign(event.route_digest, event.route_digest + 32);
  if (event.kind == MOE_PLUGIN_EVENT_FINAL) ++answer.finals;
  answer.events.push_back(std::move(seen));
}

// What holds for every backend: nothing after FINAL, counts never fall, the completion count is what was sent.
void Host::check(const moe_plugin_event& event, const Answer& before) {
  const auto broken = [&](const char* rule) { broken_rules_.push_back(std::to_string(event.tag) + ": " + rule); };
  if (event.struct_size < sizeof(moe_plugin_event)) broken("struct_size is too small");
  if (!moe::json::parse(moe::json::quote(view(event.text))).ok()) broken("a text is not UTF-8");
  if (before.finals > 0) broken("an event after FINAL");
  std::uint64_t sent = event.kind == MOE_PLUGIN_EVENT_TOKENS ? event.num_tokens : 0;
  for (const Seen& seen : before.events) sent += seen.event.kind == MOE_PLUGIN_EVENT_TOKENS ? seen.tokens.size() : 0;
  if (event.completion_tokens != sent) broken("completion_tokens is not the number of tokens sent");
  if (event.reasoning_tokens > event.completion_tokens) broken("reasoning_tokens is larger than completion_tokens");
  if (before.events.empty()) return;
  const moe_plugin_event& last = before.last();
  if (event.completion_tokens < last.completion_tokens || event.prompt_computed < last.prompt_computed ||
      event.prompt_cached < last.prompt_cached || event.reasoning_tokens < last.reasoning_tokens) {
    broken("a cumulative count fell");
  }
}

Answer Host::wait(std::uint64_t tag) {
  wait_until(tag, [](const Answer& answer) { return answer.finals > 0; });
  return peek(tag);
}

void Host::wait_until(std::uint64_t tag, const std::function<bool(const Answer&)>& ready) {
  std::unique_lock lock(mutex_);
  const bool came = changed_.wait_for(lock, kPatience, [&] { return ready(answers_[tag]); });
  if (!came) throw std::runtime_error("nothing came for tag " + std::to_string(tag));
}

Answer Host::peek(std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  return answers_[tag];
}

void Host::on_step(std::function<std::int32_t(const moe_plugin_step&)> answer) {
  const std::lock_guard lock(mutex_);
  step_answer_ = std::move(answer);
}

std::uint64_t Host::steps() {
  const std::lock_guard lock(mutex_);
  return steps_;
}

void Host::wait_steps(std::uint64_t count) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return steps_ >= count; })) throw std::runtime_error("no step came");
}

std::vector<std::string> Host::broken_rules() {
  const std::lock_guard lock(mutex_);
  return broken_rules_;
}

moe::json::Value Host::json(const std::function<moe_status(const moe_plugin_sink*)>& call) {
  std::string text;
  const moe_plugin_sink sink = {&text, write_to_string};
  EXPECT_EQ(call(&sink), MOE_OK) << error_.message;
  auto value = moe::json::parse(text);
  EXPECT_TRUE(value.ok()) << text;
  return value.ok() ? std::move(value).value() : moe::json::Value();
}

moe_plugin_counters Host::counters(const std::string& model) {
  moe_plugin_counters counters = MOE_PLUGIN_COUNTERS_INIT;
  EXPECT_EQ(backend_->counters(to_str(model), &counters), MOE_OK);
  return counters;
}

std::string source_path(const std::string& below) { return std::string(MOE_TEST_SOURCE_DIR) + "/" + below; }

std::string basic_config() {
  return R"({"models":[{"id":"m","path":)" + moe::json::quote(source_path("tests/data/playback/basic.json")) + "}]}";
}

std::string script_config(const std::string& script) { return R"({"models":[{"id":"m","script":)" + script + "}]}"; }

}  // namespace moegate::plugins::testing
