#include "model/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "model/config.hpp"

namespace moe::model {

namespace fs = std::filesystem;

namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";
constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 20;

bool has_suffix(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

fs::path root_of(const fs::path& folder) {
  const fs::path real = fs::canonical(folder);
  const bool is_snapshot = real.parent_path().filename() == "snapshots" &&
                           real.parent_path().parent_path().filename().string().rfind("models--", 0) == 0;
  return is_snapshot ? real.parent_path().parent_path() : real;
}

bool is_inside(const fs::path& path, const fs::path& root) {
  const auto end = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end.first == root.end();
}

std::vector<std::string> file_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "model-00001-of-00003.safetensors": the total, 0 if the name has another form.
std::size_t shard_total(std::string_view name) {
  const std::size_t at = name.rfind("-of-");
  if (at == std::string_view::npos) {
    return 0;
  }
  std::size_t total = 0;
  const char* begin = name.data() + at + 4;
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), total);
  return error == std::errc() && end != begin && total < 100000 ? total : 0;
}

}  // namespace

Result<fs::path> resolve_inside(const fs::path& folder, const std::string& name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
    return invalid("file name \"" + name + "\" leaves the model folder");
  }
  std::error_code error;
  const fs::path real = fs::canonical(folder / name, error);
  if (error) {
    return Status(Code::not_found, name + ": does not exist");
  }
  if (!is_inside(real, root_of(folder))) {
    return invalid(name + ": is a link that leaves the model folder");
  }
  return real;
}

Result<Checkpoint> Checkpoint::open(const fs::path& folder) {
  Checkpoint checkpoint;
  const bool has_index = fs::exists(fs::symlink_status(folder / kIndexName));
  Status status = has_index ? checkpoint.open_indexed(folder) : checkpoint.open_unindexed(folder);
  if (!status.ok()) {
    return status;
  }
  checkpoint.find_strays(folder);
  return checkpoint;
}

Status Checkpoint::add_file(const fs::path& folder, const std::string& name) {
  auto path = resolve_inside(folder, name);
  if (!path.ok()) {
    return path.status();
  }
  auto file = SafetensorsFile::open(*path);
  if (!file.ok()) {
    // In a cache layout the real file is named by its hash: say the name that the folder shows as well.
    const bool named = file.status().message().find(name) != std::string::npos;
    return named ? file.status() : file.status().with_context(name);
  }
  files_[name] = *file;
  for (const auto& [tensor, info] : (*file)->tensors()) {
    const auto [place, is_new] = tensors_.try_emplace(tensor, TensorPlace{*file, &info});
    if (!is_new) {
      return invalid("tensor " + tensor + ": in two files, " + place->second.file->name() + " and " + (*file)->name());
    }
    total_bytes_ += info.bytes;
  }
  return {};
}

Status Checkpoint::open_indexed(const fs::path& folder) {
  auto path = resolve_inside(folder, kIndexName);
  if (!path.ok()) {
    return path.status();
  }
  auto index = read_json_file(*path, kMaxIndexBytes);
  if (!index.ok()) {
    return index.status().with_context(kIndexName);
  }
  const json::Value* map = index->find("weight_map");
  if (map == nullptr || !map->is_object() || map->members().empty()) {
    return invalid(std::string(kIndexName) + ": weight_map: missing or empty");
  }
  std::map<std::string, std::string> first_tensor;  // of each file
  for (const auto& [tensor, file] : map->members()) {
    if (!file.is_string()) {
      return invalid(std::string(kIndexName) + ": weight_map." + tensor + ": not a string");
    }
    first_tensor.try_emplace(file.as_string(), tensor);
  }
  for (const auto& [file, tensor] : first_tensor) {
    if (Status status = add_file(folder, file); !status.ok()) {
      return std::move(status).with_context(std::string(kIndexName) + ": weight_map." + tensor);
    }
  }
  for (const auto& [tensor, file] : map->members()) {
    const SafetensorsFile& shard = *files_.at(file.as_string());
    if (shard.tensors().find(tensor) == shard.tensors().end()) {
      return invalid(file.as_string() + ": tensor " + tensor +
                     ": the index says it is here, but the file does not hold it");
    }
  }
  for (const auto& [tensor, place] : tensors_) {
    if (map->find(tensor) == nullptr) {
      notes_.push_back("the index leaves out tensor " + tensor + ", read from " + place.file->name());
    }
  }
  return {};
}

Status Checkpoint::open_unindexed(const fs::path& folder) {
  std::vector<std::string> shards;
  for (const std::string& name : file_names(folder)) {
    if (name == kSingleName) {
      return add_file(folder, name);
    }
    if (has_suffix(name, ".safetensors")) {
      shards.push_back(name);
    }
  }
  if (shards.empty()) {
    return Status(Code::not_found,
                  std::string(kSingleName) + ": missing, and the folder has no other *.safetensors file");
  }
  const std::size_t total = shard_total(shards.front());
  if (total != 0 && total != shards.size()) {
    return invalid(shards.front() + ": one of " + std::to_string(total) + " shards, but the folder holds " +
                   std::to_string(shards.size()));
  }
  for (const std::string& name : shards) {
    if (Status status = add_file(folder, name); !status.ok()) {
      return status;
    }
  }
  return {};
}

void Checkpoint::find_strays(const fs::path& folder) {
  for (const std::string& name : file_names(folder)) {
    bool looks_like_weights = false;
    for (std::string_view suffix : {".safetensors", ".bin", ".pth", ".pt", ".gguf", ".incomplete"}) {
      looks_like_weights = looks_like_weights || has_suffix(name, suffix);
    }
    if (looks_like_weights && files_.find(name) == files_.end()) {
      stray_files_.push_back(name);
    }
  }
}

const TensorPlace* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

Status Checkpoint::read_floats(const std::string& name, std::span<const std::uint64_t> shape,
                               std::vector<float>& out) const {
  const TensorPlace* place = find(name);
  if (place == nullptr) {
    return invalid("tensor " + name + ": missing in every file");
  }
  const TensorInfo& info = *place->info;
  const std::string where = place->file->name() + ": tensor " + name;
  if (!std::equal(shape.begin(), shape.end(), info.shape.begin(), info.shape.end())) {
    return invalid(where + ": shape is " + shape_text(info.shape) + ", config.json asks for " + shape_text(shape));
  }
  if (info.type != TensorType::f32 && info.type != TensorType::f16 && info.type != TensorType::bf16) {
    return Status(Code::unsupported, where + ": dtype " + info.type_name + " is not supported");
  }
  std::vector<std::byte> raw(info.bytes);  // only after the shape is known to be the file's
  out.resize(info.num_values);
  if (Status status = place->file->read(name, info, raw); !status.ok()) {
    return status;
  }
  widen_values(info.type, raw.data(), out.size(), out.data());
  const auto bad = std::count_if(out.begin(), out.end(), [](float value) { return !std::isfinite(value); });
  if (bad != 0) {
    return invalid(where + ": " + std::to_string(bad) + " values are not finite");
  }
  return {};
}

}  // namespace moe::model
