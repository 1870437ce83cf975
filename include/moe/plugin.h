/* plugin.h: the C interface between the moegate gateway and its plugins.
 *
 * A plugin is a shared object that exports one function, moe_plugin_entry, and carries an ELF note with its interface
 * version (MOE_PLUGIN_DEFINE does both), so that the gateway refuses a wrong one before any of its code runs. It calls
 * back only through the moe_host table. moe_host_* is the gateway's memory and code, moe_plugin_* the plugin's; each side
 * frees what it allocated. Rules for structs, strings, enums and status as in moe.h.
 *
 * Thread tags
 *   [main]        the gateway's main thread, before or after everything else
 *   [prepare]     a thread that may take long (bounded), several at once
 *   [any-thread]  any thread, several at once; must not block
 *   [step]        the backend's step thread, one at a time per plugin
 */
#ifndef MOE_PLUGIN_H
#define MOE_PLUGIN_H

#include <stdint.h>

#include "moe/moe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MOE_PLUGIN_ABI_MAJOR 0
#define MOE_PLUGIN_ABI_MINOR 1

/* Receives a text in any number of pieces. */
typedef struct moe_plugin_sink {
  void *context;
  void (*write)(void *context, const char *data, uint64_t size);
} moe_plugin_sink;

/* Filled on failure by calls that take one; texts are terminated. Only INVALID_ARGUMENT, OUT_OF_RANGE, UNSUPPORTED and
 * NOT_FOUND texts reach a client. */
typedef struct moe_plugin_error {
  uint32_t struct_size;
  uint32_t reserved0;
  char code[64];     /* error.code for the client, "" = by the status */
  char param[256];   /* JSON path of the bad field, "" = none */
  char message[1024];
} moe_plugin_error;
#define MOE_PLUGIN_ERROR_INIT { (uint32_t)sizeof(moe_plugin_error), 0, {0}, {0}, {0} }

#define MOE_PLUGIN_EVENT_TOKENS 1
#define MOE_PLUGIN_EVENT_PROMPT_LOGPROBS 2
#define MOE_PLUGIN_EVENT_FINAL 4 /* exactly one for each started request, also after cancel */

#define MOE_PLUGIN_CHANNEL_CONTENT 0
#define MOE_PLUGIN_CHANNEL_REASONING 1
#define MOE_PLUGIN_CHANNEL_TOOL_CALL 2

#define MOE_PLUGIN_FINISH_NONE 0
#define MOE_PLUGIN_FINISH_STOP 1
#define MOE_PLUGIN_FINISH_LENGTH 2
#define MOE_PLUGIN_FINISH_TOOL_CALLS 3
#define MOE_PLUGIN_FINISH_CANCELLED 4
#define MOE_PLUGIN_FINISH_DEADLINE 5
#define MOE_PLUGIN_FINISH_ERROR 6

/* What happened to one choice in one step. Counts are cumulative over the request (all choices). */
typedef struct moe_plugin_event {
  uint32_t struct_size;
  int32_t kind;             /* MOE_PLUGIN_EVENT_* */
  uint64_t tag;             /* of moe_plugin_start_options */
  uint32_t choice_index;
  int32_t channel;          /* MOE_PLUGIN_CHANNEL_* */
  int32_t finish_reason;    /* set in the TOKENS event that ends a choice, and in FINAL */
  moe_status status;        /* FINAL */
  moe_str text;             /* new complete UTF-8 text of the channel (tool call: piece of the arguments) */
  uint32_t tool_index;      /* tool call */
  uint32_t num_tokens;      /* new tokens of this choice */
  moe_str tool_name;        /* tool call: set in its first event */
  const int32_t *tokens;    /* [num_tokens] */
  const float *logprobs;    /* [num_tokens] or NULL */
  uint32_t num_top;
  uint32_t reserved0;
  const int32_t *top_tokens;   /* [num_tokens, num_top] */
  const float *top_logprobs;   /* [num_tokens, num_top] */
  const moe_str *token_bytes;  /* [num_tokens] bytes of each token, only with logprobs */
  const moe_str *top_bytes;    /* [num_tokens, num_top], only with logprobs */
  uint64_t prompt_computed;
  uint64_t prompt_cached;
  uint64_t cache_written;
  uint64_t completion_tokens;
  uint64_t reasoning_tokens;   /* inside completion_tokens */
  const uint8_t *route_digest; /* [32], in the event that ends a choice, or NULL */
  uint64_t queue_ns;           /* FINAL */
  uint64_t prefill_ns;         /* FINAL */
  uint64_t decode_ns;          /* FINAL */
  moe_str message;             /* FINAL with an error: for the operator's log */
} moe_plugin_event;

