// A parsed template and one render of it. Immutable after parse, safe from many threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/status.hpp"
#include "text/jinja/ast.hpp"
#include "text/jinja/interpreter.hpp"

namespace moe::text::jinja {

struct Rendered {
  Str text;
  std::vector<Str::Span> generation_spans;  // bytes written inside of {% generation %}
};

class Template {
 public:
  // Throws Error.
  static Template parse(std::string_view source) { return Template(parse_template(source)); }
  // Throws Error.
  Rendered render(const std::vector<std::pair<std::string, Value>>& variables, const Bounds& bounds,
                  std::int64_t now_seconds) const;

 private:
  explicit Template(Body body) : body_(std::move(body)) {}
  Body body_;
};

}  // namespace moe::text::jinja
