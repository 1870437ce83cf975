#include "tenancy/tenancy.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/digest.hpp"
#include "ledger/data_dir.hpp"
#include "ledger/sqlite.hpp"
#include "tenancy/credentials.hpp"

namespace moegate::tenancy {
namespace {

using moe::json::Value;

constexpr std::int64_t kNow = 1'780'000'000'000'000;

class Tenancy : public ::testing::Test {
 protected:
  Tenancy() {
    std::string name = (std::filesystem::temp_directory_path() / "moegate-tenancy-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
    open();
  }
  ~Tenancy() override {
    close();
    std::filesystem::remove_all(path_);
  }
  void open() {
    auto dir = ledger::DataDir::open(path_);
    ASSERT_TRUE(dir.ok()) << dir.status().message();
    dir_ = std::make_unique<ledger::DataDir>(std::move(*dir));
    ledger::Options options;
    options.dir = path_;
    options.mac_key = dir_->derive(ledger::kLedgerMacLabel);
    auto ledger = ledger::Ledger::open(options);
    ASSERT_TRUE(ledger.ok()) << ledger.status().message();
    ledger_ = std::move(*ledger);
    auto directory = Directory::open(*ledger_, dir_->pepper());
    ASSERT_TRUE(directory.ok()) << directory.status().message();
    directory_ = std::move(*directory);
  }
  void close() {
    directory_.reset();
    ledger_.reset();
    dir_.reset();
  }
  static Value parse(const std::string& text) { return *moe::json::parse(text); }
  // The key object with its secret.
  Value make_key(const std::string& extra = "") {
    auto key =
        directory_->create_key(parse(R"({"org":"acme","project":"web","name":"ci","create":true)" + extra + "}"));
    EXPECT_TRUE(key.ok()) << key.status().message();
    return key.ok() ? *key : Value();
  }
  static std::string text(const Value& value, const char* field) { return value.find(field)->as_string(); }
  AuthFailure failure(const std::string& authorization, const std::string& x_api_key, std::int64_t now = kNow) {
    AuthFailure why{};
    EXPECT_FALSE(directory_->authenticate(authorization, x_api_key, now, &why).has_value());
    return why;
  }

  std::filesystem::path path_;
  std::unique_ptr<ledger::DataDir> dir_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(Tenancy, a_key_authenticates_by_either_header_also_after_a_restart) {
  const std::string secret = text(make_key(), "secret");
  for (int round = 0; round < 2; ++round) {
    const auto by_bearer = directory_->authenticate("Bearer " + secret, "", kNow, nullptr);
    const auto by_header = directory_->authenticate("", secret, kNow, nullptr);
    const auto by_both = directory_->authenticate("Bearer " + secret, secret, kNow, nullptr);
    ASSERT_TRUE(by_bearer && by_header && by_both);
    EXPECT_EQ(by_bearer->org, "acme");
    EXPECT_EQ(by_header->project, "web");
    EXPECT_EQ(by_both->key_name, "ci");
    close();
    open();
  }
}

TEST_F(Tenancy, refusals_say_why_to_the_gateway_only_for_the_owner_of_the_secret) {
  const Value key = make_key();
  const std::string secret = text(key, "secret");
  std::string wrong = secret;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  EXPECT_EQ(failure("", ""), AuthFailure::missing);
  EXPECT_EQ(failure("Bearer " + wrong, ""), AuthFailure::unknown);
  EXPECT_EQ(failure("Basic " + secret, ""), AuthFailure::unknown);
  EXPECT_EQ(failure("Bearer " + secret, wrong), AuthFailure::conflict);
  EXPECT_EQ(failure("Bearer " + make_credential().text(kTenantPrefix), ""), AuthFailure::unknown);
  ASSERT_TRUE(directory_->revoke_key(text(key, "id")).ok());
  EXPECT_EQ(failure("Bearer " + secret, ""), AuthFailure::revoked);
  EXPECT_EQ(failure("Bearer " + wrong, ""), AuthFailure::unknown);
  const std::string expiring = text(make_key(R"(,"expires_at":1780000001)"), "secret");
  EXPECT_TRUE(directory_->authenticate("Bearer " + expiring, "", kNow, nullptr).has_value());
  EXPECT_EQ(failure("Bearer " + expiring, "", kNow + 1'000'000), AuthFailure::expired);
}

// The compare runs over a digest of every secret, also for ids nobody has: no early end depends on the secret's text.
TEST_F(Tenancy, K1_no_guess_is_accepted_whatever_prefix_of_the_secret_it_shares) {
  const std::string secret = text(make_key(), "secret");
  for (std::size_t shared = 0; shared + 1 < secret.size(); ++shared) {
    std::string guess = secret;
    for (std::size_t i = shared; i < guess.size(); ++i) {
      if (guess[i] != '_') guess[i] = guess[i] == 'x' ? 'y' : 'x';
    }
    EXPECT_EQ(failure("Bearer " + guess, ""), AuthFailure::unknown) << shared;
  }
}

TEST_F(Tenancy, K3_revocation_holds_from_the_next_request_on_under_load) {
  const Value key = make_key();
  const std::string secret = text(key, "secret");
  std::atomic<bool> is_revoked{false}, is_done{false};
  std::atomic<int> accepted_late{0}, tried{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!is_done) {
        const bool was_revoked = is_revoked;
        const bool accepted = directory_->authenticate("Bearer " + secret, "", kNow, nullptr).has_value();
        if (was_revoked && accepted) ++accepted_late;
        ++tried;
        tried.notify_all();
      }
    });
  }
  for (int seen = tried; seen < 100; seen = tried) tried.wait(seen);
  ASSERT_TRUE(directory_->revoke_key(text(key, "id")).ok());
  is_revoked = true;
  const int at_revoke = tried;
  for (int seen = tried; seen < at_revoke + 100; seen = tried) tried.wait(seen);
  is_done = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(accepted_late, 0);
  close();
  open();
  EXPECT_EQ(failure("Bearer " + secret, ""), AuthFailure::revoked);
}

TEST_F(Tenancy, what_exists_already_or_is_missing_is_named) {
  ASSERT_TRUE(directory_->create_org(parse(R"({"org":"acme"})")).ok());
  auto again = directory_->create_org(parse(R"({"org":"acme"})"));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.status().code(), moe::Code::invalid_argument);
  EXPECT_EQ(again.status().message(), "organisation acme exists already");
  EXPECT_EQ(again.status().param(), "org");
  EXPECT_EQ(directory_->create_project(parse(R"({"org":"none","project":"p"})")).status().code(), moe::Code::not_found);
  ASSERT_TRUE(directory_->create_project(parse(R"({"org":"acme","project":"web"})")).ok());
  EXPECT_EQ(directory_->create_project(parse(R"({"org":"acme","project":"web"})")).status().message(),
            "project acme/web exists already");
  EXPECT_EQ(directory_->create_key(parse(R"({"org":"acme","project":"none"})")).status().code(), moe::Code::not_found);
  EXPECT_EQ(directory_->revoke_key("aaaaaaaaaaaa").status().code(), moe::Code::not_found);
  EXPECT_EQ(directory_->update_limits("project", "acme", parse("{}")).status().code(), moe::Code::not_found);
  EXPECT_EQ(directory_->update_limits("galaxy", "acme", parse("{}")).status().code(), moe::Code::not_found);
}

