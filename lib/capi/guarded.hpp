// What every C function does around its body: no exception crosses, a status and a text come out, a forked child is
// refused; and how structs come in and go out at any size. Thread-safe.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/status.hpp"
#include "moe/moe.h"

namespace moe::capi {

// Text of this thread's last failed call.
void set_last_error(std::string_view text) noexcept;
const char* last_error() noexcept;

// From the first create on the library belongs to this process; a child made by fork() has none of its threads.
void claim_process() noexcept;
bool in_forked_child() noexcept;

template <typename Body>
moe_status guarded(Body&& body) noexcept {
  try {
    if (in_forked_child()) {
      set_last_error("this process is a fork of the one that uses the library");
      return MOE_E_FORKED;
    }
    const Status status = body();
    if (!status.ok()) {
      set_last_error(status.message());
    }
    return static_cast<moe_status>(status.code());
  } catch (const std::bad_alloc&) {
    set_last_error("out of memory");
    return MOE_E_RESOURCE_EXHAUSTED;
  } catch (const std::length_error&) {
    set_last_error("a size is beyond what memory can hold");
    return MOE_E_RESOURCE_EXHAUSTED;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return MOE_E_INTERNAL;
  } catch (...) {
    set_last_error("unknown exception");
    return MOE_E_INTERNAL;
  }
}

// Larger than any struct will be; keeps a wild struct_size from reading far.
inline constexpr std::uint32_t kMaxStructSize = 4096;

// Copies a caller's struct in. `first_size` is its size in the first release that had it. Reads exactly struct_size
// bytes.
template <typename T>
Status copy_in(const T* from, std::uint32_t first_size, const char* name, T& to) {
  std::uint32_t size = 0;
  std::memcpy(&size, from, sizeof size);
  if (size < first_size || size > kMaxStructSize) {
    return {Code::abi_mismatch, std::string(name) + ".struct_size: " + std::to_string(size) + ", expected at least " +
                                    std::to_string(first_size)};
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (std::uint32_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) {
      return {Code::abi_mismatch,
              std::string(name) + ": byte " + std::to_string(i) + " is set and unknown to this release"};
    }
  }
  std::memset(static_cast<void*>(&to), 0, sizeof(T));
  std::memcpy(static_cast<void*>(&to), from, std::min<std::size_t>(size, sizeof(T)));
  return {};
}

// Writes a struct out: struct_size bytes as the caller set it, an unknown tail zero.
template <typename T>
Status copy_out(const T& from, std::uint32_t first_size, const char* name, T* to) {
  std::uint32_t size = 0;
  std::memcpy(&size, to, sizeof size);
  if (size < first_size || size > kMaxStructSize) {
    return {Code::abi_mismatch, std::string(name) + ".struct_size: " + std::to_string(size) + ", expected at least " +
                                    std::to_string(first_size)};
  }
  auto* bytes = reinterpret_cast<unsigned char*>(to);
  const std::size_t known = std::min<std::size_t>(size, sizeof(T));
  std::memcpy(bytes + sizeof size, reinterpret_cast<const unsigned char*>(&from) + sizeof size, known - sizeof size);
  std::memset(bytes + known, 0, size - known);
  return {};
}

// Fills a caller's buffer, always tells the full size.
template <typename T>
Status copy_buffer(std::span<const T> values, T* buffer, std::uint64_t capacity, std::uint64_t* out_size) {
  *out_size = values.size();
  const std::size_t count = buffer == nullptr ? 0 : std::min<std::uint64_t>(capacity, values.size());
  std::copy_n(values.begin(), count, buffer);
  if (count < values.size()) {
    return {Code::out_of_range,
            "buffer: " + std::to_string(capacity) + " is too small, " + std::to_string(values.size()) + " needed"};
  }
  return {};
}

inline Status null_argument(const char* name) { return invalid(std::string(name) + ": NULL"); }
inline std::string_view view(moe_str text) {
  return {text.data == nullptr ? "" : text.data, text.data == nullptr ? 0 : text.size};
}

}  // namespace moe::capi
