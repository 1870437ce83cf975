#include "base/log.hpp"

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace moe::base {
namespace {

struct Hook {
  std::shared_mutex mutex;  // guards sink and user; held shared during a call
  LogSink sink = nullptr;
  void* user = nullptr;
  std::atomic<std::int32_t> max_level{0};  // 0 = no sink
};

// Never destroyed: a worker may log while static objects of the process are being destroyed.
Hook& hook() {
  static Hook* const instance = new Hook;
  return *instance;
}

}  // namespace

void set_log_sink(LogSink sink, void* user, LogLevel max_level) {
  Hook& h = hook();
  const std::unique_lock lock(h.mutex);
  h.sink = sink;
  h.user = user;
  h.max_level.store(sink == nullptr ? 0 : static_cast<std::int32_t>(max_level), std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) {
  return static_cast<std::int32_t>(level) <= hook().max_level.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view text) {
  if (!log_enabled(level)) {
    return;
  }
  Hook& h = hook();
  const std::shared_lock lock(h.mutex);
  if (h.sink != nullptr) {
    h.sink(h.user, level, text);
  }
}

}  // namespace moe::base
