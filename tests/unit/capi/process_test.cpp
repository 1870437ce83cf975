// What the library must leave alone: signals, locale, environment, working folder, output.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <clocale>
#include <filesystem>
#include <locale>

#include "harness.hpp"

extern char** environ;

namespace moe::capi::test {
namespace {

struct ProcessState {
  std::vector<void (*)(int)> handlers;
  std::string mask, locale, folder, environment;
  mode_t umask_value = 0;
  int rounding = 0;
  std::size_t files = 0;
  bool operator==(const ProcessState&) const = default;
};

ProcessState observe() {
  ProcessState state;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) == 0) {
      state.handlers.push_back(action.sa_handler);
    }
  }
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  for (int number = 1; number < NSIG; ++number) {
    state.mask += sigismember(&mask, number) == 1 ? '1' : '0';
  }
  state.locale = setlocale(LC_ALL, nullptr);
  state.folder = std::filesystem::current_path().string();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    state.environment += std::string(*entry) + "\n";
  }
  state.umask_value = umask(0);
  umask(state.umask_value);
  state.rounding = fegetround();
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    state.files += entry.is_symlink() ? 1 : 0;
  }
  return state;
}

Answer chat(moe_model* model) {
  const Engine engine = make_engine(model);
  const Sequence sequence = make_sequence(engine.get());
  const std::vector<std::int32_t> tokens = {3070, 300, 259, 198, 1908, 325, 383, 30, 3071, 198, 3070, 573, 604, 198};
  moe_request in = request(tokens, 40);
  in.temperature = 0.7F;
  EXPECT_EQ(moe_sequence_start(sequence.get(), &in), MOE_OK);
  return read_all(sequence.get());
}

TEST(Process, f070_nothing_of_the_process_changes_and_nothing_is_printed) {
  { const Model warm = load(demo()); }  // lazily created once by the C library
  const ProcessState before = observe();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    const Model model = load(demo());
    chat(model.get());
    moe_model* none = nullptr;
    moe_model_load(str("/nowhere"), nullptr, &none);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  const ProcessState after = observe();
  EXPECT_EQ(before.handlers, after.handlers);
  EXPECT_EQ(before.mask, after.mask);
  EXPECT_EQ(before.environment, after.environment);
  EXPECT_EQ(before.files, after.files);
  EXPECT_TRUE(before == after);
}

// A locale whose decimal point is a comma, whether or not the system has one installed.
struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Process, f071_a_comma_locale_changes_no_bit) {
  const auto observe_model = [] {
    const Model model = load(demo());
    const Answer answer = chat(model.get());
    return std::make_pair(answer.tokens, filled([&](char* buffer, std::uint64_t capacity, std::uint64_t* size) {
                            return moe_model_facts(model.get(), buffer, capacity, size);
                          }));
  };
  const auto plain = observe_model();
  const std::locale global = std::locale::global(std::locale(std::locale::classic(), new Comma));
  const std::string c_locale = setlocale(LC_ALL, nullptr);
  setlocale(LC_ALL, "de_DE.UTF-8");  // where the system has it
  const auto comma = observe_model();
  setlocale(LC_ALL, c_locale.c_str());
  std::locale::global(global);
  EXPECT_EQ(plain, comma);
}

TEST(Process, log_texts_go_to_the_callback_only) {
  std::vector<std::string> lines;
  ASSERT_EQ(moe_log_set(
                [](void* user, std::int32_t, moe_str text) {
                  static_cast<std::vector<std::string>*>(user)->emplace_back(text.data, text.size);
                },
                &lines, MOE_LOG_DEBUG),
            MOE_OK);
  EXPECT_EQ(moe_log_set([](void*, std::int32_t, moe_str) {}, nullptr, 9), MOE_E_INVALID_ARGUMENT);
  { const Model model = load(golden("qwen3_moe")); }
  ASSERT_EQ(moe_log_set(nullptr, nullptr, 0), MOE_OK);
}

}  // namespace
}  // namespace moe::capi::test
