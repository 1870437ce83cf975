/* moe.h: the C interface of libmoe, which serves Mixture-of-Experts language models on CPUs.
 *
 * Handles     opaque pointers; create/load gives one, destroy takes it back (NULL is accepted).
 * Strings     UTF-8, pointer and length, not terminated; the library never keeps a caller's pointer after a call returns
 *             unless the function says so.
 * Memory      who creates, destroys. What an event points to lives until the callback (or the next read) returns.
 * Errors      every function that can fail returns moe_status; out-parameters are set to NULL or 0 first. A text for
 *             people is in moe_last_error() of the same thread until its next call; do not parse it.
 * Structs     the first field is struct_size, set by the INIT macro. Smaller than the first release: ABI_MISMATCH. Older:
 *             the missing tail counts as zero. Newer: accepted if the unknown tail is all zero. Zero is every default.
 * Enums       cross as int32_t or uint32_t; values are append-only. Reserved fields must be zero.
 * Threads     stated at each function. Kernels run on the library's own workers, never on a caller's thread.
 * Process     no signal handlers, no output to stdout or stderr, no change of locale, environment or working folder. In
 *             a child after fork() every function returns FORKED; destroy frees memory only.
 * Promise     until 1.0 the interface may change with the changelog; from 1.0 on it only grows (docs/abi.md).
 */
#ifndef MOE_MOE_H
#define MOE_MOE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MOE_API __attribute__((visibility("default")))
#else
#define MOE_API
#endif

#define MOE_VERSION_MAJOR 0
#define MOE_VERSION_MINOR 1
#define MOE_VERSION_PATCH 0
#define MOE_VERSION ((MOE_VERSION_MAJOR << 16) | (MOE_VERSION_MINOR << 8) | MOE_VERSION_PATCH)

typedef int32_t moe_status;
#define MOE_OK 0
#define MOE_E_INVALID_ARGUMENT 1
#define MOE_E_NOT_FOUND 2
#define MOE_E_OUT_OF_RANGE 3
#define MOE_E_RESOURCE_EXHAUSTED 4
#define MOE_E_CANCELLED 5
#define MOE_E_DEADLINE_EXCEEDED 6
#define MOE_E_UNAVAILABLE 7
#define MOE_E_UNSUPPORTED 8
#define MOE_E_ABI_MISMATCH 9
#define MOE_E_INTERNAL 10
#define MOE_E_FORKED 11

typedef struct moe_str {
  const char *data;
  uint64_t size;
} moe_str;

typedef struct moe_workers moe_workers;   /* pinned threads and their scratch, shareable */
typedef struct moe_model moe_model;       /* immutable weights, tokenizer, chat template, shareable */
typedef struct moe_engine moe_engine;     /* KV blocks, scheduler, step loop */
typedef struct moe_sequence moe_sequence; /* one request: a prompt and its choices */
typedef struct moe_layer moe_layer;       /* one MoE feed-forward block on its own */

/* ---- Library ------------------------------------------------------------------------------------------------------ */

/* MOE_VERSION of the loaded library. Any thread. Since 0.1 */
MOE_API uint32_t moe_version(void);

/* Identity of everything that can change a bit of the output: library version, instruction set, kernel of each operation,
 * oneDNN version. Static storage. Any thread. Since 0.1 */
MOE_API const char *moe_build_id(void);

/* Text of this thread's last failed call, "" if none; valid until the thread's next call. Since 0.1 */
MOE_API const char *moe_last_error(void);

#define MOE_LOG_ERROR 1
#define MOE_LOG_WARNING 2
#define MOE_LOG_INFO 3
#define MOE_LOG_DEBUG 4
/* `text` lives until the callback returns. Called from any thread, must not call back into the library. */
typedef void (*moe_log_fn)(void *user, int32_t level, moe_str text);

/* Sets the one log callback of the process (NULL: silence, the default). Returns after calls to the old one ended.
 * Any thread. Since 0.1 */
MOE_API moe_status moe_log_set(moe_log_fn callback, void *user, int32_t max_level);

/* ---- Workers ------------------------------------------------------------------------------------------------------ */

typedef struct moe_workers_options {
  uint32_t struct_size;
  uint32_t num_threads; /* 0 = min(affinity mask, max(1, floor(CPU quota))) */
  uint32_t no_pinning;  /* 1 = leave the placement to the system */
  uint32_t reserved0;
} moe_workers_options;
#define MOE_WORKERS_OPTIONS_INIT { (uint32_t)sizeof(moe_workers_options), 0, 0, 0 }