TEST_F(Tenancy, bad_fields_are_refused_with_their_name) {
  const auto refused = [&](const std::string& body, const std::string& param) {
    auto key = directory_->create_key(parse(body));
    ASSERT_FALSE(key.ok()) << body;
    EXPECT_EQ(key.status().code(), moe::Code::invalid_argument) << body;
    EXPECT_EQ(key.status().param(), param) << body;
  };
  refused(R"([])", "");
  refused(R"({"project":"web","create":true})", "org");
  for (const std::string& name : {std::string("Acme"), std::string(""), std::string("-a"), std::string("a/b"),
                                  std::string("a b"), std::string("a'--"), std::string(64, 'a')}) {
    refused(R"({"project":"web","create":true,"org":)" + moe::json::quote(name) + "}", "org");
  }
  const std::string head = R"({"org":"acme","project":"web","create":true,)";
  refused(head + R"("requests_per_minut":5})", "requests_per_minut");
  refused(head + R"("requests_per_minute":-1})", "requests_per_minute");
  refused(head + R"("requests_per_minute":1.5})", "requests_per_minute");
  refused(head + R"("requests_per_minute":9223372036854775808})", "requests_per_minute");
  refused(head + R"("models":"demo"})", "models");
  refused(head + R"("models":[1]})", "models");
  refused(R"({"org":"acme","project":"web","create":1})", "create");
  EXPECT_EQ(directory_->list_orgs().items().size(), 0u);
}

