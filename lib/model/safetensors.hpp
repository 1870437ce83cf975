// Reads one safetensors file. Every size, offset, product and name of the header is checked against the file before
// use; errors name file and tensor. Data is read with pread, not mapped: a file that is cut while it loads must be an
// error, never a SIGBUS, and every weight is converted on its way in anyhow. Immutable after open, reads from any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

namespace moe::model {

enum class TensorType : std::uint8_t { f32, f16, bf16, i32, other };

struct TensorInfo {
  TensorType type = TensorType::other;
  std::string type_name;             // as in the file
  std::vector<std::uint64_t> shape;  // row-major
  std::uint64_t num_values = 0;
  std::uint64_t offset = 0;  // from the start of the file
  std::uint64_t bytes = 0;
};

std::string shape_text(std::span<const std::uint64_t> shape);  // "[4, 32]"

using TensorTable = std::map<std::string, TensorInfo, std::less<>>;

// The JSON header (without the 8 length bytes) of a file whose data region has `data_bytes` bytes and starts at
// `data_start`. `file` only names it in errors.
Result<TensorTable> parse_safetensors_header(std::string_view header, std::uint64_t data_start,
                                             std::uint64_t data_bytes, std::string_view file);

class SafetensorsFile {
 public:
  static Result<std::shared_ptr<const SafetensorsFile>> open(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& name() const { return name_; }
  const TensorTable& tensors() const { return tensors_; }
  // Bytes of a tensor of this file. A short read (file cut meanwhile) is INVALID_ARGUMENT.
  Status read(const std::string& tensor, const TensorInfo& info, std::span<std::byte> out) const;

 private:
  SafetensorsFile() = default;
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const;
  Status load_header(std::uint64_t file_bytes);

  std::string name_;
  int fd_ = -1;
  TensorTable tensors_;
};

// `count` stored values of a float type to float32, exactly. Precondition: type is f32, f16 or bf16.
void widen_values(TensorType type, const std::byte* in, std::size_t count, float* out);

}  // namespace moe::model
