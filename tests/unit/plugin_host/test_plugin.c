/* The smallest plugin, in C99, and wrong variants of it. init() counts how often it ran in the host's context. */
#include <string.h>

#include "moe/plugin.h"

static int* counter;

static moe_status init(const moe_host* host, moe_str config, moe_plugin_error* error) {
  if (config.size == 4 && memcmp(config.data, "fail", 4) == 0) {
    strcpy(error->message, "planned");
    return MOE_E_INVALID_ARGUMENT;
  }
  counter = (int*)host->context;
  ++*counter;
  return MOE_OK;
}
static void deinit(void) { --*counter; }
static const void* get_extension(const char* id) {
  static const uint32_t table[2] = {8, 0}; /* says that it has 8 bytes */
  return strcmp(id, "short") == 0 ? table : NULL;
}

#if defined(TEST_PLUGIN_SMALL_TABLE)
#define TABLE_SIZE 8
#else
#define TABLE_SIZE sizeof(moe_plugin)
#endif
static const moe_plugin plugin = {TABLE_SIZE, MOE_PLUGIN_ABI_MAJOR, MOE_PLUGIN_ABI_MINOR, "test", "1", init,
                                  deinit,     get_extension};

#if defined(TEST_PLUGIN_OTHER_MAJOR)
/* Its code must never run: the note alone says no. */
__attribute__((constructor)) static void explode(void) { __builtin_trap(); }
__attribute__((section(".note.moegate"), used, aligned(4))) static const struct {
  uint32_t name_size, desc_size, type;
  char name[8];
  uint32_t major, minor;
} note = {8, 8, 1, MOE_PLUGIN_NOTE_OWNER, 77, 5};
MOE_API const moe_plugin* moe_plugin_entry(void) { return &plugin; }
#else
MOE_PLUGIN_DEFINE(plugin)
#endif