TEST_F(Tenancy, limits_reach_the_principal_of_every_level_at_once) {
  const Value key = make_key(R"(,"requests_per_minute":5,"models":["demo","x"])");
  const std::string secret = text(key, "secret");
  auto principal = *directory_->authenticate("", secret, kNow, nullptr);
  EXPECT_EQ(principal.key_limits.requests_per_minute, 5u);
  EXPECT_TRUE(principal.may_use("demo"));
  EXPECT_FALSE(principal.may_use("other"));
  ASSERT_TRUE(directory_->update_limits("org", "acme", parse(R"({"concurrent_requests":7})")).ok());
  ASSERT_TRUE(directory_->update_limits("project", "acme/web", parse(R"({"requests_per_minute":8})")).ok());
  ASSERT_TRUE(directory_->update_limits("key", text(key, "id"), parse(R"({"concurrent_requests":9})")).ok());
  for (int round = 0; round < 2; ++round) {
    principal = *directory_->authenticate("", secret, kNow, nullptr);
    EXPECT_EQ(principal.org_limits.concurrent_requests, 7u);
    EXPECT_EQ(principal.project_limits.requests_per_minute, 8u);
    EXPECT_EQ(principal.key_limits.requests_per_minute, 5u);
    EXPECT_EQ(principal.key_limits.concurrent_requests, 9u);
    EXPECT_EQ(principal.models.size(), 2u);
    close();
    open();
  }
}

TEST_F(Tenancy, every_change_is_one_audit_record_with_its_actor) {
  const Value key = make_key();
  ASSERT_TRUE(directory_->revoke_key(text(key, "id"), "admin:xyz").ok());
  std::vector<std::string> seen;
  ASSERT_TRUE(ledger_
                  ->read([&](sqlite3* db) {
                    ledger::sql::Statement rows(db, "SELECT actor || ' ' || action FROM audit ORDER BY seq");
                    while (rows.step()) seen.push_back(rows.text(0));
                    return moe::Status();
                  })
                  .ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"cli org.create", "cli project.create", "cli key.create",
                                            "admin:xyz key.revoke"}));
  EXPECT_TRUE(ledger_->verify()->findings.empty());
  EXPECT_FALSE(ledger_
                   ->transact([](sqlite3* db) {
                     ledger::sql::execute(db, "DELETE FROM audit");
                     return moe::Status();
                   })
                   .ok());
}

TEST_F(Tenancy, a_changed_or_removed_configuration_row_is_refused_by_table_and_key) {
  const std::string id = text(make_key(R"(,"concurrent_requests":2)"), "id");
  close();
  struct Tampering {
    std::string sql, names;
  };
  const Tampering tamperings[] = {{"UPDATE keys SET models = NULL, valid_to = 5", "keys " + id},
                                  {"UPDATE limits SET concurrent_requests = 2000", "limits 1"},
                                  {"UPDATE orgs SET valid_from = 1", "orgs acme"},
                                  {"DELETE FROM limits", "limits 1"},
                                  {"UPDATE projects SET valid_to = 5", "projects acme/web"}};
  for (const Tampering& tampering : tamperings) {
    const auto file = path_ / "ledger.db";
    std::filesystem::copy_file(file, path_ / "saved");
    {
      ledger::sql::Connection db(file, ledger::sql::Connection::Mode::read_write);
      ledger::sql::execute(db.get(), tampering.sql);
    }
    auto dir = ledger::DataDir::open(path_);
    ASSERT_TRUE(dir.ok());
    ledger::Options options;
    options.dir = path_;
    options.mac_key = dir->derive(ledger::kLedgerMacLabel);
    auto ledger = ledger::Ledger::open(options);
    ASSERT_FALSE(ledger.ok()) << tampering.sql;
    EXPECT_NE(ledger.status().message().find(tampering.names), std::string::npos) << ledger.status().message();
    for (const char* leftover : {"ledger.db-wal", "ledger.db-shm", "ledger.db"})
      std::filesystem::remove(path_ / leftover);
    std::filesystem::rename(path_ / "saved", file);
  }
  open();
}

