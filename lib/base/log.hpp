// The library's one log hook. Silent until the host sets a sink; never prints. Thread-safe: set_log_sink() returns
// after calls to the old sink have ended, so a sink must not call set_log_sink().
#pragma once

#include <cstdint>
#include <string_view>

namespace moe::base {

// Numbers equal MOE_LOG_* in include/moe/moe.h.
enum class LogLevel : std::int32_t { error = 1, warning = 2, info = 3, debug = 4 };

using LogSink = void (*)(void* user, LogLevel level, std::string_view text);

// nullptr: silence. Messages above `max_level` are not delivered.
void set_log_sink(LogSink sink, void* user, LogLevel max_level);
// Lets a caller skip building a text that nobody reads.
bool log_enabled(LogLevel level);
void log(LogLevel level, std::string_view text);

}  // namespace moe::base