/* Starts worker threads. Engines and layers that share them take turns by step and weight.
 * Ownership  destroy after every engine and layer that uses them; NULL options = defaults.
 * Threads    any thread.   Blocks  until the threads run.
 * Errors     INVALID_ARGUMENT, RESOURCE_EXHAUSTED.   Since 0.1 */
MOE_API moe_status moe_workers_create(const moe_workers_options *options, moe_workers **out_workers);
MOE_API void moe_workers_destroy(moe_workers *workers);
/* Number of threads, 0 for NULL. Any thread. Since 0.1 */
MOE_API uint32_t moe_workers_count(const moe_workers *workers);

/* ---- Model -------------------------------------------------------------------------------------------------------- */

#define MOE_WEIGHTS_NATIVE 0
#define MOE_WEIGHTS_F32 1

/* Progress of a load, done of total bytes; return 0 to go on, anything else to stop with CANCELLED. */
typedef int32_t (*moe_progress_fn)(void *user, uint64_t done, uint64_t total);

typedef struct moe_model_options {
  uint32_t struct_size;
  int32_t weights;      /* MOE_WEIGHTS_*; NATIVE runs in float32 in this release */
  moe_workers *workers; /* loading and packing run there; NULL = temporary ones */
  moe_progress_fn progress;
  void *progress_user;
} moe_model_options;
#define MOE_MODEL_OPTIONS_INIT { (uint32_t)sizeof(moe_model_options), 0, 0, 0, 0 }

/* Loads a model folder in the Hugging Face layout (config.json, *.safetensors, tokenizer.json, chat template).
 * Ownership  destroy after its engines.   Threads  any thread.   Blocks  for the whole load.
 * Errors     NOT_FOUND (file), INVALID_ARGUMENT (the text names file, tensor or key), UNSUPPORTED (family, type),
 *            RESOURCE_EXHAUSTED, CANCELLED.   Since 0.1 */
MOE_API moe_status moe_model_load(moe_str path, const moe_model_options *options, moe_model **out_model);
MOE_API void moe_model_destroy(moe_model *model);

/* Model facts as JSON (shape, parameter counts, routing options with their source, kernels, unused tensors, end tokens).
 * Buffers: writes up to `capacity` bytes and always sets *out_size to the full size; OUT_OF_RANGE if it did not fit.
 * Any thread. Since 0.1 */
MOE_API moe_status moe_model_facts(const moe_model *model, char *buffer, uint64_t capacity, uint64_t *out_size);

#define MOE_TOKENIZE_ADD_SPECIAL 1u   /* BOS and EOS as the model's authors do it */
#define MOE_TOKENIZE_PARSE_SPECIAL 2u /* the spelling of a special token in the text becomes that token */

/* Text to token ids; buffer rule as in moe_model_facts, in tokens. Works on a model without weights too.
 * Errors INVALID_ARGUMENT (not UTF-8), UNSUPPORTED (no tokenizer), OUT_OF_RANGE. Any thread. Since 0.1 */
MOE_API moe_status moe_model_tokenize(const moe_model *model, moe_str text, uint32_t flags, int32_t *tokens,
                                      uint64_t capacity, uint64_t *out_count);

#define MOE_DETOKENIZE_SKIP_SPECIAL 1u

/* Token ids to text; incomplete UTF-8 becomes U+FFFD. INVALID_ARGUMENT names an id without text. Any thread. Since 0.1 */
MOE_API moe_status moe_model_detokenize(const moe_model *model, const int32_t *tokens, uint64_t count, uint32_t flags,
                                        char *buffer, uint64_t capacity, uint64_t *out_size);

/* The raw bytes of one token, as logprobs show them (may be part of a code point). Any thread. Since 0.1 */
MOE_API moe_status moe_model_token_bytes(const moe_model *model, int32_t token, char *buffer, uint64_t capacity,
                                         uint64_t *out_size);

/* Renders a chat through the model's template. `request` is a JSON object: messages (required), tools, documents,
 * add_generation_prompt (default true), chat_template_kwargs (object, become variables), now (seconds since 1970 UTC, what
 * strftime_now sees).
 * Errors INVALID_ARGUMENT: bad JSON, or the template's own sentence; UNSUPPORTED: no template; RESOURCE_EXHAUSTED: the
 * template's bounds (steps, output, depth, time). Any thread; may take up to 50 ms. Since 0.1 */
