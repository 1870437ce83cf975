// Whether this process may make memory executable: hardened services (MemoryDenyWriteExecute, SELinux execmem, seccomp)
// may not, and generated code must then not be tried. Thread-safe; probed once.
#pragma once

namespace moe::base {

bool executable_memory_available();

}  // namespace moe::base
