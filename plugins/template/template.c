/* The smallest backend that keeps all rules of moe/plugin.h: one model, two tokens, one step thread. README.md. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "moe/plugin.h"

#define MODEL "template"
#define CONTEXT_TOKENS 16
#define NUM_TOKENS 2

static const char* const kTexts[NUM_TOKENS] = {"Hello", "."};
static const int32_t kTokens[NUM_TOKENS] = {1, 2};

/* A prepared request, and after start a running one: the handle is the same piece of memory. */
struct moe_plugin_prepared {
  struct moe_plugin_prepared* next;
  uint64_t tag;
  uint64_t max_tokens;
  uint64_t prompt_computed;
  uint64_t completion_tokens;
  int is_paused, is_cancelled;
};

static moe_host g_host;
static int g_is_initialised;
static pthread_t g_thread;
static pthread_mutex_t g_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards everything below */
static pthread_cond_t g_changed = PTHREAD_COND_INITIALIZER;
static struct moe_plugin_prepared* g_first; /* running requests */
static int g_is_stopping, g_is_held;
static uint64_t g_releases, g_steps, g_prompt_tokens, g_completion_tokens;

static moe_status fail(moe_plugin_error* error, moe_status status, const char* param, const char* message) {
  if (error != NULL && error->struct_size >= sizeof(*error)) {
    error->code[0] = '\0';
    strncpy(error->param, param, sizeof(error->param) - 1);
    strncpy(error->message, message, sizeof(error->message) - 1);
    error->param[sizeof(error->param) - 1] = error->message[sizeof(error->message) - 1] = '\0';
  }
  return status;
}

static int is_model(moe_str model) { return model.size == strlen(MODEL) && memcmp(model.data, MODEL, model.size) == 0; }

static void emit(const moe_plugin_sink* out, const char* text) {
  if (out != NULL && out->write != NULL) out->write(out->context, text, strlen(text));
}

/* ---- The step thread ---- */

static int has_work(void) {
  const struct moe_plugin_prepared* request;
  for (request = g_first; request != NULL; request = request->next) {
    if (request->is_cancelled || !request->is_paused) return 1;
  }
  return 0;
}

/* Fills `event` for one request; gives 1 if it was FINAL. */
static int next_event(struct moe_plugin_prepared* request, moe_plugin_event* event) {
  memset(event, 0, sizeof(*event));
  event->struct_size = (uint32_t)sizeof(*event);
  event->tag = request->tag;
  event->kind = MOE_PLUGIN_EVENT_FINAL;
  if (g_is_stopping) {
    event->finish_reason = MOE_PLUGIN_FINISH_ERROR;
    event->status = MOE_E_UNAVAILABLE;
  } else if (request->is_cancelled) {
    event->finish_reason = MOE_PLUGIN_FINISH_CANCELLED;
    event->status = MOE_E_CANCELLED;
  } else if (request->completion_tokens == request->max_tokens || request->completion_tokens == NUM_TOKENS) {
    event->finish_reason = request->completion_tokens == NUM_TOKENS ? MOE_PLUGIN_FINISH_STOP : MOE_PLUGIN_FINISH_LENGTH;
  } else {
    const uint64_t i = request->completion_tokens++;
    if (i == 0) g_prompt_tokens += request->prompt_computed = 1;
    ++g_completion_tokens;
    event->kind = MOE_PLUGIN_EVENT_TOKENS;
    event->num_tokens = 1;
    event->tokens = &kTokens[i];
    event->text.data = kTexts[i];
    event->text.size = strlen(kTexts[i]);
    if (i + 1 == NUM_TOKENS) {
      event->finish_reason = MOE_PLUGIN_FINISH_STOP;
    } else if (i + 1 == request->max_tokens) {
      event->finish_reason = MOE_PLUGIN_FINISH_LENGTH;
    }
  }
  event->prompt_computed = request->prompt_computed;
  event->completion_tokens = request->completion_tokens;
  return event->kind == MOE_PLUGIN_EVENT_FINAL;
}

/* One event of one request a step keeps the template short; a real backend batches all of them. */
static void step(void) {
  struct moe_plugin_prepared** link = &g_first;
  struct moe_plugin_prepared* request;
  moe_plugin_event event;
  const moe_plugin_event* events[1];
  moe_plugin_step batch;
  uint64_t releases_before;
  int32_t answer;

  while ((*link)->is_paused && !(*link)->is_cancelled && !g_is_stopping) link = &(*link)->next;
  request = *link;
  *link = request->next;
  if (next_event(request, &event)) {
    free(request);
  } else { /* to the end of the row, so that all get their turn */
    for (link = &g_first; *link != NULL;) link = &(*link)->next;
    request->next = NULL;
    *link = request;
  }
  events[0] = &event;
  memset(&batch, 0, sizeof(batch));
  batch.struct_size = (uint32_t)sizeof(batch);
  batch.num_events = 1;
  batch.events = events;
  batch.model.data = MODEL;
  batch.model.size = strlen(MODEL);
  batch.decode_tokens = event.num_tokens;
  ++g_steps;
  releases_before = g_releases;
  pthread_mutex_unlock(&g_mutex); /* the host may call back */
  answer = g_host.on_step(g_host.context, &batch);
  pthread_mutex_lock(&g_mutex);
  if (answer == MOE_PLUGIN_STEP_HOLD && g_releases == releases_before) g_is_held = 1;
}