typedef struct moe_plugin_step {
  uint32_t struct_size;
  uint32_t num_events;
  const moe_plugin_event *const *events; /* [num_events] */
  moe_str model;                         /* whose step */
  uint64_t step_ns;                      /* duration, 0 = unknown */
  uint32_t prefill_tokens;
  uint32_t decode_tokens;
} moe_plugin_step;

#define MOE_PLUGIN_STEP_CONTINUE 0
#define MOE_PLUGIN_STEP_HOLD 1

/* The gateway's side. Valid from init to the end of deinit. */
typedef struct moe_host {
  uint32_t struct_size;
  uint16_t abi_major;
  uint16_t abi_minor;
  void *context; /* first argument of every call below */
  /* [step] What the step points to lives until the call returns. After HOLD no step begins until release(); cancels are
   * still taken. */
  int32_t (*on_step)(void *context, const moe_plugin_step *step);
  /* [any-thread] level: MOE_LOG_* */
  void (*log)(void *context, int32_t level, moe_str text);
  /* [any-thread] UTC microseconds of the wall clock */
  int64_t (*now_us)(void *context);
} moe_host;

typedef struct moe_plugin {
  uint32_t struct_size;
  uint16_t abi_major; /* MOE_PLUGIN_ABI_MAJOR */
  uint16_t abi_minor;
  const char *name;    /* "moe-engine" */
  const char *version;
  /* [main] `config` is a JSON object: {"threads":0,"models":[{"id":..,"path":..,...}],...}. A second init without deinit is
   * INVALID_ARGUMENT. `host` is copied. Error: `error` says which key. */
  moe_status (*init)(const moe_host *host, moe_str config, moe_plugin_error *error);
  /* [main] after every request ended; frees everything */
  void (*deinit)(void);
  /* [any-thread] table of an extension by id, or NULL */
  const void *(*get_extension)(const char *id);
} moe_plugin;

/* ---- Extension moe.backend/1: serves models ------------------------------------------------------------------------- */
#define MOE_PLUGIN_BACKEND_1 "moe.backend/1"

typedef struct moe_plugin_prepared moe_plugin_prepared; /* the plugin's */

typedef struct moe_plugin_prepared_info {
  uint32_t struct_size;
  uint32_t reserved0;
  uint64_t prompt_tokens;      /* exact */
  uint64_t max_context_tokens; /* effective */
  uint64_t max_tokens;         /* a choice, what the request may generate: asked for, or what the context leaves */
} moe_plugin_prepared_info;
#define MOE_PLUGIN_PREPARED_INFO_INIT { (uint32_t)sizeof(moe_plugin_prepared_info), 0, 0, 0, 0 }

#define MOE_PLUGIN_KIND_GENERATE 0

typedef struct moe_plugin_start_options {
  uint32_t struct_size;
  int32_t kind;            /* MOE_PLUGIN_KIND_* */
  uint64_t tag;            /* chosen by the host, unique in the process */
  uint32_t num_choices;    /* 0 = 1 */
  uint32_t logprobs;       /* 0 = none, else 1 + alternatives */
  uint64_t max_tokens;     /* a choice; 0 = prepared_info.max_tokens */
  uint64_t seed;           /* always set by the host */
  float temperature;
  float top_p;
  float min_p;
  float frequency_penalty;
  float presence_penalty;
  float repetition_penalty;
  uint32_t sampling_top_k;
  uint32_t min_tokens;
  uint32_t ignore_eos;
  uint32_t prompt_logprobs;
  uint32_t priority;
  uint32_t fair_weight;
  uint64_t fair_group;
  uint64_t deadline_ms;    /* 0 = none */
  uint8_t isolation_key[32];
  uint8_t route_key[32];
} moe_plugin_start_options;

