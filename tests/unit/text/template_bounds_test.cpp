// Hostile templates and conversations: every bound ends a render with an error, on a small stack.
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>

#include "text/chat_template.hpp"

namespace moe::text {
namespace {

constexpr std::size_t kOutput = 65536;

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

Status outcome(std::string_view source, const ChatRequest& request = {}) {
  const auto compiled = compile_chat_template(source, {}, kOutput);
  if (!compiled.ok()) return compiled.status();
  return (*compiled)->render(request).status();
}

// Stack of a process under `ulimit -s 256`; sanitizers make frames several times larger.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStack = 2048 * 1024;
#else
constexpr std::size_t kStack = 256 * 1024;
#endif

// Runs on a thread with a stack of that size.
void on_small_stack(std::function<void()> body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStack), 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(TemplateBounds, f5_m6_a_million_levels_are_refused_on_a_small_stack) {
  on_small_stack([] {
    constexpr std::size_t kDeep = 200000;
    const std::string sources[] = {
        "{{ " + repeat("(", kDeep) + "1" + repeat(")", kDeep) + " }}",
        "{{ " + repeat("[", kDeep) + repeat("]", kDeep) + " }}",
        "{{ " + repeat("{1:", kDeep) + "1" + repeat("}", kDeep) + " }}",
        "{{ " + repeat("-", kDeep) + "1 }}",
        "{{ " + repeat("not ", kDeep) + "1 }}",
        "{{ 1" + repeat("+1", kDeep) + " }}",
        "{{ 1" + repeat(" if 1 else 2", kDeep / 4) + " }}",
        "{{ a" + repeat(".b", kDeep) + " }}",
        "{{ a" + repeat("[0]", kDeep) + " }}",
        "{{ a" + repeat("()", kDeep) + " }}",
        "{{ a" + repeat("|e", kDeep) + " }}",
        "{{ 1" + repeat(" is odd", kDeep / 4) + " }}",
        "{{ 1" + repeat(" and 1", kDeep / 4) + " }}",
        "{{ 1" + repeat("**1", kDeep) + " }}",
        repeat("{% if 1 %}", kDeep / 4),
        repeat("{% for a in b %}", kDeep / 16),
        repeat("{% macro a() %}", kDeep / 16),
        repeat("{% set a %}", kDeep / 16),
        "{% for " + repeat("(", kDeep) + "a in b %}",
    };
    for (const std::string& source : sources) {
      const Status status = outcome(source);
      EXPECT_EQ(status.code(), Code::invalid_argument) << source.substr(0, 20);
      EXPECT_NE(status.message().find("line 1"), std::string::npos) << source.substr(0, 20) << status.message();
    }
  });
}

TEST(TemplateBounds, f5_long_flat_templates_are_no_nesting) {
  on_small_stack([] {
    EXPECT_TRUE(outcome("{{ 'a'" + repeat(" ~ 'a'", 10000) + " }}").ok());
    EXPECT_TRUE(outcome("{% if 0 %}" + repeat("{% elif 0 %}", 5000) + "{% endif %}").ok());
    EXPECT_TRUE(outcome("{{ [" + repeat("1,", 10000) + "] | length }}").ok());
  });
}

TEST(TemplateBounds, f5_endless_work_ends_with_a_bound) {
  on_small_stack([] {
    const char* sources[] = {
        "{% for i in range(10001) %}{% endfor %}",
        "{% for i in range(200) %}{% for j in range(200) %}{% endfor %}{% endfor %}",
        "{{ range(10**9) | list }}",
        "{{ range(10**9) }}",
        "{{ 'x' * 10**9 }}",
        "{{ 'xx' * 9223372036854775807 }}",
        "{{ [0] * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(64) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% for i in [1] %}{% if true %}{{ f(n) | trim }}{% endif %}{% endfor %}{% endmacro %}{{ f(1) "
        "}}",
        "{% macro f() %}{{ f() ~ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'a'.center(10**9) }}{{ 'a'.ljust(10**12) }}",
        "{{ 'a'.zfill(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 'a' | indent(10**9) }}",
        "{{ ('a' * 60000).replace('a', 'b' * 60000) }}",
        "{{ ('a' * 60000) | replace('', 'b' * 60000) }}",
        "{{ [1] | batch(10**5, 'x') | list | tojson(indent=64) }}",
        "{% for i in range(9999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% for i in range(9999) %}{% set a = ('x' * 60000) | upper %}{% endfor %}",
        "{{ (['x' * 60000] * 1000) | string }}",
        "{{ (['x' * 60000] * 1000000) | tojson }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == "
        "ns.l }}",
        "{{ (['x' * 60000] * 1000) | join }}",
    };
    for (const char* source : sources) {
      const Status status = outcome(source);
      EXPECT_TRUE(status.code() == Code::resource_exhausted || status.code() == Code::out_of_range)
          << source << ": " << status.message();
    }
  });
}

TEST(TemplateBounds, f5_python_internals_are_out_of_reach) {
  for (const char* source :
       {"{{ ''.__class__.__mro__ }}", "{{ [].__class__.__base__ }}", "{{ messages.__init__.__globals__ }}",
        "{{ range.__self__.x }}", "{{ [1].append(2) }}", "{{ {}.update({'a': 1}) }}", "{{ [1].pop() }}",
        "{{ ''|attr('__class__')|attr('__mro__') }}", "{{ ''['__class__']['__mro__'] }}", "{{ open('x') }}",
        "{{ self.x.y }}", "{{ cycler.__init__.x }}"}) {
    EXPECT_EQ(outcome(source).code(), Code::invalid_argument) << source;
  }
}

TEST(TemplateBounds, f5_namespaces_that_refer_to_each_other_are_freed) {
  EXPECT_TRUE(
      outcome("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{% set a.self = a %}{{ a }}")
          .ok());
  // A sanitized build may meet the time bound on the way; the chain is freed all the same.
  const Status chain = outcome(
      "{% set ns = namespace(x=none) %}{% for i in range(5000) %}{% set m = namespace(x=ns.x) %}{% set ns.x = m %}"
      "{% endfor %}");
  EXPECT_TRUE(chain.ok() || chain.code() == Code::resource_exhausted) << chain.message();
  EXPECT_TRUE(
      outcome("{% set ns = namespace() %}{% for i in [1,2] %}{% macro f() %}{{ i }}{% endmacro %}{% set ns.f = f %}"
              "{% set ns.loop = loop %}{% set ns.c = loop.changed %}{% endfor %}{{ ns.f() }}{{ ns.loop.index }}{{ "
              "ns.c(1) }}")
          .ok());
}

TEST(TemplateBounds, f5_a_recursive_loop_called_after_its_end_is_harmless) {
  EXPECT_FALSE(outcome("{% set ns = namespace() %}{% for i in [1] recursive %}{% set ns.l = loop %}{% endfor %}"
                       "{% for i in [1] %}{{ ns.l([[1]]) }}{{ x.y }}{% endfor %}")
                   .ok());
}

TEST(TemplateBounds, a_prompt_beyond_the_output_bound_is_out_of_range) {
  ChatRequest request;
  request.messages = json::Value::array().push(json::Value::string(std::string(kOutput, 'x')));
  EXPECT_TRUE(outcome("{{ messages[0] }}", request).ok());
  const Status status = outcome("{{ messages[0] }}!", request);
  EXPECT_EQ(status.code(), Code::out_of_range);
  EXPECT_EQ(status.param(), "messages");
}

TEST(TemplateBounds, long_conversations_render_within_the_bounds) {
  ChatRequest request;
  request.messages = json::Value::array();
  for (int i = 0; i < 2000; ++i) {
    request.messages.push(json::Value::object()
                              .set("role", json::Value::string("user"))
                              .set("content", json::Value::string("hello there")));
  }
  EXPECT_TRUE(outcome("{% for m in messages %}{{ m.role ~ m.content | trim }}{% endfor %}", request).ok());
}

}  // namespace
}  // namespace moe::text