static void* loop(void* unused) {
  (void)unused;
  pthread_mutex_lock(&g_mutex);
  for (;;) {
    while (!g_is_stopping && (g_is_held || !has_work())) pthread_cond_wait(&g_changed, &g_mutex);
    if (g_is_stopping && g_first == NULL) break;
    step();
  }
  pthread_mutex_unlock(&g_mutex);
  return NULL;
}

/* ---- moe.backend/1 ---- */

static moe_status models(const moe_plugin_sink* out) {
  emit(out, "[{\"id\":\"" MODEL
            "\",\"max_context_tokens\":16,\"counts\":\"estimated\",\"ready\":true,\"created\":0,"
            "\"vocab_size\":3}]");
  return MOE_OK;
}

static moe_status facts(moe_str model, const moe_plugin_sink* out) {
  if (!is_model(model)) return MOE_E_NOT_FOUND;
  emit(out, "{\"family\":\"template\"}");
  return MOE_OK;
}

static moe_status prepare(moe_str model, moe_str request, moe_plugin_prepared** out_prepared,
                          moe_plugin_prepared_info* out_info, moe_plugin_error* error) {
  moe_plugin_prepared* prepared;
  if (out_prepared == NULL) return fail(error, MOE_E_INVALID_ARGUMENT, "", "out_prepared is NULL");
  *out_prepared = NULL;
  if (!g_is_initialised) return fail(error, MOE_E_UNAVAILABLE, "", "no init");
  if (!is_model(model)) return fail(error, MOE_E_NOT_FOUND, "model", "model is not served");
  if (request.size < 2 || request.data[0] != '{') return fail(error, MOE_E_INVALID_ARGUMENT, "", "no JSON object");
  if (out_info == NULL || out_info->struct_size < sizeof(*out_info)) {
    return fail(error, MOE_E_ABI_MISMATCH, "", "prepared_info is too small");
  }
  prepared = calloc(1, sizeof(*prepared));
  if (prepared == NULL) return fail(error, MOE_E_RESOURCE_EXHAUSTED, "", "out of memory");
  out_info->prompt_tokens = 1;
  out_info->max_context_tokens = CONTEXT_TOKENS;
  out_info->max_tokens = prepared->max_tokens = NUM_TOKENS;
  *out_prepared = prepared;
  return MOE_OK;
}

static moe_status start(moe_plugin_prepared* prepared, const moe_plugin_start_options* options,
                        moe_plugin_error* error) {
  if (prepared == NULL) return fail(error, MOE_E_INVALID_ARGUMENT, "", "prepared is NULL");
  if (options == NULL || options->struct_size < sizeof(*options)) {
    free(prepared);
    return fail(error, MOE_E_ABI_MISMATCH, "", "start_options are too small");
  }
  if (options->kind != MOE_PLUGIN_KIND_GENERATE || options->num_choices > 1) {
    free(prepared);
    return fail(error, MOE_E_UNSUPPORTED, "n", "one generated choice only");
  }
  prepared->tag = options->tag;
  if (options->max_tokens != 0 && options->max_tokens < prepared->max_tokens)
    prepared->max_tokens = options->max_tokens;
  pthread_mutex_lock(&g_mutex);
  if (g_is_stopping) {
    pthread_mutex_unlock(&g_mutex);
    free(prepared);
    return fail(error, MOE_E_UNAVAILABLE, "", "stopping");
  }
  prepared->next = g_first;
  g_first = prepared;
  pthread_cond_signal(&g_changed);
  pthread_mutex_unlock(&g_mutex);
  return MOE_OK;
}

static void discard(moe_plugin_prepared* prepared) { free(prepared); }

static void release(void) {
  pthread_mutex_lock(&g_mutex);
  ++g_releases;
  g_is_held = 0;
  pthread_cond_signal(&g_changed);
  pthread_mutex_unlock(&g_mutex);
}

enum change { PAUSE, RESUME, CANCEL };

