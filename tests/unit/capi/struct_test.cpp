// Struct sizes: what is older, newer or wild, and that nothing outside the given size is read or written.
#include <sys/mman.h>
#include <unistd.h>

#include "harness.hpp"

namespace moe::capi::test {
namespace {

// Memory that ends exactly at a page nobody may touch.
class Guarded {
 public:
  explicit Guarded(std::size_t size) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    base_ = static_cast<char*>(mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + page_, page_, PROT_NONE);
    data_ = base_ + page_ - size;
  }
  ~Guarded() { munmap(base_, 2 * page_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  void* data() { return data_; }

 private:
  std::size_t page_;
  char* base_;
  char* data_;
};

// Calls `use` with a struct of `size` bytes at the end of a page, the last byte set to `tail`.
template <typename T, typename Use>
moe_status at_size(const T& value, std::uint32_t size, char tail, Use use) {
  Guarded memory(size);
  std::memcpy(memory.data(), &value, std::min<std::size_t>(size, sizeof(T)));
  std::memcpy(memory.data(), &size, sizeof size);
  if (size > sizeof(T)) {
    static_cast<char*>(memory.data())[size - 1] = tail;
  }
  return use(static_cast<T*>(memory.data()));
}

template <typename T, typename Use>
void check_sizes(const T& value, Use use) {
  const auto full = static_cast<std::uint32_t>(sizeof(T));
  EXPECT_EQ(at_size(value, full, 0, use), MOE_OK) << moe_last_error();
  EXPECT_EQ(at_size(value, full + 64, 0, use), MOE_OK) << moe_last_error();
  for (const std::uint32_t size : {8U, full / 2, full - 1}) {
    EXPECT_EQ(at_size(value, size, 0, use), MOE_E_ABI_MISMATCH) << size;
    EXPECT_NE(std::string(moe_last_error()).find("struct_size"), std::string::npos);
  }
}

template <typename T, typename Use>
void check_unknown_tail(const T& value, Use use) {
  EXPECT_EQ(at_size(value, sizeof(T) + 64, 1, use), MOE_E_ABI_MISMATCH);
}

TEST(Structs, f069_options_are_read_within_their_size) {
  const Model model = load(golden("qwen3_moe"));
  const moe_workers_options workers = MOE_WORKERS_OPTIONS_INIT;
  const auto use_workers = [](const moe_workers_options* options) {
    moe_workers* out = nullptr;
    const moe_status status = moe_workers_create(options, &out);
    moe_workers_destroy(out);
    return status;
  };
  check_sizes(workers, use_workers);
  check_unknown_tail(workers, use_workers);
  const moe_model_options load_options = MOE_MODEL_OPTIONS_INIT;
  const auto use_load = [](const moe_model_options* options) {
    moe_model* out = nullptr;
    const moe_status status = moe_model_load(str(golden("llama")), options, &out);
    moe_model_destroy(out);
    return status;
  };
  check_sizes(load_options, use_load);
  check_unknown_tail(load_options, use_load);
  const auto use_engine = [&](const moe_engine_options* options) {
    moe_engine* out = nullptr;
    const moe_status status = moe_engine_create(model.get(), options, &out);
    moe_engine_destroy(out);
    return status;
  };
  check_sizes(engine_options(), use_engine);
  check_unknown_tail(engine_options(), use_engine);
}

TEST(Structs, f069_requests_events_and_stats_stay_within_their_size) {
  const Model model = load(golden("qwen3_moe"));
  const Engine engine = make_engine(model.get());
  const auto tokens = prompt(4);
  const moe_request in = request(tokens, 1);
  const auto use_request = [&](const moe_request* options) {
    const Sequence sequence = make_sequence(engine.get());
    return moe_sequence_start(sequence.get(), options);
  };
  check_sizes(in, use_request);
  check_unknown_tail(in, use_request);
  check_sizes(moe_engine_stats{}, [&](moe_engine_stats* out) { return moe_engine_stats_get(engine.get(), out); });
  check_sizes(moe_event{}, [&](moe_event* out) {
    const Sequence sequence = make_sequence(engine.get());
    EXPECT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
    return moe_sequence_read(sequence.get(), 60000, out);
  });
}

TEST(Structs, a_wild_size_is_refused_without_reading_it) {
  moe_workers_options options = MOE_WORKERS_OPTIONS_INIT;
  options.struct_size = 0x7fffffff;
  moe_workers* workers = nullptr;
  EXPECT_EQ(moe_workers_create(&options, &workers), MOE_E_ABI_MISMATCH);
}

TEST(Structs, reserved_fields_must_be_zero) {
  moe_workers_options options = MOE_WORKERS_OPTIONS_INIT;
  options.reserved0 = 1;
  moe_workers* workers = nullptr;
  EXPECT_EQ(moe_workers_create(&options, &workers), MOE_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(moe_last_error()).find("reserved0"), std::string::npos);
}

TEST(Structs, version_and_build_id_name_the_release) {
  EXPECT_EQ(moe_version(), static_cast<std::uint32_t>(MOE_VERSION));
  EXPECT_NE(std::string(moe_build_id()).find("libmoe 0.1.0"), std::string::npos);
}

}  // namespace
}  // namespace moe::capi::test
