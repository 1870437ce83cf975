// GET /admin/v1/moe/{model}/load: the exact layer x expert matrix of a window or since an epoch.
#include <charconv>
#include <chrono>

#include "admin/http_api.hpp"
#include "core/json.hpp"
#include "http/error_map.hpp"
#include "http/path.hpp"

namespace moegate::admin {
namespace {

using http::Problem;
using moe::json::Value;
using telemetry::LoadSnapshot;
using Entry = std::shared_ptr<const LoadSnapshot>;

Value number(std::uint64_t value) { return Value::integer(static_cast<std::int64_t>(value)); }

// One phase of later - earlier as [layers][experts].
Value matrix(const LoadSnapshot* earlier, const LoadSnapshot& later, std::size_t phase) {
  Value rows = Value::array();
  const std::size_t cells = std::size_t{later.layers} * later.experts;
  for (std::uint32_t layer = 0; layer < later.layers; ++layer) {
    Value row = Value::array();
    for (std::uint32_t expert = 0; expert < later.experts; ++expert) {
      const std::size_t at = phase * cells + std::size_t{layer} * later.experts + expert;
      row.push(number(later.counts[at] - (earlier != nullptr ? earlier->counts[at] : 0)));
    }
    rows.push(std::move(row));
  }
  return rows;
}

std::string csv(const LoadSnapshot* earlier, const LoadSnapshot& later) {
  std::string text = "layer,expert,prefill,decode\n";
  const std::size_t cells = std::size_t{later.layers} * later.experts;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const auto count = [&](std::size_t at) {
      return std::to_string(later.counts[at] - (earlier != nullptr ? earlier->counts[at] : 0));
    };
    text += std::to_string(cell / later.experts) + "," + std::to_string(cell % later.experts) + "," + count(cell) +
            "," + count(cells + cell) + "\n";
  }
  return text;
}

std::optional<std::uint64_t> digits(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "60s", "10m", "60".
std::optional<std::chrono::seconds> window_of(std::string_view text) {
  std::uint64_t scale = 1;
  if (text.ends_with('m')) scale = 60;
  if (text.ends_with('m') || text.ends_with('s')) text.remove_suffix(1);
  const auto value = digits(text);
  if (!value || *value == 0 || *value > 3600) return std::nullopt;
  return std::chrono::seconds(*value * scale);
}

struct Range {
  Entry from;  // null: since the model was loaded
  bool is_whole = false;
};

std::optional<Range> range_of(const telemetry::LoadHistory& history, const http::Request& request, std::string& why) {
  const auto since = http::query_value(request.query, "since");
  const auto window = http::query_value(request.query, "window");
  if (!since.empty()) {
    const auto epoch = digits(since);
    if (epoch && *epoch == 0) return Range{nullptr, true};
    auto entry = epoch ? history.at_epoch(*epoch) : nullptr;
    if (entry == nullptr) why = "The epoch is not kept: take one that an answer gave.";
    return entry == nullptr ? std::nullopt : std::optional(Range{entry, false});
  }
  if (window.empty() || window == "all") return Range{nullptr, true};
  const auto age = window_of(window);
  if (!age) {
    why = "'window' must be like 60s, 10m or all.";
    return std::nullopt;
  }
  return Range{history.before(std::chrono::steady_clock::now(), *age), false};
}

void add_inequality(Value& object, const LoadSnapshot* from, const LoadSnapshot& to) {
  Value jain = Value::array();
  Value gini = Value::array();
  Value hottest = Value::array();
  for (const auto& layer : telemetry::load_between(from, to)) {
    const auto load = telemetry::layer_load(layer);
    jain.push(Value::number(load.jain));
    gini.push(Value::number(load.gini));
    hottest.push(number(load.hot_expert));
  }
  object.set("jain", std::move(jain));
  object.set("gini", std::move(gini));
  object.set("hot_experts", std::move(hottest));
}

}  // namespace

http::Response expert_load(const api::Services& services, backend::MoeSampler& sampler, const http::Request& request,
                           const std::string& name) {
  const auto* model = services.backend->find(name);
  const auto now = model != nullptr ? sampler.now(*model) : nullptr;
  if (now == nullptr) return http::error_response(Problem::not_found, "There is no such model, or it has no experts.");
  std::string why;
  const auto range = range_of(*sampler.history(model->id), request, why);
  if (!range) return http::error_response(Problem::invalid_value, why);
  const auto* from = range->from.get();
  if (from != nullptr && telemetry::load_between(from, *now).empty()) from = nullptr;
  http::Response response;
  response.headers = {{"cache-control", "no-store"}};
  if (http::query_value(request.query, "format") == "csv") {
    response.content_type = "text/csv; charset=utf-8";
    response.body = csv(from, *now);
    return response;
  }
  Value object = Value::object();
  object.set("model", Value::string(model->id));
  object.set("layers", number(now->layers));
  object.set("experts", number(now->experts));
  object.set("experts_per_token", number(sampler.experts_per_token(*model)));
  object.set("epoch", number(now->epoch));
  object.set("since_epoch", number(from != nullptr ? from->epoch : 0));
  const auto covered =
      from != nullptr ? std::chrono::steady_clock::now() - from->taken : std::chrono::steady_clock::duration{};
  object.set("window_seconds",
             range->is_whole ? Value() : Value::number(std::chrono::duration<double>(covered).count()));
  object.set("phases", Value::object().set("prefill", matrix(from, *now, 0)).set("decode", matrix(from, *now, 1)));
  add_inequality(object, from, *now);
  response.body = moe::json::write(object);
  return response;
}

}  // namespace moegate::admin
