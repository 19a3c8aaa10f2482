// SPDX-License-Identifier: Apache-2.0
// Ids instead of pointers: an index and a generation, so that an id that is no longer known, or was made up, is seen and never followed.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace kith::hosting {

/// Ids are never 0 and never repeat until a slot has been used 2^32 times. One thread.
template <class T> class IdTable {
public:
  std::uint64_t insert(T value) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Slot& slot = slots_[index];
    slot.value.emplace(std::move(value));
    ++size_;
    return make_id(index);
  }

  T* find(std::uint64_t id) noexcept {
    const auto index = static_cast<std::uint32_t>(id);
    if (index >= slots_.size() || slots_[index].generation != id >> 32U || !slots_[index].value) return nullptr;
    return &*slots_[index].value;
  }

  bool erase(std::uint64_t id) {
    if (find(id) == nullptr) return false;
    const auto index = static_cast<std::uint32_t>(id);
    slots_[index].value.reset();
    if (++slots_[index].generation == 0) slots_[index].generation = 1;
    free_.push_back(index);
    --size_;
    return true;
  }

  std::vector<std::uint64_t> ids() const {
    std::vector<std::uint64_t> out;
    for (std::uint32_t index = 0; index < slots_.size(); ++index) {
      if (slots_[index].value) out.push_back(make_id(index));
    }
    return out;
  }

  std::size_t size() const noexcept { return size_; }

private:
  struct Slot {
    std::optional<T> value;
    std::uint32_t generation = 1;
  };

  std::uint64_t make_id(std::uint32_t index) const noexcept { return (std::uint64_t{slots_[index].generation} << 32U) | index; }

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

} // namespace kith::hosting
