#include <cmath>
#include <cstring>

#include "harness.hpp"

namespace moe::model::test {
namespace {

const char* const kGood = R"({"t":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";
const std::string kData(16, '\1');

struct Hostile {
  const char* name;
  std::string bytes;
  const char* word;  // in the refusal, beside the file's name
};

std::string with(const std::string& header, std::size_t data = 16) {
  return safetensors_bytes(header, std::string(data, '\1'));
}
std::string one(const std::string& entry) { return with("{\"t\":" + entry + "}"); }

std::vector<Hostile> hostile_files() {
  const std::string a = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)";
  std::vector<Hostile> all;
  const auto add = [&](const char* name, const std::string& bytes, const char* word) {
    all.push_back({name, bytes, word});
  };
  add("no byte", "", "0 bytes");
  add("half a length", std::string(4, '\0'), "4 bytes");
  add("header of no byte", safetensors_bytes("", kData), "header");
  add("header longer than the file", length_bytes(5000) + kGood, "5000");
  add("header of 2^63 bytes", length_bytes(std::uint64_t{1} << 63) + kGood, "header");
  add("header of 2^64-1 bytes", length_bytes(~std::uint64_t{0}) + kGood, "header");
  add("header of 100 MB", length_bytes(100000000) + kGood, "100000000");
  add("header that is no JSON", with("hello"), "header");
  add("header that is an array", with("[]"), "header");
  add("header cut", with(std::string(kGood).substr(0, 30)), "header");
  add("header not UTF-8", with("{\"\xff\":1}"), "header");
  add("lone surrogate", with(R"({"\ud800":1})"), "header");
  add("header 1000 deep", with(std::string(1000, '[') + std::string(1000, ']')), "header");
  add("no tensor", with("{}", 0), "no tensor");
  add("only metadata", with(R"({"__metadata__":{"format":"pt"}})", 0), "no tensor");
  add("name twice",
      with(
          R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"t":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})"),
      "t");
  add("empty name", with(R"({"":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})"), "name empty");
  add("entry no object", one("7"), "tensor t");
  add("entry null", one("null"), "tensor t");
  add("unknown key", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,16],"scale":2})"), "scale");
  add("dtype missing", one(R"({"shape":[2,2],"data_offsets":[0,16]})"), "dtype");
  add("dtype unknown", one(R"({"dtype":"F33","shape":[2,2],"data_offsets":[0,16]})"), "F33");
  add("dtype a number", one(R"({"dtype":32,"shape":[2,2],"data_offsets":[0,16]})"), "dtype");
  add("shape missing", one(R"({"dtype":"F32","data_offsets":[0,16]})"), "shape");
  add("shape a text", one(R"({"dtype":"F32","shape":"2,2","data_offsets":[0,16]})"), "shape");
  add("shape negative", one(R"({"dtype":"F32","shape":[-2,-2],"data_offsets":[0,16]})"), "-2");
  add("shape broken", one(R"({"dtype":"F32","shape":[2.5,2],"data_offsets":[0,16]})"), "2.5");
  add("shape with a text", one(R"({"dtype":"F32","shape":["2",2],"data_offsets":[0,16]})"), "shape");
  add("shape of 9 axes", one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,2,2],"data_offsets":[0,16]})"), "shape");
  add("product overflows to 4", one(R"({"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]})"),
      "overflows");
  add("bits overflow", one(R"({"dtype":"F32","shape":[1152921504606846980],"data_offsets":[0,16]})"), "tensor t");
  add("size beyond 64 bits", one(R"({"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,16]})"), "shape");
  add("no value", with(R"({"t":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}})", 0), "no values");
  add("offsets missing", one(R"({"dtype":"F32","shape":[2,2]})"), "data_offsets");
  add("one offset", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0]})"), "data_offsets");
  add("three offsets", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,16,16]})"), "data_offsets");
  add("offset a text", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":["0",16]})"), "data_offsets");
  add("offset negative", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[-16,0]})"), "-16");
  add("offset beyond 64 bits", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,99999999999999999999]})"),
      "data_offsets");
  add("offsets reversed", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[16,0]})"), "before their begin");
  add("offsets behind the file", one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[16,32]})"), "truncated");
  add("offsets near 2^63",
      one(R"({"dtype":"F32","shape":[2,2],"data_offsets":[9223372036854775791,9223372036854775807]})"), "truncated");
  add("too few bytes for the shape", one(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,16]})"), "does not fill");
  add("too many bytes for the shape", one(R"({"dtype":"F32","shape":[2,1],"data_offsets":[0,16]})"), "does not fill");
  add("two tensors overlap", with(a + R"("b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})"), "overlaps");
  add("two tensors on the same place", with(a + R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
      "overlaps");
  add("a hole", with(a + R"("b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})"), "hole");
  add("bytes behind the last", with(kGood, 17), "1 bytes behind");
  add("data one byte short", with(kGood, 15), "truncated");
  add("no data", with(kGood, 0), "truncated");
  return all;
}

