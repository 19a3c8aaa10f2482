// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugin_host/registry.hpp"

#include "base/name.hpp"

#include <algorithm>

namespace kith::plugin_host {

namespace fs = std::filesystem;

std::shared_ptr<const Registry> Registry::scan(const RegistryOptions& options, const Registry* before) {
  auto out = std::make_shared<Registry>();
  out->folders_ = options.folders;
  if (before != nullptr) {
    out->libraries_ = before->libraries_;
    out->entries_ = before->entries_;
  }
  for (const fs::path& folder : options.folders) {
    std::vector<fs::path> files;
    std::error_code failed;
    for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
      if (it->path().extension() == ".so") files.push_back(it->path());
    }
    if (failed && failed != std::errc::no_such_file_or_directory)
      out->problems_.push_back({Code::internal, folder.string() + ": can't be searched for plugins: " + failed.message()});
    std::ranges::sort(files);
    if (files.size() > max_plugin_files) {
      out->problems_.push_back(bad_request(folder.string() + ": more than " + std::to_string(max_plugin_files) + " plugins; the rest is left out"));
      files.resize(max_plugin_files);
    }
    for (const fs::path& file : files) out->add(file, options);
  }
  return out;
}

bool is_file_of(const fs::path& file, std::string_view protocol) { return file.stem().native() == protocol; }

void Registry::add(const fs::path& file, const RegistryOptions& options) {
  if (const auto loaded = std::ranges::find(libraries_, file, [](const auto& library) { return library->file; }); loaded != libraries_.end()) {
    if (hosting::file_sha256(file, options.load) != (*loaded)->sha256) changed_.push_back(file);
    return enlist(*loaded, options);
  }
  hosting::LoadOptions load = options.load;
  if (const auto pins = options.pins.find(file.stem().native()); pins != options.pins.end()) load.pinned_sha256 = pins->second;
  auto library = hosting::load_library(file, load);
  if (!library) {
    problems_.push_back(library.error());
    return;
  }
  libraries_.push_back(*library);
  enlist(*library, options);
}

void Registry::enlist(const std::shared_ptr<const hosting::Library>& library, const RegistryOptions& options) {
  const fs::path& file = library->file;
  for (const hosting::Protocol& protocol : library->descriptor.protocols) {
    const auto same = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.protocol->name == protocol.name; });
    if (same != entries_.end() && same->library == library) continue; // a scan before this one
    if (options.pins.contains(protocol.name) && !is_file_of(file, protocol.name)) {
      problems_.push_back(Error{Code::denied, file.string() + ": a binding pins protocol " + protocol.name +
                                                  ", which must then be in a file called " + protocol.name + ".so"});
      continue;
    }
    if (same != entries_.end()) {
      problems_.push_back(
          bad_request(file.string() + ": protocol " + protocol.name + " is already in " + same->library->file.string() + ", which is used"));
      continue;
    }
    const auto noun = std::ranges::find_if(
        entries_, [&](const Entry& entry) { return !protocol.cli_noun.empty() && entry.protocol->cli_noun == protocol.cli_noun; });
    if (noun != entries_.end()) {
      problems_.push_back(bad_request(file.string() + ": protocol " + protocol.name + " is refused: `kith " + protocol.cli_noun + "` is " +
                                      noun->protocol->name + "'s, in " + noun->library->file.string()));
      continue;
    }
    entries_.push_back({library, &protocol});
  }
}

Result<Registry::Entry> Registry::find(std::string_view name) const {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.protocol->name == name; });
  if (found != entries_.end()) return *found;

  std::vector<std::string_view> known;
  for (const Entry& entry : entries_) known.push_back(entry.protocol->name);
  std::string text = "there is no plugin for protocol \"" + std::string(name) + "\"";
  if (const std::string_view near = nearest_name(name, known); !near.empty()) text += " (did you mean " + std::string(near) + "?)";
  text += known.empty() ? "; none is known" : "; known:";
  for (const std::string_view one : known) text += " " + std::string(one);
  text += "; searched:";
  for (const fs::path& folder : folders_) text += " " + folder.string();
  for (const Error& problem : problems_) {
    if (problem.text.find("/" + std::string(name) + ".so") != std::string::npos) text += "; " + problem.text;
  }
  return Error{Code::unknown_protocol, std::move(text)};
}

} // namespace kith::plugin_host
