// SPDX-License-Identifier: GPL-3.0-or-later
// The files under config/ load as they are.
#include "config/daemon_config.hpp"
#include "config/identity_config.hpp"
#include "temp_home.hpp"

namespace kith::home {
namespace {

TEST(Examples, SettingsAreTheGeneratedDefault) {
  EXPECT_EQ(slurp(KITH_EXAMPLES "/kith.yaml"), "# SPDX-License-Identifier: Apache-2.0\n" + config::default_daemon_text());
}

TEST(Examples, AliceLoads) {
  const std::string file = KITH_EXAMPLES "/identities/alice.yaml";
  const auto alice = config::parse_identity(slurp(file), file);
  ASSERT_TRUE(alice) << alice.error().text;
  EXPECT_TRUE(alice->online);
  ASSERT_NE(alice->find("Echo", "default"), nullptr);
  EXPECT_EQ(alice->find("Echo", "default")->config_json, R"({"max_length":1000})");
}

} // namespace
} // namespace kith::home