MOE_API moe_status moe_model_render_chat(const moe_model *model, moe_str request, char *buffer, uint64_t capacity,
                                         uint64_t *out_size);

/* Text and special tokens of a rendered chat to ids: special tokens that the template wrote are tokens, the same spelling
 * inside message contents is plain text. `request` as above; buffer rule in tokens. Any thread. Since 0.1 */
MOE_API moe_status moe_model_tokenize_chat(const moe_model *model, moe_str request, int32_t *tokens, uint64_t capacity,
                                           uint64_t *out_count);

/* ---- Engine ------------------------------------------------------------------------------------------------------- */

#define MOE_EVENT_TOKENS 1
#define MOE_EVENT_PROMPT_LOGPROBS 2
#define MOE_EVENT_FINAL 3 /* the last event of the whole sequence, exactly one */

#define MOE_FINISH_NONE 0
#define MOE_FINISH_STOP 1   /* end token or stop string */
#define MOE_FINISH_LENGTH 2 /* max_tokens or the context */
#define MOE_FINISH_CANCELLED 3
#define MOE_FINISH_DEADLINE 4
#define MOE_FINISH_ERROR 5 /* status tells which */

/* One thing that happened to one choice of one sequence in one step. Counts are cumulative over the sequence (completion
 * tokens: over all its choices), so that a lost or merged event cannot lose a count. */
typedef struct moe_event {
  uint32_t struct_size;
  int32_t kind; /* MOE_EVENT_* */
  moe_sequence *sequence;
  uint64_t tag;                  /* moe_request.tag */
  uint32_t choice_index;
  int32_t finish_reason;         /* MOE_FINISH_*; set in the TOKENS event that ends a choice, and in FINAL */
  moe_status status;             /* FINAL: MOE_OK or why it failed */
  uint32_t num_tokens;           /* new tokens of this choice, end token included */
  const int32_t *tokens;         /* [num_tokens] */
  moe_str text;                  /* new complete UTF-8 text, stop strings removed; may be empty while text is held back */
  const float *logprobs;         /* [num_tokens] natural log, or NULL if not asked */
  uint32_t num_top;              /* alternatives a token */
  uint32_t reserved0;
  const int32_t *top_tokens;     /* [num_tokens, num_top] descending, ties to the lower id */
  const float *top_logprobs;     /* [num_tokens, num_top] */
  uint64_t prompt_tokens;        /* computed so far */
  uint64_t cached_tokens;        /* restored from the prefix cache so far, not in prompt_tokens */
  uint64_t completion_tokens;    /* sampled so far, all choices, end tokens included */
  const uint8_t *route_digest;   /* [32] of this choice; set in the event that ends a choice, else NULL */
  uint64_t queue_ns;             /* FINAL: start to first prompt chunk */
  uint64_t prefill_ns;           /* FINAL: first prompt chunk to first token */
  uint64_t decode_ns;            /* FINAL: first to last token */
} moe_event;

typedef struct moe_step {
  uint32_t struct_size;
  uint32_t num_events;
  const moe_event *const *events; /* [num_events] */
  uint64_t step_index;            /* from 1, counts every step of the engine */
  uint32_t prefill_tokens;        /* prompt tokens computed in this step */
  uint32_t decode_tokens;         /* sequences decoded in this step */
  uint64_t step_ns;
} moe_step;

#define MOE_STEP_CONTINUE 0
#define MOE_STEP_HOLD 1 /* no step begins until moe_engine_release(); cancels are taken, their FINAL events come */

/* Called once a step on the engine's own thread. Must not block; may call only moe_sequence_cancel/pause/resume and
 * moe_engine_release. */
typedef int32_t (*moe_on_step_fn)(void *user, const moe_step *step);

typedef struct moe_engine_options {
  uint32_t struct_size;
  uint32_t max_sequences;  /* choices that decode together; 0 = 64 */
  uint64_t kv_cache_bytes; /* 0 = enough for 8 full contexts, at most a quarter of the memory */
  uint32_t prefill_chunk;  /* prompt tokens a step, 0 = 256 */
  uint32_t weight;         /* share of shared workers, 0 = 1 */
  moe_workers *workers;    /* NULL = own ones */
  moe_on_step_fn on_step;  /* NULL = events are read with moe_sequence_read */
  void *on_step_user;
} moe_engine_options;
#define MOE_ENGINE_OPTIONS_INIT { (uint32_t)sizeof(moe_engine_options), 0, 0, 0, 0, 0, 0, 0 }

