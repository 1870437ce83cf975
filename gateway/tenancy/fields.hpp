// Reads the fields of an admin body and refuses unknown ones: a misspelt limit must not be taken for none.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"

namespace moegate::tenancy {

inline constexpr std::int64_t kMaxLimit = 1'000'000'000;

bool is_name(std::string_view text);  // [a-z0-9][a-z0-9._-]{0,62}

// Collects the first error; every getter gives a default after one.
class Fields {
 public:
  Fields(const moe::json::Value& body, std::initializer_list<std::string_view> known);

  std::string name(std::string_view field, bool is_required = true);
  std::optional<std::int64_t> integer(std::string_view field, std::int64_t least, std::int64_t most);
  bool flag(std::string_view field);
  std::vector<std::string> texts(std::string_view field);
  const moe::Status& status() const { return status_; }

 private:
  const moe::json::Value* find(std::string_view field) const;
  void refuse(std::string_view field, std::string what);

  const moe::json::Value& body_;
  moe::Status status_;
};

}  // namespace moegate::tenancy
