#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tools_bench.hpp"

namespace moegate::plugins {
namespace {

constexpr std::size_t kBytesPerThread = std::size_t{192} << 20;  // far beyond the caches of one core's share
constexpr int kPasses = 5;

// Eight independent sums, so that loads do not wait for additions, whatever the compiler vectorises.
std::uint64_t sum(const std::vector<std::uint64_t>& words) {
  std::uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
  const std::uint64_t* word = words.data();
  for (const std::uint64_t* end = word + words.size() / 8 * 8; word != end; word += 8) {
    a += word[0], b += word[1], c += word[2], d += word[3];
    e += word[4], f += word[5], g += word[6], h += word[7];
  }
  return a + b + c + d + e + f + g + h;
}

}  // namespace

double measure_read_bandwidth(unsigned threads) {
  threads = std::max(threads, 1U);
  std::vector<std::vector<std::uint64_t>> buffers(threads);
  const auto each = [&](auto&& body) {
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < threads; ++i) workers.emplace_back([&, i] { body(buffers[i]); });
    for (std::thread& worker : workers) worker.join();
  };
  each([](auto& buffer) { buffer.assign(kBytesPerThread / sizeof(std::uint64_t), 1); });  // pages near their reader
  std::atomic<std::uint64_t> sink{0};
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    each([&](const auto& buffer) { sink += sum(buffer); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(kBytesPerThread) * threads / took.count());
  }
  return sink.load() == 0 ? 0 : best;
}

}  // namespace moegate::plugins
