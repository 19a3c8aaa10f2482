// SPDX-License-Identifier: Apache-2.0
#include "check/check.hpp"

#include "testkit/fake_host.hpp"

#include <boost/json/src.hpp>

namespace kith::check {

namespace {

using Findings = std::vector<std::string>;

// Configs that no schema stands before: check must say no or yes, and stay whole.
constexpr std::string_view garbage_configs[] = {
    "", "null", "[]", "{", "{\"\":\"\\u0000\"}", "{\"a\":1e400}", "\"\xff\"", "{}{}", "[[[[[[[[[[[[[[[[[[[["};

void check_schema(const hosting::Protocol& protocol, Findings& findings) {
  if (protocol.config_schema.empty()) return;
  if (const std::string problem = schema_problem(protocol.config_schema); !problem.empty()) findings.push_back(protocol.name + ": " + problem);
}

void check_garbage(const hosting::Protocol& protocol, Findings& findings) {
  for (const std::string_view config : garbage_configs) {
    const auto result = protocol.check_config(std::string(config));
    if (!result && result.error().code == Code::plugin_failed) findings.push_back(result.error().text);
  }
}

void check_life(const hosting::Protocol& protocol, const std::string& folder, Findings& findings) {
  for (int round = 0; round < 2; ++round) { // twice: nothing may be left over
    testkit::FakeHost host(protocol, folder);
    if (auto ok = host.start(); !ok) {
      // A plugin may need a config; then its check has to say so.
      if (!protocol.check_config("{}")) return;
      findings.push_back(protocol.name + ": does not start with the config {}, which its check accepts: " + ok.error().text);
      return;
    }
    if (protocol.capabilities.stream != nullptr) {
      for (const StreamKind kind : {StreamKind::call, StreamKind::stream}) {
        testkit::FakeStream& garbage = host.open({kind, "json", {}, Role::member, never});
        garbage.send(std::string("\0\xff{\"", 4));
        garbage.finish();
        host.run();
        testkit::FakeStream& gone = host.open({kind, {}, {}, Role::public_, never});
        gone.reset(Code::cancelled, "");
        host.run();
        if (!gone.closed) findings.push_back(protocol.name + ": a stream that the peer reset did not close");
      }
    }
    host.drain(std::chrono::seconds(1));
    host.run();
    host.stop();
    if (host.instance().state() == hosting::State::failed) findings.push_back(protocol.name + ": " + host.instance().failure());
    if (host.instance().misuse_count() != 0)
      findings.push_back(protocol.name + ": " + (host.lines().empty() ? "it broke rules" : host.lines().back()));
  }
}

} // namespace

std::string schema_problem(std::string_view schema) {
  boost::json::parse_options options;
  options.max_depth = 256; // as the daemon does; else 32
  boost::system::error_code failed;
  const boost::json::value value = boost::json::parse({schema.data(), schema.size()}, failed, {}, options);
  if (failed) return "config_schema is not JSON: " + failed.message();
  return value.is_object() ? "" : "config_schema is not an object";
}

std::vector<std::string> check_plugin(const std::filesystem::path& file, const std::filesystem::path& work_folder) {
  Findings findings = check_symbols(file);
  auto library = hosting::load_library(file, {work_folder / "copies", testkit::test_hash, {}});
  if (!library) {
    findings.push_back(library.error().text);
    return findings;
  }
  for (const hosting::Protocol& protocol : (*library)->descriptor.protocols) {
    check_schema(protocol, findings);
    check_garbage(protocol, findings);
    check_life(protocol, work_folder.string(), findings);
  }
  return findings;
}

} // namespace kith::check
