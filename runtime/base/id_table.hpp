// SPDX-License-Identifier: Apache-2.0
// Ids instead of pointers: an index and a generation, so that an id that is no longer known, or was made up, is seen and never followed.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace kith {

/// Ids are never 0 and never repeat until a slot has been used 2^40 times. At most 2^24 at once. One thread.
template <class T> class IdTable {
public:
  std::uint64_t insert(T value) {
    if (free_.empty()) {
      free_.push_back(slots_.size());
      slots_.emplace_back();
    }
    const std::uint64_t index = free_.back();
    assert(index <= index_mask); // every user has a limit below that
    free_.pop_back();
    slots_[index].value.emplace(std::move(value));
    return make_id(index);
  }

  T* find(std::uint64_t id) noexcept {
    const std::uint64_t index = id & index_mask;
    if (index >= slots_.size() || slots_[index].generation != id >> index_bits || !slots_[index].value) return nullptr;
    return &*slots_[index].value;
  }

  bool erase(std::uint64_t id) {
    if (find(id) == nullptr) return false;
    Slot& slot = slots_[id & index_mask];
    slot.value.reset();
    slot.generation = slot.generation == last_generation ? 1 : slot.generation + 1;
    free_.push_back(id & index_mask);
    return true;
  }

  std::vector<std::uint64_t> ids() const {
    std::vector<std::uint64_t> out;
    for (std::uint64_t index = 0; index < slots_.size(); ++index) {
      if (slots_[index].value) out.push_back(make_id(index));
    }
    return out;
  }

  /// `use` must not insert.
  template <class F> void for_each(F&& use) const {
    for (const Slot& slot : slots_) {
      if (slot.value) use(*slot.value);
    }
  }

  std::size_t size() const noexcept { return slots_.size() - free_.size(); }

private:
  static constexpr unsigned index_bits = 24;
  static constexpr std::uint64_t index_mask = (std::uint64_t{1} << index_bits) - 1;
  static constexpr std::uint64_t last_generation = (std::uint64_t{1} << (64 - index_bits)) - 1;
  struct Slot {
    std::optional<T> value;
    std::uint64_t generation = 1;
  };

  std::uint64_t make_id(std::uint64_t index) const noexcept { return slots_[index].generation << index_bits | index; }

  std::vector<Slot> slots_;
  std::vector<std::uint64_t> free_;
};

} // namespace kith
