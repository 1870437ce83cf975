// The few threads that do sockets and timers, shared by all listeners. Work given to them must not block. Owned by the
// program; every HttpServer and Timer on it is destroyed before it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

namespace moegate::net {

class IoRuntime {
 public:
  // `on_error` is told of exceptions that leave given work (a bug); they stop there.
  explicit IoRuntime(unsigned threads, std::function<void(std::string_view)> on_error = {});
  ~IoRuntime();  // as stop()
  IoRuntime(const IoRuntime&) = delete;
  IoRuntime& operator=(const IoRuntime&) = delete;

  // Runs soon on one of the threads; any thread may call.
  void post(std::function<void()> work);
  // Waits for the threads; what is still queued does not run. Not from one of the threads.
  void stop();
  unsigned threads() const;

  struct Impl;  // Asio, seen by gateway/net only
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A timer for others (reload, heartbeats). Callbacks of one timer never overlap. Thread-safe.
class Timer {
 public:
  explicit Timer(IoRuntime& runtime);
  ~Timer();  // as cancel()
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Setting it again replaces it.
  void start(std::chrono::milliseconds after, std::function<void()> callback);
  // A callback that runs at this moment may still finish after the call.
  void cancel();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace moegate::net
