// SPDX-License-Identifier: Apache-2.0
// The private folder of an instance, as kith.storage/1 sees it. Blocking: for a disk executor.
#pragma once

#include "hosting/host_services.hpp"

#include <string>
#include <string_view>

namespace kith::hosting {

/// The rules of kith.storage/1: parts of [A-Za-z0-9._-] joined by '/', none empty or beginning with '.', at most 8 of at most 128.
bool is_storage_name(std::string_view name) noexcept;

/// Does one operation below `folder`, without following links. Never throws; reasons are in the result.
StorageResult run_storage(const std::string& folder, const StorageRequest& request);

} // namespace kith::hosting
