// Model facts as JSON: what an operator, an auditor and the gateway want to know without running the model.
#pragma once

#include <string>

#include "model/checkpoint.hpp"
#include "model/model.hpp"

namespace moe::model {

std::string describe(const Model& model, const Checkpoint& checkpoint, const TensorUse& use);

}  // namespace moe::model
