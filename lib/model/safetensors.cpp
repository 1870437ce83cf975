#include "model/safetensors.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "core/json.hpp"
#include "quant/widen.hpp"

namespace moe::model {

static_assert(std::endian::native == std::endian::little, "files are little-endian and read as they are");

namespace {

// Headers of published shards stay below 8 MiB; the JSON tree of a larger one would take gigabytes.
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{16} << 20;
constexpr std::size_t kMaxDimensions = 8;

struct NamedType {
  std::string_view name;
  TensorType type;
  std::uint64_t bits;
};
constexpr NamedType kTypes[] = {
    {"F32", TensorType::f32, 32},      {"F16", TensorType::f16, 16},      {"BF16", TensorType::bf16, 16},
    {"I32", TensorType::i32, 32},      {"F64", TensorType::other, 64},    {"I64", TensorType::other, 64},
    {"U64", TensorType::other, 64},    {"U32", TensorType::other, 32},    {"I16", TensorType::other, 16},
    {"U16", TensorType::other, 16},    {"I8", TensorType::other, 8},      {"U8", TensorType::other, 8},
    {"BOOL", TensorType::other, 8},    {"F8_E4M3", TensorType::other, 8}, {"F8_E5M2", TensorType::other, 8},
    {"F8_E8M0", TensorType::other, 8},
};

const NamedType* find_type(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const NamedType& t) { return t.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

Result<std::uint64_t> unsigned_value(const json::Value& value, std::string_view what) {
  const auto number = value.is_integer() ? value.as_int64() : std::nullopt;
  if (!number || *number < 0) {
    return invalid(std::string(what) + " holds " + json::write(value) + ", expected an integer that is not negative");
  }
  return static_cast<std::uint64_t>(*number);
}

Status read_shape(const json::Value* shape, TensorInfo& info) {
  if (shape == nullptr || !shape->is_array() || shape->items().size() > kMaxDimensions) {
    return invalid("shape is not an array of at most " + std::to_string(kMaxDimensions) + " integers");
  }
  info.num_values = 1;
  for (const json::Value& item : shape->items()) {
    const auto size = unsigned_value(item, "shape");
    if (!size.ok()) {
      return size.status();
    }
    info.shape.push_back(*size);
    if (__builtin_mul_overflow(info.num_values, *size, &info.num_values)) {
      return invalid("shape " + shape_text(info.shape) + " overflows");
    }
  }
  return {};
}

Status read_offsets(const json::Value* offsets, std::uint64_t data_start, std::uint64_t data_bytes, TensorInfo& info) {
  if (offsets == nullptr || !offsets->is_array() || offsets->items().size() != 2) {
    return invalid("data_offsets is not an array of two integers");
  }
  const auto begin = unsigned_value(offsets->items()[0], "data_offsets");
  const auto end = unsigned_value(offsets->items()[1], "data_offsets");
  if (!begin.ok() || !end.ok()) {
    return begin.ok() ? end.status() : begin.status();
  }
  if (*end < *begin) {
    return invalid("data_offsets end at " + std::to_string(*end) + ", before their begin " + std::to_string(*begin));
  }
  if (*end > data_bytes) {
    return invalid("data_offsets end at " + std::to_string(*end) + ", but the file holds only " +
                   std::to_string(data_bytes) + " bytes of data (truncated?)");
  }
  info.offset = data_start + *begin;
  info.bytes = *end - *begin;
  return {};
}

Status read_tensor(const json::Value& entry, std::uint64_t data_start, std::uint64_t data_bytes, TensorInfo& info) {
  if (!entry.is_object()) {
    return invalid("its header entry is not an object");
  }
  for (const auto& [key, value] : entry.members()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return invalid("unknown key \"" + key + "\" in its header entry");
    }
  }
  const json::Value* type_name = entry.find("dtype");
  const NamedType* type = type_name != nullptr && type_name->is_string() ? find_type(type_name->as_string()) : nullptr;
  if (type == nullptr) {
    return invalid("dtype " + (type_name == nullptr ? "missing" : json::write(*type_name) + " is unknown"));
  }
  info.type = type->type;
  info.type_name = type->name;
  if (Status status = read_shape(entry.find("shape"), info); !status.ok()) {
    return status;
  }
  if (Status status = read_offsets(entry.find("data_offsets"), data_start, data_bytes, info); !status.ok()) {
    return status;
  }
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(info.num_values, type->bits, &bits) || bits / 8 != info.bytes) {
    return invalid("shape " + shape_text(info.shape) + " of " + info.type_name + " does not fill its " +
                   std::to_string(info.bytes) + " bytes");
  }
  if (info.bytes == 0) {
    return invalid("has no values (shape " + shape_text(info.shape) + ")");
  }
  return {};
}

// The data regions must cover the data exactly: no overlap, no hole, nothing behind.
Status check_coverage(const TensorTable& tensors, std::uint64_t data_start, std::uint64_t data_bytes) {
  std::vector<std::pair<const TensorInfo*, const std::string*>> by_offset;
  for (const auto& [name, info] : tensors) {
    by_offset.emplace_back(&info, &name);
  }
  std::sort(by_offset.begin(), by_offset.end(),
            [](const auto& a, const auto& b) { return a.first->offset < b.first->offset; });
  std::uint64_t next = data_start;
  for (const auto& [info, name] : by_offset) {
    if (info->offset != next) {
      return invalid("tensor " + *name + ": its data " +
                     (info->offset < next ? "overlaps another tensor" : "follows a hole") + " (begins at " +
                     std::to_string(info->offset - data_start) + ", expected " + std::to_string(next - data_start) +
                     ")");
    }
    next = info->offset + info->bytes;
  }
  if (next != data_start + data_bytes) {
    return invalid(std::to_string(data_start + data_bytes - next) + " bytes behind the last tensor belong to none");
  }
  return {};
}

}  // namespace

