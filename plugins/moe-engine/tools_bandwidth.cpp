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

std::uint64_t sum(const std::vector<std::uint64_t>& words) {
  std::uint64_t lanes[16] = {};  // independent, so that loads do not wait for additions
  for (std::size_t i = 0; i + 16 <= words.size(); i += 16) {
    for (std::size_t lane = 0; lane < 16; ++lane) lanes[lane] += words[i + lane];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t lane : lanes) total += lane;
  return total;
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
