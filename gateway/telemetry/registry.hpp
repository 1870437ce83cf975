// Families of metrics with labels of bounded domains. An update never throws, never blocks on a scrape for long and
// never creates more series than allowed: what lies outside a domain or over the cap is counted under "__other__".
// Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moegate::telemetry {

enum class Kind { counter, gauge, histogram };

struct Label {
  std::string name;
  std::vector<std::string> domain;  // empty: any value, up to the cap of the family
};

struct FamilyOptions {
  Kind kind = Kind::counter;
  std::string name, help;
  std::vector<Label> labels;
  std::vector<double> buckets;  // histograms
  bool create_all = true;       // every combination of the domains exists from the start
  std::size_t max_series = 2000;
};

class Registry {
 public:
  explicit Registry(std::size_t max_series);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  class Family;
  Family& add(FamilyOptions options);
  // Runs before each rendering, to read gauges. Must be set before the first scrape.
  void before_scrape(std::function<void()> callback);
  // Prometheus text 0.0.4.
  std::string render();
  std::size_t series() const;
  // Updates that failed inside (allocation, arity); they are dropped and counted.
  std::uint64_t failed_updates() const;
  // For tests: every n-th update from now on throws inside. 0 = none.
  void fail_every(std::uint64_t n);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// `values` has one entry a label. Not finite or negative steps of a counter are dropped and counted.
void family_add(Registry::Family& family, const std::string_view* values, std::size_t count, double amount) noexcept;
void family_set(Registry::Family& family, const std::string_view* values, std::size_t count, double value) noexcept;

// Typed views: the number of labels is fixed at compile time.
template <std::size_t N>
class Counter {
 public:
  explicit Counter(Registry::Family& family) : family_(&family) {}
  template <typename... Labels>
  void add(double amount, const Labels&... labels) const noexcept {
    static_assert(sizeof...(Labels) == N, "one value a label");
    const std::array<std::string_view, N> values{std::string_view(labels)...};
    family_add(*family_, values.data(), N, amount);
  }
  // Follows a count kept elsewhere: rises to `total`, never falls.
  template <typename... Labels>
  void rise_to(double total, const Labels&... labels) const noexcept {
    static_assert(sizeof...(Labels) == N, "one value a label");
    const std::array<std::string_view, N> values{std::string_view(labels)...};
    family_set(*family_, values.data(), N, total);
  }

 private:
  Registry::Family* family_;
};

template <std::size_t N>
class Gauge {
 public:
  explicit Gauge(Registry::Family& family) : family_(&family) {}
  template <typename... Labels>
  void set(double value, const Labels&... labels) const noexcept {
    static_assert(sizeof...(Labels) == N, "one value a label");
    const std::array<std::string_view, N> values{std::string_view(labels)...};
    family_set(*family_, values.data(), N, value);
  }
  template <typename... Labels>
  void add(double amount, const Labels&... labels) const noexcept {
    static_assert(sizeof...(Labels) == N, "one value a label");
    const std::array<std::string_view, N> values{std::string_view(labels)...};
    family_add(*family_, values.data(), N, amount);
  }

 private:
  Registry::Family* family_;
};

template <std::size_t N>
class Histogram {
 public:
  explicit Histogram(Registry::Family& family) : family_(&family) {}
  template <typename... Labels>
  void observe(double value, const Labels&... labels) const noexcept {
    static_assert(sizeof...(Labels) == N, "one value a label");
    const std::array<std::string_view, N> values{std::string_view(labels)...};
    family_add(*family_, values.data(), N, value);
  }

 private:
  Registry::Family* family_;
};

}  // namespace moegate::telemetry
