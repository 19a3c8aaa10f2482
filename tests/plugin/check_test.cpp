// SPDX-License-Identifier: Apache-2.0
#include "check/check.hpp"
#include "load.hpp"

#include <gmock/gmock.h>

namespace kith::test {
namespace {

TEST(Check, EchoConforms) {
  const TemporaryFolder folder;
  EXPECT_THAT(check::check_plugin(KITH_ECHO, folder.path()), testing::IsEmpty());
}

TEST(Check, ExtraSymbolsAreFound) {
  EXPECT_THAT(check::check_symbols(std::filesystem::path(KITH_BAD_DIR) / "BadNO_ENTRY.so"),
              testing::IsSupersetOf({testing::HasSubstr("exports something_else"), testing::HasSubstr("exports no kith_plugin_entry")}));
}

TEST(Check, SchemasMayBeAsDeepAsTheDaemonReadsThem) {
  const auto nested = [](std::size_t levels) {
    std::string schema = "{}";
    for (std::size_t i = 1; i < levels; ++i) schema.insert(0, R"({"not":)").append("}");
    return schema;
  };
  EXPECT_EQ(check::schema_problem(nested(256)), "");
  EXPECT_NE(check::schema_problem(nested(257)), "");
  EXPECT_EQ(check::schema_problem("[]"), "config_schema is not an object");
}

TEST(Check, FilesThatAreNoPlugins) {
  const TemporaryFolder folder;
  EXPECT_FALSE(check::check_plugin("/etc/passwd", folder.path()).empty());
  EXPECT_THAT(check::check_plugin(folder.path(), folder.path()), testing::Not(testing::IsEmpty()));
  EXPECT_THAT(check::check_plugin("/dev/zero", folder.path()), testing::Not(testing::IsEmpty()));
  EXPECT_FALSE(check::check_plugin(folder.path() / "missing.so", folder.path()).empty());
}

} // namespace
} // namespace kith::test