/* Creates an engine and its step thread.
 * Ownership  the model must outlive it.   Threads  any thread.
 * Errors     INVALID_ARGUMENT, RESOURCE_EXHAUSTED (KV memory, with the sum).   Since 0.1 */
MOE_API moe_status moe_engine_create(moe_model *model, const moe_engine_options *options, moe_engine **out_engine);
/* Ends running sequences (each gets its FINAL event), joins the threads. Not from a callback. */
MOE_API void moe_engine_destroy(moe_engine *engine);
/* Ends a HOLD. Any thread, does not block, idempotent. Since 0.1 */
MOE_API moe_status moe_engine_release(moe_engine *engine);

typedef struct moe_engine_stats {
  uint32_t struct_size;
  uint32_t running;             /* sequences with blocks */
  uint32_t waiting;             /* sequences in the queue */
  uint32_t num_threads;
  uint64_t kv_blocks_total;
  uint64_t kv_blocks_used;
  uint64_t kv_block_tokens;     /* 16 */
  uint64_t max_sequence_tokens; /* effective context: model context or KV pool, the smaller */
  uint64_t steps;
  uint64_t prompt_tokens;       /* computed since creation */
  uint64_t cached_tokens;
  uint64_t completion_tokens;   /* sampled since creation */
  uint64_t sequences_started;
  uint64_t sequences_finished;
  uint64_t step_ns;             /* sum over steps */
  uint64_t last_step_ns;
  uint64_t weights_bytes;
  uint64_t kv_cache_bytes;
} moe_engine_stats;
#define MOE_ENGINE_STATS_INIT { (uint32_t)sizeof(moe_engine_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* A consistent snapshot. Any thread, does not block on a step. Since 0.1 */
MOE_API moe_status moe_engine_stats_get(const moe_engine *engine, moe_engine_stats *out_stats);

#define MOE_PHASE_PREFILL 0
#define MOE_PHASE_DECODE 1

/* Exact number of assignments since creation: out[(phase * moe_layers + layer) * num_experts + expert], moe_layers counting
 * only layers that have a router. Buffer rule of moe_model_facts, in counters. *out_epoch counts the steps included.
 * Any thread. Since 0.1 */
MOE_API moe_status moe_engine_expert_counts(const moe_engine *engine, uint64_t *counts, uint64_t capacity,
                                            uint64_t *out_count, uint64_t *out_epoch);

/* ---- Sequence ----------------------------------------------------------------------------------------------------- */

typedef struct moe_logit_bias {
  int32_t token;
  float bias;
} moe_logit_bias;

typedef struct moe_request {
  uint32_t struct_size;
  uint32_t num_choices;        /* 0 = 1, at most 128; the prompt is computed once */
  const int32_t *prompt;       /* [num_prompt] token ids, at least one */
  uint64_t num_prompt;
  uint64_t max_tokens;         /* a choice; 0 = to the end of the context */
  uint64_t tag;                /* the host's, repeated in every event */
  uint64_t seed;               /* used as given, also 0; a host draws one for a request without */
  float temperature;           /* 0 = greedy */
  float top_p;                 /* 0 or 1 = off */
  float min_p;                 /* 0 = off */
  float frequency_penalty;     /* 0 = off */
  float presence_penalty;      /* 0 = off */
  float repetition_penalty;    /* 0 or 1 = off */
  uint32_t sampling_top_k;     /* 0 = off */
  uint32_t logprobs;           /* 0 = none, else 1 + number of alternatives (1..21) */
  const moe_str *stop;         /* [num_stop] stop strings, not empty, at most 256 bytes each */
  uint32_t num_stop;           /* at most 16 */
  uint32_t num_logit_bias;     /* at most 1024 */
  const moe_logit_bias *logit_bias;
  const int32_t *stop_tokens;  /* [num_stop_tokens] beside the model's end tokens */
  uint32_t num_stop_tokens;
  uint32_t ignore_eos;         /* 1 = the model's end tokens do not end a choice */
  uint32_t min_tokens;         /* end tokens are masked before */
  uint32_t prompt_logprobs;    /* 1 = a PROMPT_LOGPROBS event for prompt tokens 1.. */
  uint32_t priority;           /* higher is sooner */
  uint32_t fair_weight;        /* of the fair group, 0 = 1 */
  uint64_t fair_group;         /* sequences of a group share its turn */
  uint64_t deadline_ms;        /* after start, 0 = none */
  uint8_t isolation_key[32];   /* prefixes are shared only under one key */
} moe_request;
#define MOE_REQUEST_INIT { (uint32_t)sizeof(moe_request), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0} }

