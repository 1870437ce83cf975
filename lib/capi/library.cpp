// Version, errors, log hook, workers.
#include <unistd.h>

#include <array>
#include <memory>

#include "base/cpu_features.hpp"
#include "base/log.hpp"
#include "capi/guarded.hpp"
#include "capi/handles.hpp"
#include "ops/matmul.hpp"

namespace moe::capi {

static_assert(static_cast<moe_status>(Code::invalid_argument) == MOE_E_INVALID_ARGUMENT);
static_assert(static_cast<moe_status>(Code::not_found) == MOE_E_NOT_FOUND);
static_assert(static_cast<moe_status>(Code::out_of_range) == MOE_E_OUT_OF_RANGE);
static_assert(static_cast<moe_status>(Code::resource_exhausted) == MOE_E_RESOURCE_EXHAUSTED);
static_assert(static_cast<moe_status>(Code::cancelled) == MOE_E_CANCELLED);
static_assert(static_cast<moe_status>(Code::deadline_exceeded) == MOE_E_DEADLINE_EXCEEDED);
static_assert(static_cast<moe_status>(Code::unavailable) == MOE_E_UNAVAILABLE);
static_assert(static_cast<moe_status>(Code::unsupported) == MOE_E_UNSUPPORTED);
static_assert(static_cast<moe_status>(Code::abi_mismatch) == MOE_E_ABI_MISMATCH);
static_assert(static_cast<moe_status>(Code::internal) == MOE_E_INTERNAL);
static_assert(static_cast<moe_status>(Code::forked) == MOE_E_FORKED);

namespace {

// A fixed buffer: setting an error must not fail for want of memory.
thread_local std::array<char, 2048> t_last_error{};
std::atomic<pid_t> g_owner{0};

struct LogHook {
  moe_log_fn callback;
  void* user;
};
std::mutex g_log_mutex;  // guards g_log_hook
LogHook* g_log_hook = nullptr;

void forward_log(void* user, base::LogLevel level, std::string_view text) {
  const auto* hook = static_cast<const LogHook*>(user);
  hook->callback(hook->user, static_cast<std::int32_t>(level), {text.data(), text.size()});
}

}  // namespace

void set_last_error(std::string_view text) noexcept {
  std::size_t size = std::min(text.size(), t_last_error.size() - 1);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
    --size;  // not inside a code point
  }
  std::copy_n(text.data(), size, t_last_error.data());
  t_last_error[size] = '\0';
}

const char* last_error() noexcept { return t_last_error.data(); }

void claim_process() noexcept {
  pid_t nobody = 0;
  g_owner.compare_exchange_strong(nobody, getpid());
}

bool in_forked_child() noexcept {
  const pid_t owner = g_owner.load(std::memory_order_relaxed);
  return owner != 0 && owner != getpid();
}

}  // namespace moe::capi

using namespace moe;
using namespace moe::capi;

extern "C" {

uint32_t moe_version(void) { return MOE_VERSION; }

const char* moe_build_id(void) {
  static const std::string id = [] {
    return "libmoe " + std::to_string(MOE_VERSION_MAJOR) + "." + std::to_string(MOE_VERSION_MINOR) + "." +
           std::to_string(MOE_VERSION_PATCH) + "; " + base::describe_isa() + "; matmul " + ops::matmul_kernel_name();
  }();
  return id.c_str();
}

const char* moe_last_error(void) { return last_error(); }

moe_status moe_log_set(moe_log_fn callback, void* user, int32_t max_level) {
  return guarded([&]() -> Status {
    if (callback != nullptr && (max_level < MOE_LOG_ERROR || max_level > MOE_LOG_DEBUG)) {
      return invalid("max_level: " + std::to_string(max_level) + " is no MOE_LOG_ value");
    }
    std::unique_ptr<LogHook> hook(callback == nullptr ? nullptr : new LogHook{callback, user});
    const std::lock_guard lock(g_log_mutex);
    base::set_log_sink(hook == nullptr ? nullptr : forward_log, hook.get(), static_cast<base::LogLevel>(max_level));
    delete g_log_hook;  // no call to the old one runs any more
    g_log_hook = hook.release();
    return {};
  });
}

moe_status moe_workers_create(const moe_workers_options* options, moe_workers** out_workers) {
  return guarded([&]() -> Status {
    if (out_workers == nullptr) {
      return null_argument("out_workers");
    }
    *out_workers = nullptr;
    moe_workers_options in = MOE_WORKERS_OPTIONS_INIT;
    if (options != nullptr) {
      if (Status status = copy_in(options, sizeof in, "options", in); !status.ok()) {
        return status;
      }
    }
    if (in.no_pinning > 1 || in.reserved0 != 0 || in.num_threads > 4096) {
      return invalid(in.num_threads > 4096
                         ? "options.num_threads: more than 4096"
                         : (in.reserved0 != 0 ? "options.reserved0: must be 0" : "options.no_pinning: not 0 or 1"));
    }
    base::WorkerOptions worker_options;
    worker_options.num_threads = in.num_threads;
    worker_options.pin = in.no_pinning == 0;
    auto pool = base::WorkerPool::create(worker_options);
    if (!pool.ok()) {
      return pool.status();
    }
    claim_process();
    *out_workers = new moe_workers{std::move(*pool)};
    return {};
  });
}

void moe_workers_destroy(moe_workers* workers) {
  if (workers != nullptr && in_forked_child()) {
    // The threads are not in this process: the pool object stays, its destructor would wait for them.
    new std::shared_ptr<base::WorkerPool>(std::move(workers->pool));
  }
  delete workers;
}

uint32_t moe_workers_count(const moe_workers* workers) {
  return workers == nullptr ? 0 : static_cast<uint32_t>(workers->pool->size());
}

}  // extern "C"
