#include "telemetry/registry.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <variant>

namespace moegate::telemetry {
namespace {

constexpr std::string_view kOther = "__other__";

using AnyFamily = std::variant<std::unique_ptr<prometheus::Family<prometheus::Counter>>,
                               std::unique_ptr<prometheus::Family<prometheus::Gauge>>,
                               std::unique_ptr<prometheus::Family<prometheus::Histogram>>>;

AnyFamily make_family(const FamilyOptions& options) {
  const prometheus::Labels none;
  switch (options.kind) {
    case Kind::counter:
      return std::make_unique<prometheus::Family<prometheus::Counter>>(options.name, options.help, none);
    case Kind::gauge:
      return std::make_unique<prometheus::Family<prometheus::Gauge>>(options.name, options.help, none);
    case Kind::histogram:
      break;
  }
  return std::make_unique<prometheus::Family<prometheus::Histogram>>(options.name, options.help, none);
}

}  // namespace

struct Registry::Impl {
  explicit Impl(std::size_t cap) : max_series(cap) {}
  void tick_failure() {
    const auto every = fail_every.load(std::memory_order_relaxed);
    if (every != 0 && updates.fetch_add(1, std::memory_order_relaxed) % every == 0) {
      throw std::runtime_error("planted failure of a metric");
    }
  }

  const std::size_t max_series;
  std::atomic<std::size_t> series{0};
  std::atomic<std::uint64_t> failed{0}, fail_every{0}, updates{0};
  std::vector<std::unique_ptr<Family>> families;
  Family* dropped = nullptr;
  std::function<void()> scrape_hook;
};

class Registry::Family {
 public:
  Family(Registry::Impl& registry, FamilyOptions options)
      : registry_(registry), options_(std::move(options)), family_(make_family(options_)) {
    if (options_.create_all && std::none_of(options_.labels.begin(), options_.labels.end(),
                                            [](const Label& label) { return label.domain.empty(); })) {
      std::vector<std::string> values(options_.labels.size());
      create_all(values, 0);
    }
  }

  void add(const std::string_view* values, std::size_t count, double amount) {
    registry_.tick_failure();
    if (!std::isfinite(amount) || (options_.kind == Kind::counter && amount < 0)) throw std::domain_error("amount");
    const std::lock_guard lock(mutex_);
    const Series series = find(values, count);
    switch (options_.kind) {
      case Kind::counter:
        series.counter->Increment(amount);
        break;
      case Kind::gauge:
        series.gauge->Increment(amount);
        break;
      case Kind::histogram:
        series.histogram->Observe(std::max(amount, 0.0));
        break;
    }
  }

  void set(const std::string_view* values, std::size_t count, double value) {
    registry_.tick_failure();
    if (!std::isfinite(value)) throw std::domain_error("value");
    const std::lock_guard lock(mutex_);
    const Series series = find(values, count);
    if (options_.kind == Kind::gauge) {
      series.gauge->Set(value);
    } else if (options_.kind == Kind::counter && value > series.counter->Value()) {
      series.counter->Increment(value - series.counter->Value());
    }
  }

  std::vector<prometheus::MetricFamily> collect() const {
    return std::visit([](const auto& family) { return family->Collect(); }, family_);
  }

  Registry::Impl& registry() { return registry_; }
  const std::string& name() const { return options_.name; }

 private:
  union Series {
    prometheus::Counter* counter;
    prometheus::Gauge* gauge;
    prometheus::Histogram* histogram;
  };

  Series find(const std::string_view* values, std::size_t count) {
    if (count != options_.labels.size()) throw std::invalid_argument("arity");
    key_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto& domain = options_.labels[i].domain;
      const bool known = domain.empty() || std::find(domain.begin(), domain.end(), values[i]) != domain.end();
      key_.append(known ? values[i] : kOther).push_back('\x1f');
    }
    if (const auto found = series_.find(key_); found != series_.end()) return found->second;
    // The counter of what was dropped is bounded by the number of families: it alone may pass the cap.
    const bool is_full = (series_.size() >= options_.max_series || registry_.series >= registry_.max_series) &&
                         this != registry_.dropped;
    if (is_full && count != 0) return overflow(count);
    return create();
  }

  // The one series that takes what no longer fits; it is made even when the caps are reached.
  Series overflow(std::size_t count) {
    if (registry_.dropped != nullptr && registry_.dropped != this) {
      const std::string_view name = options_.name;
      registry_.dropped->add(&name, 1, 1);
    }
    key_.clear();
    for (std::size_t i = 0; i < count; ++i) key_.append(kOther).push_back('\x1f');
    const auto found = series_.find(key_);
    return found != series_.end() ? found->second : create();
  }

  Series create() {
    prometheus::Labels labels;
    std::size_t from = 0;
    for (const auto& label : options_.labels) {
      const auto end = key_.find('\x1f', from);
      labels[label.name] = key_.substr(from, end - from);
      from = end + 1;
    }
    Series series{};
    if (auto* counters = std::get_if<0>(&family_)) {
      series.counter = &(*counters)->Add(labels);
    } else if (auto* gauges = std::get_if<1>(&family_)) {
      series.gauge = &(*gauges)->Add(labels);
    } else {
      series.histogram = &std::get<2>(family_)->Add(labels, options_.buckets);
    }
    series_.emplace(key_, series);
    ++registry_.series;
    return series;
  }

  void create_all(std::vector<std::string>& values, std::size_t at) {
    if (at == values.size()) {
      std::vector<std::string_view> views(values.begin(), values.end());
      find(views.data(), views.size());
      return;
    }
    for (const auto& value : options_.labels[at].domain) {
      values[at] = value;
      create_all(values, at + 1);
    }
  }

  Registry::Impl& registry_;
  const FamilyOptions options_;
  AnyFamily family_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Series, std::less<>> series_;
  std::string key_;
};

Registry::Registry(std::size_t max_series) : impl_(std::make_unique<Impl>(max_series)) {
  impl_->dropped = &add({.kind = Kind::counter,
                         .name = "moegate_metrics_series_dropped_total",
                         .help = "Updates that went to __other__ because a cap on series was reached.",
                         .labels = {{"family", {}}},
                         .buckets = {}});
}

Registry::~Registry() = default;

Registry::Family& Registry::add(FamilyOptions options) {
  impl_->families.push_back(std::make_unique<Family>(*impl_, std::move(options)));
  return *impl_->families.back();
}

void Registry::before_scrape(std::function<void()> callback) { impl_->scrape_hook = std::move(callback); }

std::string Registry::render() {
  if (impl_->scrape_hook) impl_->scrape_hook();
  std::vector<prometheus::MetricFamily> all;
  for (const auto& family : impl_->families) {
    auto part = family->collect();
    if (part.empty() || part.front().metric.empty()) continue;
    auto& metrics = part.front().metric;
    std::sort(metrics.begin(), metrics.end(), [](const auto& a, const auto& b) { return a.label < b.label; });
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return std::move(out).str();
}

std::size_t Registry::series() const { return impl_->series; }
std::uint64_t Registry::failed_updates() const { return impl_->failed; }
void Registry::fail_every(std::uint64_t n) { impl_->fail_every = n; }

void family_add(Registry::Family& family, const std::string_view* values, std::size_t count, double amount) noexcept {
  try {
    family.add(values, count, amount);
  } catch (...) {
    ++family.registry().failed;  // a metric is never worth a request
  }
}

void family_set(Registry::Family& family, const std::string_view* values, std::size_t count, double value) noexcept {
  try {
    family.set(values, count, value);
  } catch (...) {
    ++family.registry().failed;
  }
}

}  // namespace moegate::telemetry