static void change(uint64_t tag, enum change what) {
  struct moe_plugin_prepared* request;
  pthread_mutex_lock(&g_mutex);
  for (request = g_first; request != NULL; request = request->next) {
    if (request->tag != tag) continue;
    if (what == CANCEL) {
      request->is_cancelled = 1;
    } else {
      request->is_paused = what == PAUSE;
    }
  }
  pthread_cond_signal(&g_changed);
  pthread_mutex_unlock(&g_mutex);
}

static void pause_request(uint64_t tag) { change(tag, PAUSE); }
static void resume_request(uint64_t tag) { change(tag, RESUME); }
static void cancel_request(uint64_t tag) { change(tag, CANCEL); }

static moe_status tokenize(moe_str model, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  (void)request;
  if (!is_model(model)) return fail(error, MOE_E_NOT_FOUND, "model", "model is not served");
  emit(out, "{\"tokens\":[0],\"pieces\":[\"\"]}");
  return MOE_OK;
}

static moe_status detokenize(moe_str model, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  (void)request;
  (void)out;
  if (!is_model(model)) return fail(error, MOE_E_NOT_FOUND, "model", "model is not served");
  return fail(error, MOE_E_UNSUPPORTED, "", "no detokenizer");
}

static moe_status counters(moe_str model, moe_plugin_counters* out_counters) {
  const struct moe_plugin_prepared* request;
  const uint32_t size = out_counters == NULL ? 0 : out_counters->struct_size;
  if (!is_model(model)) return MOE_E_NOT_FOUND;
  if (size < sizeof(*out_counters)) return MOE_E_ABI_MISMATCH;
  memset(out_counters, 0, sizeof(*out_counters));
  out_counters->struct_size = size;
  out_counters->num_threads = 1;
  pthread_mutex_lock(&g_mutex);
  for (request = g_first; request != NULL; request = request->next) ++out_counters->running;
  out_counters->steps = g_steps;
  out_counters->prompt_tokens = g_prompt_tokens;
  out_counters->completion_tokens = g_completion_tokens;
  pthread_mutex_unlock(&g_mutex);
  return MOE_OK;
}

static moe_status expert_counts(moe_str model, uint64_t* counts, uint64_t capacity, uint64_t* out_count,
                                uint64_t* out_epoch, uint32_t* out_layers, uint32_t* out_experts) {
  (void)counts;
  (void)capacity;
  *out_count = *out_epoch = 0;
  *out_layers = *out_experts = 0;
  return is_model(model) ? MOE_E_UNSUPPORTED : MOE_E_NOT_FOUND;
}

/* ---- The plugin ---- */

static moe_status init(const moe_host* host, moe_str config, moe_plugin_error* error) {
  (void)config;
  if (g_is_initialised) return fail(error, MOE_E_INVALID_ARGUMENT, "", "init was called before, without deinit");
  if (host == NULL || host->on_step == NULL) return fail(error, MOE_E_INVALID_ARGUMENT, "", "host is incomplete");
  if (host->struct_size < sizeof(*host)) return fail(error, MOE_E_ABI_MISMATCH, "", "host table is too small");
  if (host->abi_major != MOE_PLUGIN_ABI_MAJOR) return fail(error, MOE_E_ABI_MISMATCH, "", "another major version");
  g_host = *host;
  g_is_stopping = g_is_held = 0;
  g_steps = g_prompt_tokens = g_completion_tokens = 0;
  if (pthread_create(&g_thread, NULL, loop, NULL) != 0) {
    return fail(error, MOE_E_RESOURCE_EXHAUSTED, "", "cannot start the step thread");
  }
  g_is_initialised = 1;
  return MOE_OK;
}

static void deinit(void) {
  if (!g_is_initialised) return;
  pthread_mutex_lock(&g_mutex);
  g_is_stopping = 1;
  pthread_cond_signal(&g_changed);
  pthread_mutex_unlock(&g_mutex);
  pthread_join(g_thread, NULL);
  g_is_initialised = 0;
}

static const moe_plugin_backend_1 kBackend = {sizeof(moe_plugin_backend_1),
                                              0,
                                              models,
                                              facts,
                                              prepare,
                                              start,
                                              discard,
                                              release,
                                              pause_request,
                                              resume_request,
                                              cancel_request,
                                              tokenize,
                                              detokenize,
                                              counters,
                                              expert_counts};

static const void* get_extension(const char* id) { return strcmp(id, MOE_PLUGIN_BACKEND_1) == 0 ? &kBackend : NULL; }

static const moe_plugin kPlugin = {
    sizeof(moe_plugin), MOE_PLUGIN_ABI_MAJOR, MOE_PLUGIN_ABI_MINOR, "template", "0.1.0", init, deinit, get_extension};

MOE_PLUGIN_DEFINE(kPlugin)
