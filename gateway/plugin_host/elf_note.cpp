#include "plugin_host/elf_note.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "moe/plugin.h"

namespace moegate::plugin_host {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#else
#error "the machine number of this platform is missing"
#endif

using Bytes = std::span<const std::uint8_t>;

template <typename T>
std::optional<T> at(Bytes file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

std::uint64_t padded(std::uint32_t size) { return (std::uint64_t{size} + 3) & ~std::uint64_t{3}; }

// Walks the notes of one segment.
std::optional<NoteVersion> find_in(Bytes notes) {
  std::uint64_t offset = 0;
  while (const auto head = at<Elf64_Nhdr>(notes, offset)) {
    const std::uint64_t name_at = offset + sizeof(Elf64_Nhdr);
    const std::uint64_t desc_at = name_at + padded(head->n_namesz);
    const std::uint64_t next = desc_at + padded(head->n_descsz);
    if (desc_at > notes.size() || head->n_descsz > notes.size() - desc_at) return std::nullopt;
    const std::string_view name(reinterpret_cast<const char*>(notes.data() + name_at), head->n_namesz);
    constexpr std::string_view kOwner(MOE_PLUGIN_NOTE_OWNER, sizeof(MOE_PLUGIN_NOTE_OWNER));
    if (name == kOwner && head->n_type == 1 && head->n_descsz == 8) {
      return NoteVersion{*at<std::uint32_t>(notes, desc_at), *at<std::uint32_t>(notes, desc_at + 4)};
    }
    offset = next;
  }
  return std::nullopt;
}

}  // namespace

moe::Result<NoteVersion> read_note(Bytes file) {
  const auto head = at<Elf64_Ehdr>(file, 0);
  if (!head || std::memcmp(head->e_ident, ELFMAG, SELFMAG) != 0) return moe::invalid("is no ELF file");
  if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB || head->e_type != ET_DYN) {
    return moe::invalid("is no 64-bit little-endian shared object");
  }
  if (head->e_machine != kMachine) {
    return moe::invalid("was built for machine " + std::to_string(head->e_machine) + ", this program for " +
                        std::to_string(kMachine));
  }
  if (head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phnum > 256)
    return moe::invalid("has a damaged program table");
  for (std::uint64_t i = 0; i < head->e_phnum; ++i) {
    if (head->e_phoff > file.size()) return moe::invalid("has a damaged program table");
    const auto segment = at<Elf64_Phdr>(file, head->e_phoff + i * sizeof(Elf64_Phdr));
    if (!segment) return moe::invalid("has a damaged program table");
    if (segment->p_type != PT_NOTE) continue;
    if (segment->p_offset > file.size() || segment->p_filesz > file.size() - segment->p_offset) {
      return moe::invalid("has a note segment outside the file");
    }
    if (const auto found = find_in(file.subspan(segment->p_offset, segment->p_filesz))) return *found;
  }
  return moe::invalid("carries no note of the moegate plugin interface");
}

namespace {

std::vector<Elf64_Phdr> segments(Bytes file) {
  std::vector<Elf64_Phdr> all;
  const auto head = at<Elf64_Ehdr>(file, 0);
  for (std::uint64_t i = 0; head && head->e_phoff <= file.size() && i < std::min<std::uint64_t>(head->e_phnum, 256);
       ++i) {
    if (const auto segment = at<Elf64_Phdr>(file, head->e_phoff + i * sizeof(Elf64_Phdr))) all.push_back(*segment);
  }
  return all;
}

// Place in the file of an address, 0 if no segment holds it.
std::uint64_t offset_of(const std::vector<Elf64_Phdr>& all, std::uint64_t address) {
  for (const auto& segment : all) {
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) {
      return address - segment.p_vaddr + segment.p_offset;
    }
  }
  return 0;
}

std::string text_at(Bytes file, std::uint64_t offset) {
  std::string text;
  while (offset < file.size() && file[offset] != 0 && text.size() < 256) text += static_cast<char>(file[offset++]);
  return text;
}

}  // namespace

std::vector<std::string> read_needed(Bytes file) {
  const auto all = segments(file);
  std::vector<std::uint64_t> names;
  std::uint64_t strings = 0;
  for (const auto& segment : all) {
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(segment.p_filesz / sizeof(Elf64_Dyn), 4096); ++i) {
      const auto entry = segment.p_offset <= file.size() ? at<Elf64_Dyn>(file, segment.p_offset + i * sizeof(Elf64_Dyn))
                                                         : std::nullopt;
      if (!entry || entry->d_tag == DT_NULL) break;
      if (entry->d_tag == DT_NEEDED) names.push_back(entry->d_un.d_val);
      if (entry->d_tag == DT_STRTAB) strings = offset_of(all, entry->d_un.d_ptr);
    }
  }
  std::vector<std::string> needed;
  for (const auto name : names) {
    if (strings != 0 && name < file.size()) needed.push_back(text_at(file, strings + name));
  }
  return needed;
}

}  // namespace moegate::plugin_host
