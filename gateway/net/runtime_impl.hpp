// The Asio side of IoRuntime, for the files of this room. The context outlives the runtime while a connection's
// exchange is still held somewhere.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "net/io_runtime.hpp"

namespace moegate::net {

struct IoRuntime::Impl {
  std::shared_ptr<boost::asio::io_context> context;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work;
  std::vector<std::thread> threads;
  std::function<void(std::string_view)> on_error;
  std::atomic<bool> is_stopped = false;

  void run();
};

}  // namespace moegate::net
