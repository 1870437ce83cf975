// What the opaque handles of moe.h hold.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/worker_pool.hpp"
#include "model/model.hpp"
#include "moe/moe.h"
#include "moe/moe_block.hpp"
#include "runtime/engine.hpp"

struct moe_workers {
  std::shared_ptr<moe::base::WorkerPool> pool;
};

struct moe_model {
  std::shared_ptr<const moe::model::Model> model;
};

struct moe_engine {
  std::shared_ptr<moe::runtime::Engine> engine;
  moe_on_step_fn on_step = nullptr;
  void* on_step_user = nullptr;
  // Loop thread: the C form of a step's events, reused.
  std::vector<moe_event> events;
  std::vector<const moe_event*> pointers;
};

struct moe_sequence {
  std::shared_ptr<moe::runtime::Engine> engine;
  std::shared_ptr<moe::runtime::Sequence> sequence;
  moe::runtime::Event current;  // what the last read() pointed to
};

struct moe_layer {
  moe::MoeWeights weights;
  std::unique_ptr<moe::base::WorkerPool::Member> member;
  std::mutex mutex;  // one forward at a time
  moe::Routing routing;
  moe::MoeScratch scratch;
  std::vector<std::atomic<std::uint64_t>> counts;
};

namespace moe::capi {

// The C form of an event; points into `event`.
void to_c(const runtime::Event& event, moe_sequence* sequence, moe_event& out);

}  // namespace moe::capi
