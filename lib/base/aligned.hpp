// Memory for weights and caches: 64-byte aligned, in 2 MiB pages where the system gives them (worth a quarter of decode
// speed), and able to say which pages it asked for. An owner type; views are plain pointers. Not thread-safe by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "core/status.hpp"

namespace moe::base {

inline constexpr std::size_t kCacheLine = 64;

enum class PageKind : std::uint8_t {
  plain,             // 4 KiB pages: too small for 2 MiB, or the system refused
  transparent_huge,  // madvise(MADV_HUGEPAGE) was accepted: the kernel gives 2 MiB pages as it can
  explicit_huge,     // mapped from the reserved pool (vm.nr_hugepages)
};
std::string_view page_kind_name(PageKind kind);

class AlignedMemory {
 public:
  AlignedMemory() = default;
  // Zeroed. RESOURCE_EXHAUSTED with the size asked for. The first allocation that falls back to plain pages although it
  // is large logs so once.
  static Result<AlignedMemory> allocate(std::size_t bytes);
  ~AlignedMemory() { reset(); }
  AlignedMemory(AlignedMemory&& other) noexcept { swap(other); }
  AlignedMemory& operator=(AlignedMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;

  void* data() { return data_; }
  const void* data() const { return data_; }
  std::size_t size() const { return size_; }
  PageKind pages() const { return pages_; }
  template <typename T>
  std::span<T> as() {
    return {static_cast<T*>(data_), size_ / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return {static_cast<const T*>(data_), size_ / sizeof(T)};
  }

 private:
  void reset();
  void swap(AlignedMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
    std::swap(pages_, other.pages_);
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_bytes_ = 0;  // 0 = from the heap
  PageKind pages_ = PageKind::plain;
};

}  // namespace moe::base
