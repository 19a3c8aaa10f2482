// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "store/store.hpp"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace kith::store::test {

class SilentLog final : public Log {
public:
  void write(LogLevel, std::string_view, std::string_view) override {}
  bool enabled(LogLevel) const noexcept override { return false; }
};

inline PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

inline PeerRow peer_of(std::uint8_t identity, std::uint8_t n, std::string name) {
  PeerRow peer;
  peer.identity = id_of(identity);
  peer.id = id_of(n);
  peer.name = std::move(name);
  peer.created = 1000 + n;
  return peer;
}

inline std::unique_ptr<Store> open_store(const std::string& path, StoreSettings settings = {}) {
  static SilentLog log;
  auto store = Store::open(path, log, settings);
  if (!store) throw std::runtime_error(store.error().text);
  return std::move(*store);
}

/// A folder that is gone after the test.
class Folder {
public:
  Folder() : path_((std::filesystem::temp_directory_path() / "kith-store-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

} // namespace kith::store::test
