// SPDX-License-Identifier: Apache-2.0
// Plugins whose entry is wrong; which, says a definition.
#include <kith/abi/entry.h>

#include <stdexcept>

#ifdef BAD_NO_ENTRY
extern "C" KITH_EXPORT int something_else() { return 1; }
#else
const kith_plugin* kith_plugin_entry([[maybe_unused]] const kith_entry_args* args) {
#if defined BAD_WRONG_MAJOR
  static const kith_plugin plugin = {sizeof(kith_plugin), KITH_ABI_MAJOR + 1, 0, {}, {}, nullptr, 0, 0};
  return &plugin;
#elif defined BAD_NEWER_MINOR
  static const kith_plugin plugin = {sizeof(kith_plugin), KITH_ABI_MAJOR, 99, {}, {}, nullptr, 0, 0};
  return &plugin;
#elif defined BAD_THROWS
  throw std::runtime_error("thrown by the entry");
#elif defined BAD_EMPTY
  static const kith_plugin plugin = {sizeof(kith_plugin), KITH_ABI_MAJOR, 0, {}, {}, nullptr, 0, 0};
  return &plugin;
#else // BAD_NULL
  args->set_error(args->context, {"not today", 9});
  return nullptr;
#endif
}
#endif
