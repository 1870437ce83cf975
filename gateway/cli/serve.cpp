#include "cli/serve.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <future>
#include <iostream>
#include <optional>
#include <thread>

#include "cli/server.hpp"
#include "core/json.hpp"
#include "telemetry/log.hpp"

namespace moegate::cli {
namespace {

namespace log = telemetry::log;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);  // before any thread starts: all inherit it
    ::signal(SIGPIPE, SIG_IGN);
  }
  // The signal that came within `wait`, 0 if none.
  int wait(milliseconds wait) const {
    const timespec time{static_cast<time_t>(wait.count() / 1000), static_cast<long>(wait.count() % 1000) * 1'000'000};
    const int signal = sigtimedwait(&set_, nullptr, &time);
    return signal > 0 ? signal : 0;
  }

 private:
  sigset_t set_{};
};

// Tells systemd, if it started us (Type=notify).
void notify(const char* state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto size = std::strlen(path);
  if (size >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  ::sendto(fd, state, std::strlen(state), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  ::close(fd);
}

int fail(const moe::Status& status) {
  log::error(status.message());
  return 1;
}

// False: a signal came first. A load cannot be stopped halfway; nothing is served yet, so the process just goes.
std::optional<moe::Status> load(Server& server, const Signals& signals) {
  auto loading = std::async(std::launch::async, [&server] { return server.load_models(); });
  while (loading.wait_for(milliseconds(0)) != std::future_status::ready) {
    if (signals.wait(milliseconds(20)) != 0) {
      log::info("stopped while loading");
      std::_Exit(0);
    }
  }
  return loading.get();
}

void drain(Server& server, const Signals& signals, milliseconds bound) {
  log::info("draining: " + std::to_string(server.active()) + " request(s) in work");
  notify("STOPPING=1");
  server.begin_drain();
  auto until = Clock::now() + bound;
  while (server.active() > 0 && Clock::now() < until) {
    if (signals.wait(milliseconds(20)) != 0) until = Clock::now();
  }
  if (server.active() > 0) {
    log::warning("the drain bound has passed: ending " + std::to_string(server.active()) + " request(s)");
    server.shed();
    const auto last = Clock::now() + std::chrono::seconds(5);
    while (server.active() > 0 && Clock::now() < last) std::this_thread::sleep_for(milliseconds(5));
  }
}

int run(Server& server, const config::Config& config, const Signals& signals) {
  if (auto status = server.open(); !status.ok()) return fail(status);
  if (auto status = load(server, signals); !status->ok()) return fail(*status);
  if (auto status = server.serve(); !status.ok()) return fail(status);
  notify("READY=1");
  while (signals.wait(milliseconds(1000)) == 0 && !server.ledger_failed()) server.tick();
  drain(server, signals, config.server.drain);
  const bool failed = server.ledger_failed();
  server.close();
  log::info(failed ? "stopped after a failure of the ledger" : "stopped");
  return failed ? 1 : 0;
}

}  // namespace

int serve(const std::filesystem::path& config_file) {
  auto config = config::load(config_file);
  if (!config) {
    std::cerr << config.status().message() << '\n';
    return 1;
  }
  log::configure(config->log.level, config->log.access);
  const Signals signals;
  log::info(std::string("moegate ") + MOEGATE_VERSION + ", configuration " + config_file.string());
  Server server(*config);
  return run(server, *config, signals);
}

int check(const std::filesystem::path& config_file, bool as_json) {
  const auto config = config::load(config_file);
  if (as_json) {
    using moe::json::Value;
    Value findings = Value::array();
    std::string text = config.status().message();
    while (!text.empty()) {
      const auto end = text.find('\n');
      findings.push(Value::string(text.substr(0, end)));
      text = end == std::string::npos ? "" : text.substr(end + 1);
    }
    std::cout << moe::json::write(Value::object().set("ok", Value::boolean(config.ok())).set("findings", findings))
              << '\n';
  } else if (config) {
    std::cout << config_file.string() << ": fine, " << config->models.size() << " model(s)\n";
  } else {
    std::cerr << config.status().message() << '\n';
  }
  return config ? 0 : 1;
}

}  // namespace moegate::cli
