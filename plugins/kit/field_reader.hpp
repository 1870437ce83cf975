// Reads members of a JSON object with the path of what is wrong, and refuses members that nobody asked for. One per
// object, on one thread; the object must outlive it. The first error sticks; getters give the default after it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "core/json.hpp"

namespace moegate::plugins {

class FieldReader {
 public:
  FieldReader(const moe::json::Value& object, std::string path);

  // Absent and null give nullptr.
  const moe::json::Value* get(std::string_view name);
  std::string text(std::string_view name, std::string_view otherwise = {});
  std::int64_t integer(std::string_view name, std::int64_t otherwise, std::int64_t low, std::int64_t high);
  bool boolean(std::string_view name, bool otherwise);
  const moe::json::Value* array(std::string_view name);
  const moe::json::Value* object(std::string_view name);

  std::string path_of(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  void fail(std::string_view name, std::string_view what);
  // The first error; with refuse_unknown also a member that no getter asked for.
  moe::Status finish(bool refuse_unknown);

 private:
  const moe::json::Value* object_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
  moe::Status status_;
};

}  // namespace moegate::plugins
