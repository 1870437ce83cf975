// The interface version that a plugin's file states in its ELF note, read before any of its code can run. Every offset
// is checked against the file. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/status.hpp"

namespace moegate::plugin_host {

struct NoteVersion {
  std::uint32_t major = 0, minor = 0;
};

// Errors: INVALID_ARGUMENT (no shared object of this machine, damaged tables, no note of ours).
moe::Result<NoteVersion> read_note(std::span<const std::uint8_t> file);

// Names of DT_NEEDED; empty if the dynamic table is damaged (the loader will say so).
std::vector<std::string> read_needed(std::span<const std::uint8_t> file);

}  // namespace moegate::plugin_host
