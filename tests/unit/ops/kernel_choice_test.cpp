// Which kernel this process takes, tried in child processes: the choice is made once and from the environment.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/cpu_features.hpp"
#include "ops/kernel_table.hpp"
#include "ops/kernels.hpp"
#include "ops/matmul.hpp"
#include "ops/onednn_gemm.hpp"

namespace moe::ops {
namespace {

constexpr int kSetMemoryDenyWriteExecute = 65;  // PR_SET_MDWE, Linux 6.3

// What `MOE_ISA=isa` makes of matmul_kernel_name(), from a new process image (this program, asked by its environment).
// `no_generated_code`: as in a service with MemoryDenyWriteExecute. "refused" if the system cannot do that.
std::string kernel_name_under(const std::string& isa, bool no_generated_code = false) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipe_ends[1], STDOUT_FILENO);
    if (no_generated_code && prctl(kSetMemoryDenyWriteExecute, 1, 0, 0, 0) != 0) {
      printf("kernel<refused>\n");
      fflush(stdout);
      _exit(0);
    }
    setenv("MOE_ISA", isa.c_str(), 1);
    execl("/proc/self/exe", "unit_ops", "--gtest_filter=KernelChoice.a_small_product_is_exact_and_its_kernel_named",
          static_cast<char*>(nullptr));
    _exit(127);
  }
  close(pipe_ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(pipe_ends[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << text;
  const std::size_t start = text.find("kernel<");
  const std::size_t end = text.find('>', start);
  return start == std::string::npos ? text : text.substr(start + 7, end - start - 7);
}

// Also the child's part of kernel_name_under(): the product makes an illegal instruction show, the name is read back.
TEST(KernelChoice, a_small_product_is_exact_and_its_kernel_named) {
  const float w[4] = {1, 2, 3, 4};
  const auto packed = pack_f32(w, 2, 2);
  ASSERT_TRUE(packed.ok());
  float y[2] = {};
  (*packed)->multiply_tile(0, w, 2, 1, y, 2);
  EXPECT_EQ(y[0], 5.0F);
  EXPECT_EQ(y[1], 11.0F);
  printf("kernel<%s>\n", matmul_kernel_name().c_str());
}

TEST(KernelChoice, F067_override_limits_own_kernels_and_onednn) {
  EXPECT_EQ(kernel_name_under("scalar"), "own scalar f32");
  const auto best = base::best_isa(base::detect_features(base::read_cpuid()));
  if (best >= base::IsaLevel::avx2) {
    EXPECT_EQ(kernel_name_under("avx2"), "own avx2 f32");
  }
  if (best >= base::IsaLevel::avx512) {
    EXPECT_NE(kernel_name_under("avx512").find("own avx512 f32"), std::string::npos);
  }
  EXPECT_NE(kernel_name_under("avx1024"), "") << "a wrong word is ignored, not fatal";
}

TEST(KernelChoice, F064_without_executable_memory_own_kernels_run) {
  if (kernel_name_under("", true) == "refused") {
    GTEST_SKIP() << "this kernel has no PR_SET_MDWE";
  }
  const auto best = base::best_isa(base::detect_features(base::read_cpuid()));
  EXPECT_EQ(kernel_name_under(std::string(base::isa_name(best)), true),
            "own " + std::string(base::isa_name(best)) + " f32");
}

TEST(KernelChoice, onednn_is_in_the_table_only_where_it_was_found_stable) {
  EXPECT_EQ(table_f32(base::IsaLevel::scalar, 4096), MatmulKernel::own);
  EXPECT_EQ(table_f32(base::IsaLevel::avx2, 4096), MatmulKernel::own);
  EXPECT_EQ(table_f32(base::IsaLevel::avx512, 4096), MatmulKernel::onednn);
  EXPECT_EQ(table_f32(base::IsaLevel::avx512, 8), MatmulKernel::own);
}

TEST(KernelChoice, an_accepted_onednn_kernel_is_of_the_stable_kind) {
  const auto gemm = OneDnnGemm::create(96, 128);
  if (gemm.ok()) {
    EXPECT_TRUE((*gemm)->implementation().starts_with("brg:")) << (*gemm)->implementation();
  } else {
    EXPECT_EQ(gemm.status().code(), Code::unsupported);
    EXPECT_FALSE(gemm.status().message().empty());
  }
}

// F-070: computing starts no thread of another library's.
TEST(KernelChoice, F070_onednn_starts_no_threads) {
  const auto gemm = OneDnnGemm::create(96, 128);
  if (!gemm.ok()) {
    GTEST_SKIP() << gemm.status().message();
  }
  const auto count_threads = [] {
    FILE* status = fopen("/proc/self/status", "r");
    int threads = 0;
    for (char line[256]; status != nullptr && fgets(line, sizeof(line), status) != nullptr;) {
      sscanf(line, "Threads: %d", &threads);
    }
    if (status != nullptr) {
      fclose(status);
    }
    return threads;
  };
  const int before = count_threads();
  const std::vector<float> w(96 * 128, 0.5F);
  const std::vector<float> x(256 * 96, 1.0F);
  base::AlignedMemory packed = base::AlignedMemory::allocate((*gemm)->packed_bytes()).value();
  ASSERT_TRUE((*gemm)->pack(w.data(), packed.data()).ok());
  std::vector<float> y(256 * 128);
  (*gemm)->run(packed.data(), x.data(), 96, 256, y.data(), 128);
  EXPECT_EQ(y[0], 48.0F);
  EXPECT_EQ(count_threads(), before);
}

}  // namespace
}  // namespace moe::ops
