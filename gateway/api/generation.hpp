// One request for tokens from its checked parameters to its end: prepare, admit, start, deliver, and every ending of
// docs/architecture.md. Runs on the exchange's strand; what other threads bring is posted there.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/answer.hpp"
#include "api/chunk_writer.hpp"
#include "api/params.hpp"
#include "api/services.hpp"

namespace moegate::api {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const Services& services, Shared exchange, Params params, const backend::Model& model,
             std::unique_ptr<limits::Limiter::Slot> slot);
  // Answers in every case, now or later.
  void run();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { preparing, running, ended };
  using PreparedList = std::vector<backend::Prepared>;

  // prepare
  void submit_prepare();
  void prepare_all(const std::vector<std::string>& requests);  // [prepare]
  void on_prepared(PreparedList prepared, std::optional<backend::Refusal> refusal);
  std::vector<std::string> prepare_requests() const;

  // start
  void start(PreparedList prepared);
  std::shared_ptr<usage::Admission> admit(const PreparedList& prepared);
  moe_plugin_start_options start_options() const;
  void note_end(const backend::Delivery& delivery);
  void on_start_failed(const backend::Refusal& refusal, bool others_run);

  // deliver
  void on_delivery(backend::Delivery delivery);
  void show(const backend::Delivery& delivery);
  void finish(const backend::Delivery& delivery);
  void finish_well(const UsageExtra& extra);
  void end_with_error(const ApiError& error, bool tokens_were_billed);
  void write(std::string piece);
  void begin_stream();
  void press_back();

  // clock and client
  void on_closed();
  void want_end(usage::EndReason reason);
  void set_timer();
  void on_timer();
  void reject(const ApiError& error, std::string_view outcome);

  const Services& services_;
  const Shared exchange_;
  const Params params_;
  const backend::Model& model_;
  std::unique_ptr<limits::Limiter::Slot> slot_;  // until the admission owns it
  Phase phase_ = Phase::preparing;
  std::uint64_t ticket_ = 0;
  std::uint64_t seed_ = 0;
  std::shared_ptr<backend::Running> running_;
  std::optional<ChunkWriter> chunks_;
  std::optional<Answer> answer_;
  ledger::Counts counts_;
  std::optional<backend::Refusal> late_refusal_;
  bool is_closed_ = false, has_stream_ = false, has_tokens_ = false, is_paused_ = false;
  std::size_t events_in_queue_ = 0;
  Clock::time_point deadline_{}, next_beat_{}, paused_at_{}, started_at_{};
};

}  // namespace moegate::api