typedef struct moe_plugin_counters {
  uint32_t struct_size;
  uint32_t running;
  uint32_t waiting;
  uint32_t num_threads;
  uint64_t kv_blocks_total;
  uint64_t kv_blocks_used;
  uint64_t steps;
  uint64_t step_ns;
  uint64_t prompt_tokens;     /* computed since load */
  uint64_t cached_tokens;
  uint64_t completion_tokens; /* sampled since load */
  uint64_t weights_bytes;
  uint64_t kv_cache_bytes;
} moe_plugin_counters;
#define MOE_PLUGIN_COUNTERS_INIT { (uint32_t)sizeof(moe_plugin_counters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Every `model` is a served id as given in the configuration. */
typedef struct moe_plugin_backend_1 {
  uint32_t struct_size;
  uint32_t reserved0;
  /* [any-thread] JSON array: [{"id","max_context_tokens","counts":"exact"|"reported"|"estimated","ready":true,
   * "created":seconds,"vocab_size",...}] */
  moe_status (*models)(const moe_plugin_sink *out);
  /* [any-thread] JSON object */
  moe_status (*facts)(moe_str model, const moe_plugin_sink *out);
  /* [prepare] Renders, tokenises, validates against the context. Request JSON:
   *   {"messages":[..], "tools":[..]?, "documents":[..]?, "chat_template_kwargs":{..}?, "add_generation_prompt":true?,
   *    "now":seconds}                                                    a chat, or
   *   {"prompt":"text" | [ids], "add_special":true?}                     a completion
   * and for both: "max_tokens"?, "stop":[..]?, "stop_token_ids":[..]?, "logit_bias":{"id":number}?
   * Errors name the field by the client's own path ("messages[2].content"). */
  moe_status (*prepare)(moe_str model, moe_str request, moe_plugin_prepared **out_prepared,
                        moe_plugin_prepared_info *out_info, moe_plugin_error *error);
  /* [any-thread] Takes ownership of `prepared`, also on failure. No event comes if it fails. RESOURCE_EXHAUSTED: queue or
   * memory full; UNAVAILABLE: stopping. */
  moe_status (*start)(moe_plugin_prepared *prepared, const moe_plugin_start_options *options, moe_plugin_error *error);
  /* [any-thread] frees a handle that was not started; NULL is fine */
  void (*discard)(moe_plugin_prepared *prepared);
  /* [any-thread] ends a HOLD of every model */
  void (*release)(void);
  /* [any-thread] take effect at the next step, idempotent, unknown tags are ignored */
  void (*pause)(uint64_t tag);
  void (*resume)(uint64_t tag);
  void (*cancel)(uint64_t tag);
  /* [prepare] {"text":".."| chat request as in prepare, "add_special":bool, "parse_special":bool} ->
   * {"tokens":[..],"pieces":["..."|[bytes]]} */
  moe_status (*tokenize)(moe_str model, moe_str request, const moe_plugin_sink *out, moe_plugin_error *error);
  /* [prepare] {"tokens":[..],"skip_special":bool?} -> {"text":".."} */
  moe_status (*detokenize)(moe_str model, moe_str request, const moe_plugin_sink *out, moe_plugin_error *error);
  /* [any-thread] */
  moe_status (*counters)(moe_str model, moe_plugin_counters *out_counters);
  /* [any-thread] as moe_engine_expert_counts, with the shape; UNSUPPORTED if the model has no experts */
  moe_status (*expert_counts)(moe_str model, uint64_t *counts, uint64_t capacity, uint64_t *out_count, uint64_t *out_epoch,
                              uint32_t *out_layers, uint32_t *out_experts);
} moe_plugin_backend_1;

/* ---- Extension moe.tools/1: commands about model files (moegate facts, tokenize, chat, bench) ---------------------------- */
#define MOE_PLUGIN_TOOLS_1 "moe.tools/1"

typedef struct moe_plugin_tool_host {
  uint32_t struct_size;
  uint32_t reserved0;
  void *context;
  void (*print)(void *context, int32_t stream, const char *data, uint64_t size); /* stream 1 = out, 2 = error */
  /* Reads one line without its end; 0 = end of input. */
  int32_t (*read_line)(void *context, const moe_plugin_sink *out);
} moe_plugin_tool_host;

typedef struct moe_plugin_tools_1 {
  uint32_t struct_size;
  uint32_t reserved0;
  /* [main] argv[0] is the command ("facts"). Works without init. Returns the exit status: 0 done, 1 failed, 2 usage. */
  int32_t (*run)(int32_t argc, const char *const *argv, const moe_plugin_tool_host *host);
} moe_plugin_tools_1;

/* The one exported symbol. */
typedef const moe_plugin *(*moe_plugin_entry_fn)(void);

#define MOE_PLUGIN_ENTRY_NAME "moe_plugin_entry"
#define MOE_PLUGIN_NOTE_OWNER "moegate" /* ELF note: owner, type 1, descriptor = two little-endian u32: major, minor */

#ifdef __cplusplus
#define MOE_PLUGIN_EXTERN extern "C"
#else
#define MOE_PLUGIN_EXTERN
#endif

/* Defines moe_plugin_entry() returning &table, and the ELF note. Once per plugin, at file scope. */
#define MOE_PLUGIN_DEFINE(table)                                                                             \
  __attribute__((section(".note.moegate"), used, aligned(4))) static const struct {                          \
    uint32_t name_size, desc_size, type;                                                                     \
    char name[8];                                                                                            \
    uint32_t major, minor;                                                                                   \
  } moe_plugin_note = {8, 8, 1, MOE_PLUGIN_NOTE_OWNER, MOE_PLUGIN_ABI_MAJOR, MOE_PLUGIN_ABI_MINOR};          \
  MOE_PLUGIN_EXTERN MOE_API const moe_plugin *moe_plugin_entry(void) { return &(table); }

#ifdef __cplusplus
}
#endif
#endif
