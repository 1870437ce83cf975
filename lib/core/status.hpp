// Expected failure as a value. Used by the library, the gateway and the plugins; no state, safe everywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace moe {

// Numbers equal moe_status in include/moe/moe.h (checked in lib/capi); never reused.
enum class Code : std::int32_t {
  ok = 0,
  invalid_argument = 1,
  not_found = 2,
  out_of_range = 3,
  resource_exhausted = 4,
  cancelled = 5,
  deadline_exceeded = 6,
  unavailable = 7,
  unsupported = 8,
  abi_mismatch = 9,
  internal = 10,
  forked = 11,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // JSON path of the field that is wrong ("messages[0].role"), empty if none.
  const std::string& param() const { return param_; }
  Status with_param(std::string param) && {
    param_ = std::move(param);
    return std::move(*this);
  }
  // Puts the place in front: "loading model.safetensors: tensor w1: ...".
  Status with_context(std::string_view place) && {
    message_.insert(0, std::string(place) + ": ");
    return std::move(*this);
  }

 private:
  Code code_ = Code::ok;
  std::string message_;
  std::string param_;
};

inline Status invalid(std::string message) { return {Code::invalid_argument, std::move(message)}; }

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // Precondition of the four below: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  // ok() gives a default Status.
  Status status() const { return ok() ? Status{} : std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace moe
