// A ledger with tenants and an admin service over it, in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "admin/service.hpp"
#include "ledger/data_dir.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::admin {

using moe::json::Value;

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() {
    const bool has_memory = ::access("/dev/shm", W_OK) == 0;
    std::string name = (has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/moegate-XXXXXX";
    path_ = ::mkdtemp(name.data());
    auto dir = ledger::DataDir::open(path_);
    EXPECT_TRUE(dir.ok());
    dir_ = std::make_unique<ledger::DataDir>(std::move(*dir));
    ledger::Options options;
    options.dir = path_;
    options.mac_key = dir_->derive(ledger::kLedgerMacLabel);
    ledger_ = ledger::Ledger::open(options).value();
    directory_ = tenancy::Directory::open(*ledger_, dir_->pepper()).value();
    service_ = std::make_unique<Service>(*ledger_, *directory_);
  }
  ~AdminTest() override {
    service_.reset();
    directory_.reset();
    ledger_.reset();
    dir_.reset();
    std::filesystem::remove_all(path_);
  }

  Answer call(const std::string& method, const std::string& path, const std::string& query = "",
              const std::string& body = "") {
    return service_->handle({method, path, query, body.empty() ? Value() : *moe::json::parse(body), "admin:test"});
  }
  static std::string text(const Value& value, const char* member) { return value.find(member)->as_string(); }
  static std::int64_t number(const Value& value, const char* member) { return *value.find(member)->as_int64(); }

  // One ended request.
  void add_record(const std::string& id, std::int64_t admitted_at_us, ledger::Counts counts,
                  ledger::Outcome outcome = ledger::Outcome::completed, const std::string& project = "web",
                  const std::string& model = "demo") {
    ledger::Batch batch;
    ledger::Admission a;
    a.request_id = id;
    a.org = "acme";
    a.project = project;
    a.key_id = "k-" + project;
    a.model = model;
    a.asked_model = "fast";
    a.api = "chat";
    a.mode = "stream";
    a.admitted_at_us = admitted_at_us;
    a.prompt_tokens = counts.input + counts.cache_read + counts.cache_write;
    batch.admissions = {a};
    ledger::Terminal t;
    t.request_id = id;
    t.counts = counts;
    t.outcome = outcome;
    t.ended_at_us = admitted_at_us + 1'500'000;
    t.route_digests.resize(2);
    batch.terminals = {t};
    std::mutex mutex;
    std::condition_variable changed;
    bool is_done = false;
    batch.after_commit = [&](ledger::CommitResult result, const auto&) {
      const std::lock_guard lock(mutex);
      EXPECT_EQ(result, ledger::CommitResult::durable);
      is_done = true;
      changed.notify_all();
    };
    ledger_->submit(std::move(batch));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return is_done; });
  }

  std::filesystem::path path_;
  std::unique_ptr<ledger::DataDir> dir_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<tenancy::Directory> directory_;
  std::unique_ptr<Service> service_;
};

}  // namespace moegate::admin
