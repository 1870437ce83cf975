#include "ops/onednn_gemm.hpp"

#if defined(MOE_WITH_ONEDNN)

#include <omp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "base/aligned.hpp"
#include "base/cpu_features.hpp"
#include "base/exec_memory.hpp"

namespace moe::ops {
namespace {

using dnnl::memory;

// Rows are padded to the next of these: at most a third is computed in vain, and 16 primitives serve every shape.
constexpr std::array<std::size_t, 16> kBuckets{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256};
constexpr std::size_t kMostRows = kBuckets.back();

std::size_t bucket_of(std::size_t rows) {
  return static_cast<std::size_t>(std::lower_bound(kBuckets.begin(), kBuckets.end(), rows) - kBuckets.begin());
}

// oneDNN sizes its loops by OpenMP's setting of the calling thread; with one thread it starts no team. The setting
// belongs to the thread, which may be the host's, so it is put back.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& thread_stream() {
  thread_local dnnl::stream stream(cpu_engine());
  return stream;
}

memory::desc plain(std::size_t rows, std::size_t columns, memory::format_tag tag) {
  return {{static_cast<memory::dim>(rows), static_cast<memory::dim>(columns)}, memory::data_type::f32, tag};
}

dnnl::matmul::primitive_desc describe(std::size_t rows, std::size_t num_in, std::size_t columns,
                                      const memory::desc& weights) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);  // the environment could allow bf16 inside float32
  const memory::desc x = plain(rows, num_in, memory::format_tag::ab);
  const memory::desc y = plain(rows, columns, memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  return {cpu_engine(), x, weights, y, attr};
#else
  return {dnnl::matmul::desc(x, weights, y), attr, cpu_engine()};
#endif
}

// Buffers of a thread: padded rows, the dense tile of results, oneDNN's own scratch. They grow to the largest call.
struct ThreadScratch {
  std::vector<float> x, y;
  std::vector<std::byte> pad;
};

ThreadScratch& thread_scratch() {
  thread_local ThreadScratch scratch;
  return scratch;
}

template <typename T>
T* at_least(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) {
    buffer.resize(size);
  }
  return buffer.data();
}

class Gemm final : public OneDnnGemm {
 public:
  Gemm(std::size_t num_in, std::size_t columns) : num_in_(num_in), columns_(columns) {}

  // Throws dnnl::error. False if an implementation is not row-stable.
  bool build() {
    for (std::size_t i = 0; i < kBuckets.size(); ++i) {
      // The first bucket chooses the packed layout, the others must take it.
      const memory::desc weights = i == 0 ? plain(num_in_, columns_, memory::format_tag::any) : weights_desc_;
      const auto described = describe(kBuckets[i], num_in_, columns_, weights);
      const std::string name = described.impl_info_str();
      if (i == 0) {
        implementation_ = name;
        weights_desc_ = described.weights_desc();
      }
      if (!name.starts_with("brg:") || name != implementation_) {
        implementation_ = name;
        return false;
      }
      buckets_[i] = {dnnl::matmul(described), described.src_desc(), described.dst_desc(), described.scratchpad_desc()};
    }
    return true;
  }

  std::size_t packed_bytes() const override { return weights_desc_.get_size(); }
  const std::string& implementation() const override { return implementation_; }

  Status pack(const float* weight, void* packed) const override {
    try {
      const OneThread one_thread;
      // [num_in, columns] seen through the transposed layout of [columns, num_in].
      const memory from(plain(num_in_, columns_, memory::format_tag::ba), cpu_engine(), const_cast<float*>(weight));
      const memory to(weights_desc_, cpu_engine(), packed);
      dnnl::reorder(from, to).execute(thread_stream(), const_cast<memory&>(from), const_cast<memory&>(to));
      thread_stream().wait();
      return {};
    } catch (const std::exception& error) {
      return {Code::resource_exhausted, std::string("oneDNN reorder: ") + error.what()};
    }
  }

  void run(const void* packed, const float* x, std::size_t x_stride, std::size_t rows, float* y,
           std::size_t y_stride) const noexcept override {
    try {
      const OneThread one_thread;
      for (std::size_t first = 0; first < rows; first += kMostRows) {
        run_bucket(packed, x + first * x_stride, x_stride, std::min(rows - first, kMostRows), y + first * y_stride,
                   y_stride);
      }
    } catch (...) {
      for (std::size_t row = 0; row < rows; ++row) {
        std::fill_n(y + row * y_stride, columns_, std::numeric_limits<float>::quiet_NaN());
      }
    }
  }

 private:
  struct Bucket {
    dnnl::matmul primitive;
    memory::desc x, y, scratch;
  };

