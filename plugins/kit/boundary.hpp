// The C boundary of plugin.h as C++ sees it: strings, sinks, error texts, structs copied in, exceptions stopped.
// No state; any thread.
#pragma once

#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "core/status.hpp"
#include "moe/plugin.h"

namespace moegate::plugins {

inline std::string_view view(moe_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view(text.data, text.size);
}
inline moe_str str(std::string_view text) { return {text.data(), text.size()}; }

inline void emit(const moe_plugin_sink* out, std::string_view text) {
  if (out != nullptr && out->write != nullptr) out->write(out->context, text.data(), text.size());
}

// Fills `error` (may be NULL), cutting long texts at a code point, and gives the number of the status.
moe_status fail(moe_plugin_error* error, const moe::Status& status, std::string_view code = {});

// A caller's struct: too small for this release, or newer with something set that is unknown here: ABI_MISMATCH.
template <typename T>
moe::Status copy_in(const T* from, T& to, std::string_view name) {
  if (from == nullptr) return moe::invalid(std::string(name) + " is NULL");
  const auto mismatch = [&](const char* what) {
    return moe::Status(moe::Code::abi_mismatch, std::string(name) + ": " + what);
  };
  if (from->struct_size < sizeof(T)) return mismatch("struct_size is smaller than the first release");
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (std::uint32_t i = sizeof(T); i < from->struct_size; ++i) {
    if (bytes[i] != 0) return mismatch("a field that this plugin does not know is set");
  }
  std::memcpy(&to, from, sizeof(T));
  return {};
}

// Writes an output struct into the caller's, keeping the caller's struct_size.
template <typename T>
moe::Status copy_out(const T& from, T* to, std::string_view name) {
  if (to == nullptr) return moe::invalid(std::string(name) + " is NULL");
  const std::uint32_t size = to->struct_size;
  if (size < sizeof(T)) {
    return {moe::Code::abi_mismatch, std::string(name) + ": struct_size is smaller than the first release"};
  }
  std::memcpy(to, &from, sizeof(T));
  to->struct_size = size;
  return {};
}

// Runs one function of a table; `body` gives a moe::Status. No exception crosses the boundary.
template <typename Body>
moe_status guarded(moe_plugin_error* error, Body&& body) noexcept {
  try {
    const moe::Status status = body();
    return status.ok() ? MOE_OK : fail(error, status);
  } catch (const std::bad_alloc&) {
    return fail(error, {moe::Code::resource_exhausted, "out of memory"});
  } catch (const std::exception& problem) {
    return fail(error, {moe::Code::internal, problem.what()});
  } catch (...) {
    return fail(error, {moe::Code::internal, "unknown exception"});
  }
}

}  // namespace moegate::plugins