TEST(Safetensors, good_file_is_read) {
  const Folder folder;
  std::string data(16, '\0');
  const float values[4] = {1.5F, -2.0F, 0.0F, 3e-5F};
  std::memcpy(data.data(), values, sizeof values);
  write_text(folder / "x.safetensors", safetensors_bytes(kGood, data));
  const auto file = SafetensorsFile::open(folder / "x.safetensors");
  ASSERT_TRUE(file.ok()) << file.status().message();
  const TensorInfo& info = (*file)->tensors().at("t");
  std::vector<std::byte> raw(info.bytes);
  ASSERT_TRUE((*file)->read("t", info, raw).ok());
  float got[4];
  widen_values(info.type, raw.data(), 4, got);
  EXPECT_EQ(std::memcmp(got, values, sizeof got), 0);
}

TEST(Safetensors, f1_every_hostile_file_is_refused_by_name) {
  const Folder folder;
  const auto cases = hostile_files();
  EXPECT_GE(cases.size(), 50U);
  for (const Hostile& hostile : cases) {
    write_text(folder / "bad.safetensors", hostile.bytes);
    const auto file = SafetensorsFile::open(folder / "bad.safetensors");
    ASSERT_FALSE(file.ok()) << hostile.name;
    const std::string message = file.status().message();
    EXPECT_NE(message.find("bad.safetensors"), std::string::npos) << hostile.name << ": " << message;
    EXPECT_NE(message.find(hostile.word), std::string::npos) << hostile.name << ": " << message;
  }
}

TEST(Safetensors, f10_every_cut_of_a_file_is_refused) {
  const Folder folder;
  const std::string whole = read_text(golden("qwen3_moe") / "model.safetensors");
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 0; cut < 12000; cut += cut < 64 ? 1 : 97) {
    cuts.push_back(cut);
  }
  for (std::size_t cut = 12000; cut < whole.size(); cut += 4999) {
    cuts.push_back(cut);
  }
  cuts.push_back(whole.size() - 1);
  for (const std::size_t cut : cuts) {
    write_text(folder / "cut.safetensors", whole.substr(0, cut));
    EXPECT_FALSE(SafetensorsFile::open(folder / "cut.safetensors").ok()) << cut;
  }
}

TEST(Safetensors, f10_a_file_cut_after_it_was_opened_is_an_error_and_no_signal) {
  const Folder folder;
  fs::copy_file(golden("qwen3_moe") / "model.safetensors", folder / "x.safetensors");
  fs::permissions(folder / "x.safetensors", fs::perms::owner_all);
  const auto file = SafetensorsFile::open(folder / "x.safetensors");
  ASSERT_TRUE(file.ok());
  fs::resize_file(folder / "x.safetensors", 20000);
  const auto& [name, info] = *std::prev((*file)->tensors().end());
  std::vector<std::byte> raw(info.bytes);
  const Status status = (*file)->read(name, info, raw);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(name), std::string::npos) << status.message();
}

TEST(Safetensors, a_folder_or_device_in_place_of_a_file_is_refused) {
  const Folder folder;
  fs::create_directory(folder / "x.safetensors");
  EXPECT_FALSE(SafetensorsFile::open(folder / "x.safetensors").ok());
  EXPECT_FALSE(SafetensorsFile::open("/dev/zero").ok());
  EXPECT_EQ(SafetensorsFile::open(folder / "none.safetensors").status().code(), Code::not_found);
}

}  // namespace
}  // namespace moe::model::test