/* An idle sequence of `engine`. Ownership: destroy before the engine. Any thread. Since 0.1 */
MOE_API moe_status moe_sequence_create(moe_engine *engine, moe_sequence **out_sequence);

/* Starts generating; one start per sequence. Tokens arrive in on_step batches, or through moe_sequence_read, and end in
 * exactly one FINAL event, also after cancel.
 * Ownership  `request` and what it points to is copied before return.
 * Threads    any thread, does not block. No event comes if this call fails, and none after moe_sequence_destroy returned.
 * Errors     INVALID_ARGUMENT (names the field), OUT_OF_RANGE (prompt + max_tokens over the context or the KV pool; the text
 *            gives the effective limit), RESOURCE_EXHAUSTED (queue full), UNAVAILABLE (engine stopping).   Since 0.1 */
MOE_API moe_status moe_sequence_start(moe_sequence *sequence, const moe_request *request);

/* Take effect at the next step; any thread, do not block, idempotent. A paused sequence keeps its blocks. Since 0.1 */
MOE_API moe_status moe_sequence_cancel(moe_sequence *sequence);
MOE_API moe_status moe_sequence_pause(moe_sequence *sequence);
MOE_API moe_status moe_sequence_resume(moe_sequence *sequence);

/* Waits for the next event of a sequence whose engine has no on_step. Set out_event->struct_size before the call.
 * What the event points to lives until the next read or destroy. timeout_ms 0 = poll, UINT64_MAX = for ever.
 * Threads one reader a sequence.   Errors DEADLINE_EXCEEDED (nothing came), NOT_FOUND (FINAL was read already),
 * UNSUPPORTED (the engine has on_step).   Since 0.1 */
MOE_API moe_status moe_sequence_read(moe_sequence *sequence, uint64_t timeout_ms, moe_event *out_event);

/* Cancels if still running, waits until no callback for it runs, frees. Not from a callback. Since 0.1 */
MOE_API void moe_sequence_destroy(moe_sequence *sequence);

/* ---- Layer -------------------------------------------------------------------------------------------------------- */

#define MOE_SCORE_SOFTMAX 0 /* softmax over all experts, then choose (Mixtral, Qwen, OLMoE) */
#define MOE_SCORE_SIGMOID 1 /* logistic of each logit (DeepSeek-V3, 2.1.2) */

typedef struct moe_layer_options {
  uint32_t struct_size;
  uint32_t num_experts;
  uint32_t experts_per_token;
  uint32_t hidden_size;
  uint32_t intermediate_size;
  int32_t score;                /* MOE_SCORE_* */
  uint32_t renormalize;         /* 1 = the chosen weights are divided by their sum */
  float routed_scale;           /* 0 = 1 */
  const float *router;          /* [num_experts, hidden] */
  const float *selection_bias;  /* [num_experts] steers the choice only, or NULL */
  const float *gate;            /* [num_experts, intermediate, hidden] */
  const float *up;              /* [num_experts, intermediate, hidden] */
  const float *down;            /* [num_experts, hidden, intermediate] */
} moe_layer_options;
#define MOE_LAYER_OPTIONS_INIT { (uint32_t)sizeof(moe_layer_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* One SwiGLU MoE block from a caller's weights, which are copied. `workers` NULL = own ones.
 * Errors INVALID_ARGUMENT (names the field; weights that are not finite), RESOURCE_EXHAUSTED. Any thread. Since 0.1 */
MOE_API moe_status moe_layer_create(const moe_layer_options *options, moe_workers *workers, moe_layer **out_layer);
MOE_API void moe_layer_destroy(moe_layer *layer);

/* y[tokens, hidden] = MoE(x[tokens, hidden]). experts [tokens, experts_per_token] in descending score, ties to the lower
 * index, and routing_weights of the same shape may be NULL. A row's bits do not depend on the other rows.
 * Errors INVALID_ARGUMENT (NULL, rows whose router logits are not finite: named). One call at a time a layer; blocks. Since 0.1 */
MOE_API moe_status moe_layer_forward(moe_layer *layer, const float *x, uint64_t tokens, float *y, int32_t *experts,
                                     float *routing_weights);

/* Assignments per expert since creation, [num_experts]; buffer rule of moe_model_facts. Any thread. Since 0.1 */
MOE_API moe_status moe_layer_expert_counts(const moe_layer *layer, uint64_t *counts, uint64_t capacity, uint64_t *out_count);

#ifdef __cplusplus
}
#endif
#endif
