// SPDX-License-Identifier: GPL-3.0-or-later
// Tables in the documents that the code could print: they are what it would print. A failure shows the table to paste.
#include "base/error.hpp"
#include "config/daemon_config.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace kith {
namespace {

std::string document(const std::string& path) {
  std::ifstream file(KITH_SOURCE "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What stands between `<!-- NAME -->` and `<!-- end -->`.
std::string part(const std::string& text, const std::string& name) {
  const std::string begin = "<!-- " + name + " -->\n";
  const auto from = text.find(begin);
  const auto to = text.find("<!-- end -->", from);
  return from == std::string::npos || to == std::string::npos ? "" : text.substr(from + begin.size(), to - from - begin.size());
}

/// "From 1s to 24h." of the setting's sentence in the default file, without the words; empty for a word.
std::string range_of(const config::SettingDoc& setting) {
  const std::string text = config::default_daemon_text();
  const auto from = text.find("# " + std::string(setting.doc)) + 2 + setting.doc.size();
  const std::string rest = text.substr(from, text.find('\n', from) - from);
  return rest.starts_with(" From ") ? rest.substr(6, rest.size() - 7) : "";
}

std::string_view unit_of(const config::SettingDoc& setting) {
  const std::string_view value = setting.default_text;
  if (value.find_first_not_of("0123456789") == std::string_view::npos) return "number";
  if (config::parse_duration(value)) return "time";
  return config::parse_size(value) ? "size" : "word";
}

TEST(DocTables, SettingsAreThoseOfTheCode) {
  std::string table = "| setting | unit | default | from … to | reload | |\n|---|---|---|---|---|---|\n";
  for (const config::SettingDoc& setting : config::daemon_settings()) {
    table += "| `" + std::string(setting.key) + "` | " + std::string(unit_of(setting)) + " | " + std::string(setting.default_text) + " | " +
             range_of(setting) + " | " + (setting.live ? "live" : "restart") + " | " + std::string(setting.doc) + " |\n";
  }
  EXPECT_EQ(part(document("docs/operations.md"), "settings"), table) << "paste this into docs/operations.md:\n" << table;
}

TEST(DocTables, ExitCodesAreThoseOfTheCode) {
  const std::string text = part(document("docs/operations.md"), "exit codes");
  std::string man; // docs/man/kith.1 has them in one sentence
  for (const CodeInfo& row : code_table()) {
    const std::string begin =
        "| " + std::to_string(exit_code(row.code)) + " | " + std::string(row.name) + " | " + (row.ran == Ran::no ? "no" : "maybe") + " | ";
    EXPECT_NE(text.find(begin), std::string::npos) << "docs/operations.md must have a row that begins with " << begin;
    man += (man.empty() ? "" : ", ") + std::to_string(static_cast<std::uint64_t>(row.code)) + " " + std::string(row.name);
  }
  std::string page = document("docs/man/kith.1");
  for (char& c : page) {
    if (c == '\n') c = ' ';
  }
  EXPECT_NE(page.find(man), std::string::npos) << "docs/man/kith.1 must have: " << man;
}

} // namespace
} // namespace kith
