#include "telemetry/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <string>

namespace moegate::telemetry::log {
namespace {

struct Loggers {
  std::shared_ptr<spdlog::logger> text, access;
  std::atomic<bool> has_access{true};

  Loggers() {
    const auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    text = std::make_shared<spdlog::logger>("moegate", sink);
    text->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    const auto access_sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    access = std::make_shared<spdlog::logger>("access", access_sink);
    access->set_pattern("%v");
  }
};

Loggers& loggers() {
  static Loggers all;
  return all;
}

// One record stays one line whatever a text holds.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

void write(spdlog::level::level_enum level, std::string_view text) { loggers().text->log(level, "{}", one_line(text)); }

}  // namespace

void configure(std::string_view level, bool access) {
  loggers().text->set_level(level == "error"     ? spdlog::level::err
                            : level == "warning" ? spdlog::level::warn
                            : level == "debug"   ? spdlog::level::debug
                                                 : spdlog::level::info);
  loggers().has_access = access;
}

void error(std::string_view text) { write(spdlog::level::err, text); }
void warning(std::string_view text) { write(spdlog::level::warn, text); }
void info(std::string_view text) { write(spdlog::level::info, text); }
void debug(std::string_view text) { write(spdlog::level::debug, text); }

void access(std::string_view json) {
  if (loggers().has_access) loggers().access->info("{}", one_line(json));
}

}  // namespace moegate::telemetry::log
