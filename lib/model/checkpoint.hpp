// All tensors of a model folder, whatever files they lie in: an index with shards, one model.safetensors, or shards
// without an index. No file outside the model's root is opened. Immutable after open, reads from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/safetensors.hpp"

namespace moe::model {

struct TensorPlace {
  std::shared_ptr<const SafetensorsFile> file;
  const TensorInfo* info = nullptr;
};

class Checkpoint {
 public:
  // Errors: NOT_FOUND / INVALID_ARGUMENT naming file, tensor or index key.
  static Result<Checkpoint> open(const std::filesystem::path& folder);

  // nullptr if no file holds it.
  const TensorPlace* find(std::string_view name) const;
  const std::map<std::string, TensorPlace, std::less<>>& tensors() const { return tensors_; }
  // Float32 values of a tensor that must have this shape. Errors name file and tensor; values that are not finite are
  // refused.
  Status read_floats(const std::string& name, std::span<const std::uint64_t> shape, std::vector<float>& out) const;
  std::uint64_t total_bytes() const { return total_bytes_; }
  // Files of the folder that look like weights and were not used.
  const std::vector<std::string>& stray_files() const { return stray_files_; }
  // Things worth knowing that are no errors ("index leaves out tensor x").
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  Status open_indexed(const std::filesystem::path& folder);
  Status open_unindexed(const std::filesystem::path& folder);
  Status add_file(const std::filesystem::path& folder, const std::string& name);
  void find_strays(const std::filesystem::path& folder);

  std::map<std::string, TensorPlace, std::less<>> tensors_;
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> files_;
  std::vector<std::string> stray_files_;
  std::vector<std::string> notes_;
  std::uint64_t total_bytes_ = 0;
};

// The real path of `name` inside `folder`. Refuses separators, "..", and links that leave the folder; in the Hugging
// Face cache layout (models--*/snapshots/REV) links may reach models--*/blobs.
Result<std::filesystem::path> resolve_inside(const std::filesystem::path& folder, const std::string& name);

}  // namespace moe::model
