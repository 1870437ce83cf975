// Copies of model folders that a test may break, and files made by hand.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "model/model.hpp"
#include "model/safetensors.hpp"

namespace moe::model::test {

namespace fs = std::filesystem;

inline fs::path golden(const std::string& name) { return fs::path(MOE_SOURCE_DIR) / "tests/data/golden/models" / name; }
inline fs::path demo() { return fs::path(MOE_SOURCE_DIR) / "configs/models/demo"; }

// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "moe_model_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  // With the files of a model, without reference outputs.
  explicit Folder(const fs::path& model) : Folder() {
    for (const auto& entry : fs::directory_iterator(model)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && name.rfind("expected.", 0) != 0) {
        fs::copy_file(entry.path(), path_ / name);
        fs::permissions(path_ / name, fs::perms::owner_all);
      }
    }
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}
inline json::Value parse(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.ok()) << value.status().message() << ": " << text;
  return value.ok() ? std::move(*value) : json::Value();
}
inline void erase(json::Value& object, const std::string& key) {
  std::erase_if(object.members(), [&](const auto& member) { return member.first == key; });
}

inline std::string length_bytes(std::uint64_t length) {
  std::string text(8, '\0');
  for (int i = 0; i < 8; ++i) {
    text[static_cast<std::size_t>(i)] = static_cast<char>(length >> (8 * i));
  }
  return text;
}
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return length_bytes(header.size()) + header + data;
}

// A safetensors file taken apart, to be changed and written again.
struct Tensors {
  struct Tensor {
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::string data;
  };
  std::map<std::string, Tensor> all;

  static Tensors read(const fs::path& path) {
    Tensors result;
    const std::string file = read_text(path);
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) {
      length = length << 8 | static_cast<unsigned char>(file[static_cast<std::size_t>(i)]);
    }
    const json::Value header = parse(file.substr(8, length));
    for (const auto& [name, entry] : header.members()) {
      if (name == "__metadata__") {
        continue;
      }
      Tensor& tensor = result.all[name];
      tensor.dtype = entry.find("dtype")->as_string();
      for (const json::Value& size : entry.find("shape")->items()) {
        tensor.shape.push_back(static_cast<std::uint64_t>(*size.as_int64()));
      }
      const auto& offsets = entry.find("data_offsets")->items();
      const auto begin = static_cast<std::size_t>(*offsets[0].as_int64());
      tensor.data = file.substr(8 + length + begin, static_cast<std::size_t>(*offsets[1].as_int64()) - begin);
    }
    return result;
  }
  void write(const fs::path& path) const {
    json::Value header = json::Value::object();
    std::string data;
    for (const auto& [name, tensor] : all) {
      json::Value shape = json::Value::array();
      for (const std::uint64_t size : tensor.shape) {
        shape.push(json::Value::integer(static_cast<std::int64_t>(size)));
      }
      const auto begin = static_cast<std::int64_t>(data.size());
      data += tensor.data;
      json::Value offsets = json::Value::array();
      offsets.push(json::Value::integer(begin)).push(json::Value::integer(static_cast<std::int64_t>(data.size())));
      header.set(name, json::Value::object()
                           .set("dtype", json::Value::string(tensor.dtype))
                           .set("shape", std::move(shape))
                           .set("data_offsets", std::move(offsets)));
    }
    write_text(path, safetensors_bytes(json::write(header), data));
  }
};

// Splits a folder's one file into two shards with an index.
inline void split(const Folder& folder) {
  const Tensors whole = Tensors::read(folder / "model.safetensors");
  Tensors parts[2];
  json::Value map = json::Value::object();
  std::size_t at = 0;
  for (const auto& [name, tensor] : whole.all) {
    const std::size_t part = 2 * at++ / whole.all.size();
    parts[part].all[name] = tensor;
    map.set(name, json::Value::string("model-0000" + std::to_string(part + 1) + "-of-00002.safetensors"));
  }
  parts[0].write(folder / "model-00001-of-00002.safetensors");
  parts[1].write(folder / "model-00002-of-00002.safetensors");
  write_text(folder / "model.safetensors.index.json",
             json::write(json::Value::object().set("weight_map", std::move(map))));
  fs::remove(folder / "model.safetensors");
}

inline std::shared_ptr<base::WorkerPool> one_worker() {
  base::WorkerOptions options;
  options.num_threads = 1;
  options.pin = false;
  auto pool = base::WorkerPool::create(options);
  EXPECT_TRUE(pool.ok());
  return std::move(*pool);
}

inline Result<std::shared_ptr<const Model>> load(const fs::path& folder) {
  LoadOptions options;
  options.pool = one_worker();
  return Model::load(folder, options);
}

// The load is refused, and the text holds every one of `words`.
inline void expect_refused(const fs::path& folder, const std::vector<std::string>& words) {
  const auto model = load(folder);
  ASSERT_FALSE(model.ok());
  for (const std::string& word : words) {
    EXPECT_NE(model.status().message().find(word), std::string::npos)
        << "\"" << word << "\" not in: " << model.status().message();
  }
}

}  // namespace moe::model::test
