#include "base/exec_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace moe::base {
namespace {

// The way code generators do it: write first, then ask for execute on the same page.
bool probe() {
  const auto page = static_cast<unsigned long>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return false;
  }
  *static_cast<volatile unsigned char*>(memory) = 0xC3;
  const bool allowed = mprotect(memory, page, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
  munmap(memory, page);
  return allowed;
}

}  // namespace

bool executable_memory_available() {
  static const bool available = probe();
  return available;
}

}  // namespace moe::base
