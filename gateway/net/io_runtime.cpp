#include "net/io_runtime.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <exception>

#include "net/runtime_impl.hpp"

namespace moegate::net {

namespace asio = boost::asio;

void IoRuntime::Impl::run() {
  for (;;) {
    try {
      context->run();
      return;
    } catch (const std::exception& error) {
      if (on_error) on_error(error.what());
    } catch (...) {
      if (on_error) on_error("unknown exception");
    }
  }
}

IoRuntime::IoRuntime(unsigned threads, std::function<void(std::string_view)> on_error)
    : impl_(std::make_unique<Impl>()) {
  const unsigned count = std::max(1U, threads);
  impl_->context = std::make_shared<asio::io_context>(static_cast<int>(count));
  impl_->work.emplace(impl_->context->get_executor());
  impl_->on_error = std::move(on_error);
  for (unsigned i = 0; i < count; ++i) impl_->threads.emplace_back([impl = impl_.get()] { impl->run(); });
}

IoRuntime::~IoRuntime() { stop(); }

void IoRuntime::post(std::function<void()> work) {
  asio::post(*impl_->context, [impl = impl_.get(), work = std::move(work)] {
    if (!impl->is_stopped) work();
  });
}

void IoRuntime::stop() {
  impl_->is_stopped = true;
  impl_->work.reset();
  impl_->context->stop();
  for (std::thread& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
  // Completions of closed connections are still queued; they hold the connections, and these the context.
  impl_->context->restart();
  while (impl_->context->poll() > 0) {
  }
}

unsigned IoRuntime::threads() const { return static_cast<unsigned>(impl_->threads.size()); }

// All members are used on the strand only.
struct Timer::Impl : std::enable_shared_from_this<Timer::Impl> {
  explicit Impl(IoRuntime& runtime)
      : context(runtime.impl().context), strand(asio::make_strand(*context)), timer(strand) {}

  std::shared_ptr<asio::io_context> context;
  asio::strand<asio::io_context::executor_type> strand;
  asio::steady_timer timer;
  std::uint64_t generation = 0;  // a wait that a later start or cancel overtook does nothing
};

Timer::Timer(IoRuntime& runtime) : impl_(std::make_shared<Impl>(runtime)) {}

Timer::~Timer() { cancel(); }

void Timer::start(std::chrono::milliseconds after, std::function<void()> callback) {
  asio::post(impl_->strand, [impl = impl_, after, callback = std::move(callback)]() mutable {
    const auto generation = ++impl->generation;
    impl->timer.expires_after(after);
    impl->timer.async_wait([impl, generation, callback = std::move(callback)](boost::system::error_code error) {
      if (!error && generation == impl->generation) callback();
    });
  });
}

void Timer::cancel() {
  asio::post(impl_->strand, [impl = impl_] {
    ++impl->generation;
    impl->timer.cancel();
  });
}

}  // namespace moegate::net