TEST_F(Tenancy, F073_no_part_of_a_secret_lies_in_any_file_of_the_data_directory) {
  const Value key = make_key();
  auto admin = directory_->create_admin(parse(R"({"role":"operator"})"));
  ASSERT_TRUE(admin.ok());
  const std::string listed =
      moe::json::write(directory_->list_keys("", "")) + moe::json::write(directory_->list_admins());
  std::vector<std::string> canaries;
  for (const std::string& whole : {text(key, "secret"), text(*admin, "secret")}) {
    const std::string secret = whole.substr(whole.rfind('_') + 1);
    for (std::size_t i = 0; i + 9 <= secret.size(); ++i) canaries.push_back(secret.substr(i, 9));
    const moe::Digest plain = moe::sha256(secret);
    canaries.emplace_back(plain.begin(), plain.end());
    canaries.push_back(moe::to_hex(plain));
  }
  close();
  std::string everything = listed;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    std::ifstream file(entry.path(), std::ios::binary);
    everything.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_NE(everything.find(text(key, "id")), std::string::npos);
  for (const std::string& canary : canaries) EXPECT_EQ(everything.find(canary), std::string::npos);
  open();
}

TEST_F(Tenancy, admin_keys_carry_a_role_and_end_when_revoked) {
  auto admin = directory_->create_admin(parse(R"({"name":"ops","role":"auditor"})"));
  ASSERT_TRUE(admin.ok());
  const std::string header = "Bearer " + text(*admin, "secret");
  std::string id;
  EXPECT_EQ(directory_->authenticate_admin(header, kNow, &id), "auditor");
  EXPECT_EQ(id, text(*admin, "id"));
  EXPECT_FALSE(directory_->authenticate("Bearer " + text(make_key(), "secret"), "x", kNow, nullptr).has_value());
  EXPECT_FALSE(directory_->authenticate_admin("Bearer " + text(make_key(), "secret"), kNow).has_value());
  EXPECT_FALSE(directory_->create_admin(parse(R"({"role":"god"})")).ok());
  ASSERT_TRUE(directory_->revoke_admin(id).ok());
  EXPECT_FALSE(directory_->authenticate_admin(header, kNow).has_value());
  EXPECT_TRUE(role_covers("admin", "metrics"));
  EXPECT_FALSE(role_covers("metrics", "auditor"));
  EXPECT_FALSE(role_covers("", "metrics"));
  EXPECT_FALSE(role_covers("admin", ""));
}

TEST_F(Tenancy, isolation_keys_differ_by_project_and_stay_over_a_restart) {
  const auto key = directory_->isolation_key("acme", "web");
  EXPECT_EQ(key.size(), 32u);
  EXPECT_NE(key, directory_->isolation_key("acme", "web2"));
  EXPECT_NE(key, directory_->isolation_key("acme2", "web"));
  close();
  open();
  EXPECT_EQ(key, directory_->isolation_key("acme", "web"));
}

TEST_F(Tenancy, admissions_of_the_last_two_minutes_come_back_with_their_age) {
  const std::string id = text(make_key(), "id");
  ledger::Batch batch;
  for (const std::int64_t age_s : {500, 30, 5}) {
    ledger::Admission a;
    a.request_id = "r" + std::to_string(age_s);
    a.org = "acme";
    a.project = "web";
    a.key_id = id;
    a.admitted_at_us = kNow - age_s * 1'000'000;
    batch.admissions.push_back(a);
  }
  ledger_->submit(std::move(batch));
  close();
  open();
  std::vector<std::int64_t> ages;
  for (const auto& [principal, age] : directory_->recent_admissions(kNow)) {
    EXPECT_EQ(principal.key_id, id);
    ages.push_back(age);
  }
  EXPECT_EQ(ages, (std::vector<std::int64_t>{5'000'000, 30'000'000}));
}

TEST_F(Tenancy, last_use_is_kept_over_a_restart) {
  const std::string secret = text(make_key(), "secret");
  ASSERT_TRUE(directory_->authenticate("", secret, kNow, nullptr).has_value());
  close();
  open();
  EXPECT_EQ(directory_->list_keys("acme", "web").items()[0].find("last_used_at")->as_int64(), kNow / 1'000'000);
}

}  // namespace
}  // namespace moegate::tenancy
