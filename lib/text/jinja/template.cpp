#include "text/jinja/template.hpp"

namespace moe::text::jinja {

Rendered Template::render(const std::vector<std::pair<std::string, Value>>& variables, const Bounds& bounds,
                          std::int64_t now_seconds) const {
  Interpreter interpreter(bounds, now_seconds);
  for (const auto& [name, value] : variables) interpreter.define(name, value);
  Rendered out;
  out.text = interpreter.render(body_);
  out.generation_spans = interpreter.generation_spans();
  return out;
}

}  // namespace moe::text::jinja
