// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "testkit/fake_host.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace kith::test {

/// A folder that goes with the test.
class TemporaryFolder {
public:
  TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "kith-test.XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path path() const { return path_; }

private:
  std::string path_;
};

inline hosting::LoadOptions load_options(const TemporaryFolder& folder) { return {folder.path() / "copies", testkit::test_hash, {}}; }

} // namespace kith::test
