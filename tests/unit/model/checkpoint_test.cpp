#include "harness.hpp"

namespace moe::model::test {
namespace {

const std::string kFirst = "model-00001-of-00002.safetensors";
const std::string kSecond = "model-00002-of-00002.safetensors";
const std::string kIndex = "model.safetensors.index.json";

void edit_index(const Folder& folder, const std::function<void(json::Value& map)>& change) {
  json::Value index = parse(read_text(folder / kIndex));
  change(*index.find("weight_map"));
  write_text(folder / kIndex, json::write(index));
}

std::string facts(const fs::path& folder) {
  const auto model = load(folder);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? (*model)->facts() : "";
}

TEST(Checkpoint, sharded_and_single_files_give_the_same_weights) {
  const Folder folder(golden("qwen3_moe"));
  split(folder);
  const auto shards = load(folder.path());
  const auto whole = load(golden("qwen3_moe"));
  ASSERT_TRUE(shards.ok() && whole.ok());
  EXPECT_EQ((*shards)->weights().embedding, (*whole)->weights().embedding);
  EXPECT_EQ((*shards)->weights().layers[2].input_norm, (*whole)->weights().layers[2].input_norm);
}

TEST(Checkpoint, f001_interrupted_downloads_name_file_and_tensor) {
  {
    const Folder folder(golden("qwen3_moe"));
    split(folder);
    const std::string first_tensor = Tensors::read(folder / kSecond).all.begin()->first;
    fs::rename(folder / kSecond, folder / (kSecond + ".incomplete"));
    expect_refused(folder.path(), {kSecond, first_tensor});
  }
  for (const int variant : {0, 1, 2}) {
    const Folder folder(golden("qwen3_moe"));
    split(folder);
    const auto size = fs::file_size(folder / kSecond);
    fs::resize_file(folder / kSecond, variant == 0 ? 0 : (variant == 1 ? size - 1 : size / 2));
    expect_refused(folder.path(), {kSecond});
  }
  const Folder folder(golden("qwen3_moe"));
  split(folder);
  fs::remove(folder / kIndex);
  fs::remove(folder / kSecond);
  expect_refused(folder.path(), {kFirst, "2 shards"});
}

TEST(Checkpoint, f004_stray_files_are_listed_and_the_index_wins) {
  const Folder folder(golden("qwen3_moe"));
  split(folder);
  fs::copy_file(golden("llama") / "model.safetensors", folder / "model.safetensors");
  write_text(folder / "pytorch_model.bin", "x");
  const json::Value described = parse(facts(folder.path()));
  const auto& strays = described.find("stray_files")->items();
  ASSERT_EQ(strays.size(), 2U);
  EXPECT_EQ(strays[0].as_string(), "model.safetensors");
}

TEST(Checkpoint, f004_index_with_absent_shards_is_refused) {
  const Folder folder(golden("qwen3_moe"));
  split(folder);
  edit_index(folder, [](json::Value& map) {
    map.set("extra.weight", json::Value::string("model-00004-of-00004.safetensors"));
  });
  expect_refused(folder.path(), {"model-00004-of-00004.safetensors", "extra.weight"});
}

TEST(Checkpoint, f004_shards_without_an_index_load_unless_they_share_a_name) {
  const Folder folder(golden("qwen3_moe"));
  split(folder);
  fs::remove(folder / kIndex);
  EXPECT_TRUE(load(folder.path()).ok());
  Tensors second = Tensors::read(folder / kSecond);
  const Tensors first = Tensors::read(folder / kFirst);
  second.all.insert(*first.all.begin());
  second.write(folder / kSecond);
  expect_refused(folder.path(), {first.all.begin()->first, kFirst, kSecond});
}

TEST(Checkpoint, f004_tensors_left_out_by_the_index_are_read_with_a_note) {
  const Folder folder(golden("qwen3_moe"));
  split(folder);
  edit_index(folder, [](json::Value& map) { erase(map, "model.norm.weight"); });
  EXPECT_NE(facts(folder.path()).find("the index leaves out tensor model.norm.weight"), std::string::npos);
}

TEST(Checkpoint, f4_index_entries_never_leave_the_folder) {
  for (const std::string& name :
       {std::string("../x.safetensors"), std::string("/etc/passwd"), std::string("a/b.safetensors"), std::string(".."),
        std::string(""), std::string("a\\b")}) {
    const Folder folder(golden("qwen3_moe"));
    split(folder);
    edit_index(folder, [&](json::Value& map) { map.set("model.norm.weight", json::Value::string(name)); });
    expect_refused(folder.path(), {"model.norm.weight", "leaves the model folder"});
  }
}

TEST(Checkpoint, hostile_indexes_are_refused_by_key) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", kIndex},
      {"[]", kIndex},
      {"{}", "weight_map"},
      {R"({"weight_map":[]})", "weight_map"},
      {R"({"weight_map":{}})", "weight_map"},
      {R"({"weight_map":{"a":7}})", "weight_map.a"},
      {R"({"weight_map":{"a":null}})", "weight_map.a"},
      {R"({"weight_map":{"a":"none.safetensors"}})", "none.safetensors"},
      {R"({"weight_map":{"a":")" + kFirst + R"("}})", "tensor a"},
      {R"({"weight_map":{"a":"x","a":"y"}})", kIndex},
  };
  for (const auto& [text, word] : cases) {
    const Folder folder(golden("qwen3_moe"));
    split(folder);
    write_text(folder / kIndex, text);
    expect_refused(folder.path(), {word});
  }
}

TEST(Checkpoint, links_that_leave_the_folder_are_refused_but_the_cache_layout_works) {
  {
    const Folder folder(golden("qwen3_moe"));
    const Folder outside;
    fs::rename(folder / "model.safetensors", outside / "w.safetensors");
    fs::create_symlink(outside / "w.safetensors", folder / "model.safetensors");
    expect_refused(folder.path(), {"model.safetensors", "link"});
  }
  {
    const Folder folder(golden("qwen3_moe"));
    const Folder outside;
    fs::rename(folder / "config.json", outside / "config.json");
    fs::create_symlink(outside / "config.json", folder / "config.json");
    expect_refused(folder.path(), {"config.json", "link"});
  }
  const Folder cache;
  const fs::path root = cache / "models--acme--tiny";
  fs::create_directories(root / "blobs");
  fs::create_directories(root / "snapshots" / "abc");
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy_file(golden("qwen3_moe") / name, root / "blobs" / (std::string("hash-") + name));
    fs::create_symlink(fs::path("../../blobs") / (std::string("hash-") + name), root / "snapshots" / "abc" / name);
  }
  EXPECT_TRUE(load(root / "snapshots" / "abc").ok());
  fs::remove(root / "snapshots" / "abc" / "model.safetensors");
  fs::create_symlink(golden("qwen3_moe") / "model.safetensors", root / "snapshots" / "abc" / "model.safetensors");
  expect_refused(root / "snapshots" / "abc", {"model.safetensors", "link"});
}

}  // namespace
}  // namespace moe::model::test
