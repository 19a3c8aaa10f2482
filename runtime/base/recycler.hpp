// SPDX-License-Identifier: Apache-2.0
// An allocator for objects that come and go with every call: each thread keeps some of the blocks that it frees for the next of the same type. The C library's
// own cache for a thread holds seven blocks of a size; with many calls in flight that is none.
#pragma once

#include <cstddef>
#include <new>

namespace kith {

#ifdef __SANITIZE_ADDRESS__
inline constexpr std::size_t max_spare_blocks = 0; // uses after the end shall be seen
#else
inline constexpr std::size_t max_spare_blocks = 256; ///< Of one type, for each thread that frees such; more go back to the C library.
#endif

/// As std::allocator for single objects. Any thread may free what another one allocated.
template <class T> class Recycler {
public:
  using value_type = T;
  Recycler() noexcept = default;
  template <class U> Recycler(const Recycler<U>&) noexcept {} // NOLINT(google-explicit-constructor): allocators convert

  static T* allocate(std::size_t count) {
    Spare& own = spare();
    // NOLINTNEXTLINE(bugprone-sizeof-expression): a hash map's table is an array of pointers, and T one of them
    if (count != 1 || own.first == nullptr) return static_cast<T*>(::operator new(count * sizeof(T)));
    Block* block = own.first;
    own.first = block->next;
    --own.count;
    return reinterpret_cast<T*>(block);
  }
  static void deallocate(T* object, std::size_t count) noexcept {
    Spare& own = spare();
    if (count != 1 || own.count >= max_spare_blocks) {
      ::operator delete(object);
      return;
    }
    own.first = new (static_cast<void*>(object)) Block{own.first};
    ++own.count;
  }
  friend bool operator==(const Recycler&, const Recycler&) noexcept { return true; }

private:
  struct Block {
    Block* next;
  };
  struct Spare {
    Block* first = nullptr;
    std::size_t count = 0;
    ~Spare() {
      count = max_spare_blocks; // what the thread frees after this is not kept
      while (first != nullptr) {
        Block* block = first;
        first = block->next;
        ::operator delete(block);
      }
    }
  };
  static Spare& spare() noexcept {
    // NOLINTNEXTLINE(bugprone-sizeof-expression): as above
    static_assert(sizeof(T) >= sizeof(Block) && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    static thread_local Spare own;
    return own;
  }
};

/// Base of a final class whose objects shall come from a Recycler.
template <class T> struct Recycled {
  static void* operator new(std::size_t) { return Recycler<T>::allocate(1); }
  static void operator delete(void* object) noexcept { Recycler<T>::deallocate(static_cast<T*>(object), 1); }
};

} // namespace kith
