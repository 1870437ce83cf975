#include "admin/service.hpp"

#include "fixture.hpp"

namespace moegate::admin {
namespace {

using Admin = AdminTest;

TEST_F(Admin, a_tenant_is_made_listed_limited_and_its_key_revoked) {
  EXPECT_EQ(call("POST", "/admin/v1/orgs", "", R"({"org":"acme"})").status, 201);
  EXPECT_EQ(call("POST", "/admin/v1/projects", "", R"({"org":"acme","project":"web"})").status, 201);
  const Answer made = call("POST", "/admin/v1/keys", "", R"({"org":"acme","project":"web","name":"ci"})");
  ASSERT_EQ(made.status, 201);
  const std::string key = text(made.body, "key"), id = text(made.body, "id");
  EXPECT_TRUE(directory_->authenticate("Bearer " + key, "", 1, nullptr).has_value());
  EXPECT_EQ(call("PATCH", "/admin/v1/keys/" + id + "/limits", "", R"({"requests_per_minute":9})").status, 200);
  EXPECT_EQ(call("PATCH", "/admin/v1/projects/acme/web/limits", "", R"({"concurrent_requests":8})").status, 200);
  EXPECT_EQ(call("PATCH", "/admin/v1/orgs/acme/limits", "", R"({"concurrent_requests":7})").status, 200);
  const auto principal = *directory_->authenticate("Bearer " + key, "", 1, nullptr);
  EXPECT_EQ(principal.key_limits.requests_per_minute, 9u);
  EXPECT_EQ(principal.project_limits.concurrent_requests, 8u);
  EXPECT_EQ(principal.org_limits.concurrent_requests, 7u);
  const Answer listed = call("GET", "/admin/v1/keys", "org=acme&project=web");
  ASSERT_EQ(listed.body.find("data")->items().size(), 1u);
  EXPECT_EQ(listed.body.find("data")->items()[0].find("key"), nullptr);
  EXPECT_EQ(listed.body.find("data")->items()[0].find("secret"), nullptr);
  EXPECT_EQ(call("GET", "/admin/v1/projects", "org=other").body.find("data")->items().size(), 0u);
  EXPECT_EQ(call("DELETE", "/admin/v1/keys/" + id).status, 200);
  EXPECT_FALSE(directory_->authenticate("Bearer " + key, "", 1, nullptr).has_value());
}

TEST_F(Admin, errors_have_the_four_members_and_the_right_status) {
  const auto check = [](const Answer& answer, int status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << moe::json::write(answer.body);
    const Value* error = answer.body.find("error");
    ASSERT_NE(error, nullptr);
    ASSERT_EQ(error->members().size(), 4u);
    for (const char* member : {"message", "type", "param", "code"}) ASSERT_NE(error->find(member), nullptr) << member;
    EXPECT_EQ(text(*error, "code"), code);
  };
  (void)call("POST", "/admin/v1/orgs", "", R"({"org":"acme"})");
  check(call("POST", "/admin/v1/orgs", "", R"({"org":"acme"})"), 400, "invalid_value");
  check(call("POST", "/admin/v1/orgs"), 400, "invalid_value");
  check(call("POST", "/admin/v1/orgs", "", R"({"org":"A"})"), 400, "invalid_value");
  check(call("POST", "/admin/v1/projects", "", R"({"org":"none","project":"p"})"), 404, "not_found");
  check(call("DELETE", "/admin/v1/keys/none"), 404, "not_found");
  check(call("GET", "/admin/v1/nothing"), 404, "not_found");
  check(call("GET", "/admin/v1/keys/"), 404, "not_found");
  check(call("PUT", "/admin/v1/keys"), 405, "method_not_allowed");
}

TEST_F(Admin, K4_every_route_names_the_least_role_and_no_other_path_has_one) {
  EXPECT_EQ(Service::route_role("POST", "/admin/v1/keys"), "operator");
  EXPECT_EQ(Service::route_role("GET", "/admin/v1/usage"), "auditor");
  EXPECT_EQ(Service::route_role("POST", "/admin/v1/admins"), "admin");
  EXPECT_EQ(Service::route_role("DELETE", "/admin/v1/keys/abc"), "operator");
  for (const auto& [method, path] : {std::pair{"DELETE", "/admin/v1/keys"},
                                     {"GET", "/admin/v1/keys/abc"},
                                     {"POST", "/admin/v1/usage"},
                                     {"GET", "/"},
                                     {"GET", ""},
                                     {"GET", "/admin/v1"},
                                     {"GET", "/admin/v1/usage/"},
                                     {"GET", "/admin/v1/usage/records/x"},
                                     {"get", "/admin/v1/usage"},
                                     {"GET", "//admin/v1/usage"}}) {
    EXPECT_EQ(Service::route_role(method, path), "") << method << " " << path;
  }
}

TEST_F(Admin, the_actor_of_a_call_is_in_the_audit) {
  (void)call("POST", "/admin/v1/orgs", "", R"({"org":"acme"})");
  std::string actor;
  ASSERT_TRUE(ledger_
                  ->read([&](sqlite3* db) {
                    ledger::sql::Statement row(db, "SELECT actor FROM audit");
                    if (row.step()) actor = row.text(0);
                    return moe::Status();
                  })
                  .ok());
  EXPECT_EQ(actor, "admin:test");
}

TEST_F(Admin, reconcile_compares_ledger_report_and_engine_to_the_token) {
  add_record("r1", 1, {10, 16, 3, 5, 0});
  add_record("r2", 1, {7, 0, 0, 2, 0});
  std::uint64_t generated = 7;
  service_->set_engine_counters([&] { return std::vector<EngineCounters>{{"demo", 20, 16, generated}}; });
  Answer answer = call("GET", "/admin/v1/usage/reconcile");
  EXPECT_TRUE(answer.body.find("ok")->as_bool()) << moe::json::write(answer.body);
  EXPECT_EQ(answer.body.find("checks")->items().size(), 5u);
  ++generated;
  answer = call("GET", "/admin/v1/usage/reconcile");
  EXPECT_FALSE(answer.body.find("ok")->as_bool());
  EXPECT_EQ(number(answer.body.find("checks")->items().back(), "delta"), -1);
}

TEST_F(Admin, verify_names_table_and_key_of_a_changed_row) {
  add_record("r1", 1, {10, 0, 0, 5, 0});
  add_record("r2", 1, {10, 0, 0, 5, 0});
  EXPECT_TRUE(call("GET", "/admin/v1/usage/verify").body.find("ok")->as_bool());
  {
    ledger::sql::Connection db(path_ / "ledger.db", ledger::sql::Connection::Mode::read_write);
    ledger::sql::Statement trigger(db.get(), "SELECT sql FROM sqlite_master WHERE name = 'usage_no_update'");
    ASSERT_TRUE(trigger.step());
    const std::string text = trigger.text(0);
    trigger.reset();
    ledger::sql::execute(db.get(), "DROP TRIGGER usage_no_update");
    ledger::sql::execute(db.get(), "UPDATE usage SET output = 4 WHERE seq = 2");
    ledger::sql::execute(db.get(), text);
  }
  const Answer answer = call("GET", "/admin/v1/usage/verify");
  EXPECT_FALSE(answer.body.find("ok")->as_bool());
  const Value& finding = answer.body.find("findings")->items().at(0);
  EXPECT_EQ(text(finding, "table"), "usage");
  EXPECT_EQ(text(finding, "key"), "2 (request r2)");
}

}  // namespace
}  // namespace moegate::admin
