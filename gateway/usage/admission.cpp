#include "usage/admission.hpp"

#include <algorithm>
#include <utility>

namespace moegate::usage {
namespace {

using Time = std::chrono::steady_clock::time_point;

std::uint64_t micros(Time from, Time to) {
  if (from == Time{} || to <= from) return 0;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

void raise(std::uint64_t& to, std::uint64_t value) { to = std::max(to, value); }

std::uint64_t take_difference(std::uint64_t& seen, std::uint64_t now) {
  if (now <= seen) return 0;
  return now - std::exchange(seen, now);
}

ledger::Outcome outcome_of(EndReason reason) {
  switch (reason) {
    case EndReason::cancelled:
      return ledger::Outcome::cancelled;
    case EndReason::disconnected:
      return ledger::Outcome::disconnected;
    case EndReason::deadline:
      return ledger::Outcome::deadline;
    case EndReason::shed:
    case EndReason::none:  // the backend ended it by itself: it is going away
      break;
  }
  return ledger::Outcome::shed;
}

}  // namespace

Admission::Admission(AdmissionOptions options)
    : row_(std::move(options.row)),
      bill_failed_(options.bill_failed),
      received_(options.received),
      slot_(std::move(options.slot)),
      sequences_(std::max<std::size_t>(options.sequences, 1)) {}

bool Admission::want_end(EndReason reason) {
  const std::lock_guard lock(mutex_);
  if (is_ended_ || wanted_ != EndReason::none) return false;
  wanted_ = reason;
  wanted_at_ = std::chrono::steady_clock::now();
  return true;
}

Time Admission::wanted_at() const {
  const std::lock_guard lock(mutex_);
  return wanted_at_;
}

void Admission::count(std::size_t sequence, const ledger::Counts& counts, Time now) {
  const std::lock_guard lock(mutex_);
  if (sequence >= sequences_.size() || sequences_[sequence].is_finished) return;
  auto& seen = sequences_[sequence].counts;
  if (counts.output > 0 && first_token_ == Time{}) {
    first_token_ = now;
    ttft_us_ = micros(received_, now);
  }
  // What was an input token may turn out to be stored on request: that tier falls by what another one rises.
  seen.input = counts.input;
  raise(seen.cache_read, counts.cache_read);
  raise(seen.cache_write, counts.cache_write);
  raise(seen.output, counts.output);
  raise(seen.reasoning, counts.reasoning);
  is_changed_ = true;
}

void Admission::finish(std::size_t sequence, SequenceEnd end, std::uint64_t queue_us,
                       std::vector<std::array<std::uint8_t, 32>> route_digests) {
  const std::lock_guard lock(mutex_);
  if (sequence >= sequences_.size() || sequences_[sequence].is_finished) return;
  auto& entry = sequences_[sequence];
  entry.is_finished = true;
  entry.end = end;
  entry.digests = std::move(route_digests);
  raise(queue_us_, queue_us);
  is_changed_ = true;
}

bool Admission::emit(ledger::Batch& batch, std::int64_t wall_us, Time now) {
  const std::lock_guard lock(mutex_);
  if (!is_changed_ || is_ended_) return false;
  is_changed_ = false;
  if (!std::exchange(is_row_sent_, true)) batch.admissions.push_back(row_);
  if (!std::all_of(sequences_.begin(), sequences_.end(), [](const Sequence& one) { return one.is_finished; })) {
    batch.progress.push_back({row_.request_id, sum()});
    return false;
  }
  is_ended_ = true;
  batch.terminals.push_back(terminal(wall_us, now));
  return true;
}

ledger::Terminal Admission::terminal(std::int64_t wall_us, Time now) {
  outcome_ = decide_outcome();
  duration_us_ = micros(received_, now);
  ledger::Terminal record;
  record.request_id = row_.request_id;
  record.counts = sum();
  record.outcome = outcome_;
  record.billable = outcome_ != ledger::Outcome::engine_error || bill_failed_;
  // The wall clock may have gone back since the request came.
  record.ended_at_us = std::max(wall_us, row_.admitted_at_us);
  record.queue_us = queue_us_;
  record.ttft_us = ttft_us_;
  record.duration_us = duration_us_;
  for (auto& sequence : sequences_) {
    record.route_digests.insert(record.route_digests.end(), sequence.digests.begin(), sequence.digests.end());
  }
  return record;
}

ledger::Outcome Admission::decide_outcome() const {
  const auto any = [this](SequenceEnd end) {
    return std::any_of(sequences_.begin(), sequences_.end(), [end](const Sequence& one) { return one.end == end; });
  };
  if (any(SequenceEnd::error)) return ledger::Outcome::engine_error;
  if (any(SequenceEnd::not_started)) return ledger::Outcome::shed;
  if (any(SequenceEnd::deadline)) return ledger::Outcome::deadline;
  if (any(SequenceEnd::cancelled)) return outcome_of(wanted_);
  return any(SequenceEnd::length) ? ledger::Outcome::length : ledger::Outcome::completed;
}

ledger::Counts Admission::sum() const {
  ledger::Counts total;
  for (const auto& sequence : sequences_) {
    total.input += sequence.counts.input;
    total.cache_read += sequence.counts.cache_read;
    total.cache_write += sequence.counts.cache_write;
    total.output += sequence.counts.output;
    total.reasoning += sequence.counts.reasoning;
  }
  return total;
}

ledger::Counts Admission::counts() const {
  const std::lock_guard lock(mutex_);
  return sum();
}

ledger::Counts Admission::confirm(const ledger::Counts& durable) {
  const std::lock_guard lock(mutex_);
  ledger::Counts news;
  news.input = take_difference(durable_.input, durable.input);
  news.cache_read = take_difference(durable_.cache_read, durable.cache_read);
  news.cache_write = take_difference(durable_.cache_write, durable.cache_write);
  news.output = take_difference(durable_.output, durable.output);
  news.reasoning = take_difference(durable_.reasoning, durable.reasoning);
  return news;
}

bool Admission::settle() {
  const std::lock_guard lock(mutex_);
#ifndef MOEGATE_PLANT_SECOND_SETTLE  // the negative control of its test
  if (std::exchange(is_settled_, true)) return false;
#endif
  slot_.reset();
  return true;
}

ledger::Outcome Admission::outcome() const {
  const std::lock_guard lock(mutex_);
  return outcome_;
}
std::uint64_t Admission::ttft_us() const {
  const std::lock_guard lock(mutex_);
  return ttft_us_;
}
std::uint64_t Admission::duration_us() const {
  const std::lock_guard lock(mutex_);
  return duration_us_;
}
std::uint64_t Admission::queue_us() const {
  const std::lock_guard lock(mutex_);
  return queue_us_;
}

}  // namespace moegate::usage
