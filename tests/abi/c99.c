/* A whole program in C99 against moe.h: loads a model, renders a chat, streams the answer in pull mode.
 * Usage: c99 MODEL QUESTION. Prints the answer as it comes, then one line with the counts. */
#include <moe/moe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, moe_last_error());
  return 1;
}

static moe_str text_of(const char* text) {
  moe_str view;
  view.data = text;
  view.size = strlen(text);
  return view;
}

/* Renders and tokenises {"messages":[{"role":"user","content":question}]}; *out_tokens is the caller's to free. The
 * question must not need escapes in JSON: this is an example, not a JSON writer. */
static moe_status chat_tokens(const moe_model* model, const char* question, int32_t** out_tokens, uint64_t* out_count) {
  static const char before[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"";
  static const char after[] = "\"}]}";
  const size_t size = sizeof before + strlen(question) + sizeof after;
  char* request = malloc(size);
  moe_status status;
  *out_tokens = NULL;
  *out_count = 0;
  if (request == NULL) return MOE_E_RESOURCE_EXHAUSTED;
  snprintf(request, size, "%s%s%s", before, question, after);
  /* The buffer rule: ask for the size first, then bring a buffer. */
  status = moe_model_tokenize_chat(model, text_of(request), NULL, 0, out_count);
  if (status == MOE_E_OUT_OF_RANGE) {
    *out_tokens = malloc(*out_count * sizeof **out_tokens);
    status = *out_tokens == NULL ? MOE_E_RESOURCE_EXHAUSTED
                                 : moe_model_tokenize_chat(model, text_of(request), *out_tokens, *out_count, out_count);
  }
  free(request);
  return status;
}

/* Prints text until the FINAL event; returns 0 if the sequence ended well. */
static int print_stream(moe_sequence* sequence) {
  for (;;) {
    moe_event event;
    memset(&event, 0, sizeof event);
    event.struct_size = (uint32_t)sizeof event;
    if (moe_sequence_read(sequence, 60000, &event) != MOE_OK) return failed("read");
    if (event.text.size != 0) {
      fwrite(event.text.data, 1, (size_t)event.text.size, stdout);
      fflush(stdout);
    }
    if (event.kind == MOE_EVENT_FINAL) {
      printf("\nprompt %llu completion %llu finish %d\n",
             (unsigned long long)(event.prompt_tokens + event.cached_tokens),
             (unsigned long long)event.completion_tokens, (int)event.finish_reason);
      return event.status == MOE_OK ? 0 : 1;
    }
  }
}

int main(int argc, char** argv) {
  moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
  moe_request request = MOE_REQUEST_INIT;
  moe_model* model = NULL;
  moe_engine* engine = NULL;
  moe_sequence* sequence = NULL;
  int32_t* tokens = NULL;
  uint64_t count = 0;
  int result = 1;
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]);
    return 2;
  }
  if (moe_version() != MOE_VERSION) {
    fprintf(stderr, "header and library differ\n");
    return 1;
  }
  if (moe_model_load(text_of(argv[1]), NULL, &model) != MOE_OK) {
    result = failed("load");
  } else if (chat_tokens(model, argv[2], &tokens, &count) != MOE_OK) {
    result = failed("prompt");
  } else if (moe_engine_create(model, &options, &engine) != MOE_OK) {
    result = failed("engine");
  } else if (moe_sequence_create(engine, &sequence) != MOE_OK) {
    result = failed("sequence");
  } else {
    request.prompt = tokens;
    request.num_prompt = count;
    request.max_tokens = 64;
    result = moe_sequence_start(sequence, &request) == MOE_OK ? print_stream(sequence) : failed("start");
  }
  moe_sequence_destroy(sequence);
  moe_engine_destroy(engine);
  moe_model_destroy(model);
  free(tokens);
  return result;
}