  void run_bucket(const void* packed, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                  std::size_t y_stride) const {
    const std::size_t index = bucket_of(rows);
    const Bucket& bucket = buckets_[index];
    const std::size_t padded = kBuckets[index];
    ThreadScratch& scratch = thread_scratch();
    const float* in = x;
    if (padded != rows || x_stride != num_in_) {
      float* copy = at_least(scratch.x, padded * num_in_);
      for (std::size_t row = 0; row < rows; ++row) {
        std::copy_n(x + row * x_stride, num_in_, copy + row * num_in_);
      }
      std::fill(copy + rows * num_in_, copy + padded * num_in_, 0.0F);
      in = copy;
    }
    const bool direct = padded == rows && y_stride == columns_;
    float* out = direct ? y : at_least(scratch.y, padded * columns_);
    bucket.primitive.execute(
        thread_stream(), {{DNNL_ARG_SRC, memory(bucket.x, cpu_engine(), const_cast<float*>(in))},
                          {DNNL_ARG_WEIGHTS, memory(weights_desc_, cpu_engine(), const_cast<void*>(packed))},
                          {DNNL_ARG_DST, memory(bucket.y, cpu_engine(), out)},
                          {DNNL_ARG_SCRATCHPAD,
                           memory(bucket.scratch, cpu_engine(), at_least(scratch.pad, bucket.scratch.get_size()))}});
    thread_stream().wait();
    for (std::size_t row = 0; !direct && row < rows; ++row) {
      std::copy_n(out + row * columns_, columns_, y + row * y_stride);
    }
  }

  std::size_t num_in_;
  std::size_t columns_;
  std::string implementation_;
  memory::desc weights_desc_;
  std::array<Bucket, kBuckets.size()> buckets_;
};

// Weights of one shape share their primitives; the map holds them only as long as a weight does.
struct Shapes {
  std::mutex mutex;  // guards the map
  std::map<std::pair<std::size_t, std::size_t>, std::weak_ptr<const OneDnnGemm>> by_size;
};

Shapes& shapes() {
  static Shapes instance;
  return instance;
}

Status cap_isa() {
  const bool has_avx512 = base::current_isa() == base::IsaLevel::avx512;
  if (has_avx512) {
    return {};  // oneDNN's own detection decides above the level that the own kernels know
  }
  const bool has_avx2 = base::current_isa() == base::IsaLevel::avx2;
  // Fails if oneDNN was used before in this process (by the host): then it may run wider than asked.
  if (dnnl_set_max_cpu_isa(has_avx2 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_sse41) != dnnl_success) {
    return {Code::unsupported, "oneDNN was used before and cannot be limited to " +
                                   std::string(base::isa_name(base::current_isa())) + " any more"};
  }
  return {};
}

Status probe() {
#if DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP && DNNL_CPU_RUNTIME != DNNL_RUNTIME_SEQ
  return {Code::unsupported, "oneDNN was built with a threading runtime that cannot be held to the calling thread"};
#else
  if (!base::executable_memory_available()) {
    return {Code::unsupported, "this process may not generate code (no executable memory)"};
  }
  return cap_isa();
#endif
}

}  // namespace

Status onednn_available() {
  static const Status status = probe();
  return status;
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

Result<std::shared_ptr<const OneDnnGemm>> OneDnnGemm::create(std::size_t num_in, std::size_t columns) {
  if (Status status = onednn_available(); !status.ok()) {
    return status;
  }
  const std::scoped_lock lock(shapes().mutex);
  auto& shape = shapes().by_size[{num_in, columns}];
  if (auto shared = shape.lock()) {
    return shared;
  }
  try {
    const OneThread one_thread;
    auto made = std::make_shared<Gemm>(num_in, columns);
    if (!made->build()) {
      return Status{Code::unsupported, "oneDNN offers " + made->implementation() + ", which is not row-stable"};
    }
    shape = made;
    return std::shared_ptr<const OneDnnGemm>(std::move(made));
  } catch (const std::exception& error) {
    return Status{Code::unsupported, std::string("oneDNN matmul: ") + error.what()};
  }
}

std::size_t OneDnnGemm::live_primitives() {
  const std::scoped_lock lock(shapes().mutex);
  std::size_t count = 0;
  for (const auto& [size, shape] : shapes().by_size) {
    count += shape.expired() ? 0 : kBuckets.size();
  }
  return count;
}

}  // namespace moe::ops

#else  // built without oneDNN

namespace moe::ops {

Status onednn_available() { return {Code::unsupported, "built without oneDNN"}; }

std::string onednn_version() { return {}; }

std::size_t OneDnnGemm::live_primitives() { return 0; }

Result<std::shared_ptr<const OneDnnGemm>> OneDnnGemm::create(std::size_t, std::size_t) { return onednn_available(); }

}  // namespace moe::ops

#endif
