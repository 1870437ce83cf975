#include "base/aligned.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "base/log.hpp"

namespace moe::base {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

Status no_memory(std::size_t bytes) {
  return {Code::resource_exhausted, "out of memory: " + std::to_string(bytes) + " bytes were needed"};
}

void* map_anonymous(std::size_t bytes, int extra_flags) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra_flags, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

// A mapping that starts on a 2 MiB boundary, so that every page of it can be a huge one.
void* map_on_huge_boundary(std::size_t bytes) {
  auto* raw = static_cast<char*>(map_anonymous(bytes + kHugePage, 0));
  if (raw == nullptr) {
    return nullptr;
  }
  const std::size_t head =
      round_up(reinterpret_cast<std::uintptr_t>(raw), kHugePage) - reinterpret_cast<std::uintptr_t>(raw);
  if (head != 0) {
    munmap(raw, head);
  }
  if (kHugePage - head != 0) {
    munmap(raw + head + bytes, kHugePage - head);
  }
  return raw + head;
}

void say_plain_once(std::size_t bytes) {
  static std::atomic<bool> said{false};
  if (!said.exchange(true)) {
    log(LogLevel::warning,
        "memory: " + std::to_string(bytes) +
            " bytes in plain 4 KiB pages: neither reserved nor transparent 2 MiB pages are available; "
            "decoding may be a quarter slower");
  }
}

}  // namespace

std::string_view page_kind_name(PageKind kind) {
  switch (kind) {
    case PageKind::plain:
      return "plain";
    case PageKind::transparent_huge:
      return "transparent_huge";
    case PageKind::explicit_huge:
      return "explicit_huge";
  }
  return "unknown";
}

Result<AlignedMemory> AlignedMemory::allocate(std::size_t bytes) {
  AlignedMemory memory;
  if (bytes == 0) {
    return memory;
  }
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) {
    return no_memory(bytes);
  }
  memory.size_ = bytes;
  if (bytes < kHugePage) {
    memory.data_ = std::aligned_alloc(kCacheLine, round_up(bytes, kCacheLine));
    if (memory.data_ == nullptr) {
      return no_memory(bytes);
    }
    std::memset(memory.data_, 0, bytes);
    return memory;
  }
  const std::size_t mapped_bytes = round_up(bytes, kHugePage);
  memory.data_ = map_anonymous(mapped_bytes, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT));
  memory.pages_ = PageKind::explicit_huge;
  if (memory.data_ == nullptr) {
    memory.data_ = map_on_huge_boundary(mapped_bytes);
    memory.pages_ = PageKind::plain;
  }
  if (memory.data_ == nullptr) {
    return no_memory(bytes);
  }
  memory.mapped_bytes_ = mapped_bytes;  // from here on the destructor unmaps
  if (memory.pages_ == PageKind::explicit_huge) {
    return memory;
  }
  if (madvise(memory.data_, mapped_bytes, MADV_HUGEPAGE) == 0) {
    memory.pages_ = PageKind::transparent_huge;
  } else {
    say_plain_once(bytes);
  }
  return memory;
}

void AlignedMemory::reset() {
  if (mapped_bytes_ != 0) {
    munmap(data_, mapped_bytes_);
  } else {
    std::free(data_);
  }
  data_ = nullptr;
  size_ = mapped_bytes_ = 0;
}

}  // namespace moe::base