std::string shape_text(std::span<const std::uint64_t> shape) {
  std::string text = "[";
  for (std::uint64_t size : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

Result<TensorTable> parse_safetensors_header(std::string_view header, std::uint64_t data_start,
                                             std::uint64_t data_bytes, std::string_view file) {
  json::Limits limits;
  limits.max_depth = 8;
  limits.max_bytes = kMaxHeaderBytes;
  auto root = json::parse(header, limits);
  if (!root.ok()) {
    return root.status().with_context(std::string(file) + ": header");
  }
  if (!root->is_object()) {
    return invalid(std::string(file) + ": header is not a JSON object");
  }
  TensorTable tensors;
  for (const auto& [name, entry] : root->members()) {
    if (name == "__metadata__") {
      continue;
    }
    TensorInfo info;
    if (Status status = read_tensor(entry, data_start, data_bytes, info); !status.ok()) {
      return std::move(status).with_context(std::string(file) + ": tensor " + name);
    }
    if (name.empty() || !tensors.emplace(name, std::move(info)).second) {
      return invalid(std::string(file) + ": tensor \"" + name + "\": name empty or used twice");
    }
  }
  if (tensors.empty()) {
    return invalid(std::string(file) + ": holds no tensor");
  }
  if (Status status = check_coverage(tensors, data_start, data_bytes); !status.ok()) {
    return std::move(status).with_context(file);
  }
  return tensors;
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::open(const std::filesystem::path& path) {
  std::shared_ptr<SafetensorsFile> file(new SafetensorsFile);
  file->name_ = path.filename().string();
  file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file->fd_ < 0) {
    return Status(errno == ENOENT ? Code::not_found : Code::invalid_argument,
                  file->name_ + ": cannot be opened (" + std::strerror(errno) + ")");
  }
  struct stat info {};
  if (fstat(file->fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return invalid(file->name_ + ": not a regular file");
  }
  if (Status status = file->load_header(static_cast<std::uint64_t>(info.st_size)); !status.ok()) {
    return status;
  }
  return std::shared_ptr<const SafetensorsFile>(std::move(file));
}

SafetensorsFile::~SafetensorsFile() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Status SafetensorsFile::load_header(std::uint64_t file_bytes) {
  std::uint64_t header_bytes = 0;
  if (file_bytes < sizeof header_bytes) {
    return invalid(name_ + ": only " + std::to_string(file_bytes) +
                   " bytes, no safetensors file (download unfinished?)");
  }
  if (Status status = read_at(0, std::as_writable_bytes(std::span(&header_bytes, 1))); !status.ok()) {
    return status;
  }
  if (header_bytes > kMaxHeaderBytes) {
    return invalid(name_ + ": header of " + std::to_string(header_bytes) + " bytes is larger than the limit of " +
                   std::to_string(kMaxHeaderBytes));
  }
  if (header_bytes > file_bytes - sizeof header_bytes) {
    return invalid(name_ + ": header of " + std::to_string(header_bytes) + " bytes does not fit into the file of " +
                   std::to_string(file_bytes) + " bytes (truncated?)");
  }
  std::string header(header_bytes, '\0');
  if (Status status = read_at(sizeof header_bytes, std::as_writable_bytes(std::span(header))); !status.ok()) {
    return status;
  }
  const std::uint64_t data_start = sizeof header_bytes + header_bytes;
  auto tensors = parse_safetensors_header(header, data_start, file_bytes - data_start, name_);
  if (!tensors.ok()) {
    return tensors.status();
  }
  tensors_ = std::move(*tensors);
  return {};
}

Status SafetensorsFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return invalid(name_ + ": ends at byte " + std::to_string(offset) + " while being read (truncated?)");
    }
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status SafetensorsFile::read(const std::string& tensor, const TensorInfo& info, std::span<std::byte> out) const {
  if (out.size() != info.bytes) {
    return Status(Code::internal, name_ + ": tensor " + tensor + ": buffer does not fit");
  }
  Status status = read_at(info.offset, out);
  return status.ok() ? status : std::move(status).with_context("tensor " + tensor);
}

void widen_values(TensorType type, const std::byte* in, std::size_t count, float* out) {
  if (type == TensorType::f32) {
    std::memcpy(out, in, count * sizeof(float));
  } else if (type == TensorType::bf16) {
    quant::widen_bf16(in, out, count);
  } else {
    quant::widen_f16(in, out, count);
  }
}

}  // namespace moe::model
