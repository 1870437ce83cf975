#include "tenancy/credentials.hpp"

#include <gtest/gtest.h>

#include <set>

namespace moegate::tenancy {
namespace {

TEST(Credentials, a_made_key_is_read_back_and_no_two_are_alike) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const Credential made = make_credential();
    const std::string text = made.text(kTenantPrefix);
    const auto read = parse_credential(kTenantPrefix, text);
    ASSERT_TRUE(read.has_value()) << text;
    EXPECT_EQ(read->id, made.id);
    EXPECT_EQ(read->secret, made.secret);
    EXPECT_TRUE(seen.insert(made.id).second);
    EXPECT_TRUE(seen.insert(made.secret).second);
  }
}

TEST(Credentials, every_other_form_is_refused) {
  const std::string text = make_credential().text(kTenantPrefix);
  EXPECT_FALSE(parse_credential(kAdminPrefix, text).has_value());
  EXPECT_FALSE(parse_credential(kTenantPrefix, "").has_value());
  EXPECT_FALSE(parse_credential(kTenantPrefix, text + "a").has_value());
  EXPECT_FALSE(parse_credential(kTenantPrefix, " " + text).has_value());
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parse_credential(kTenantPrefix, text.substr(0, i)).has_value()) << i;
    std::string changed = text;
    changed[i] = '!';
    EXPECT_FALSE(parse_credential(kTenantPrefix, changed).has_value()) << i;
    changed[i] = '\0';
    EXPECT_FALSE(parse_credential(kTenantPrefix, changed).has_value()) << i;
  }
}

TEST(Credentials, bearer_is_read_in_any_case_and_other_schemes_are_none) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("bEARER   abc "), "abc");
  EXPECT_EQ(bearer_token("Basic abc"), "");
  EXPECT_EQ(bearer_token("Bearer"), "");
  EXPECT_EQ(bearer_token(""), "");
}

}  // namespace
}  // namespace moegate::tenancy
