// SPDX-License-Identifier: Apache-2.0
#include "hosting/descriptor.hpp"

#include "base/name.hpp"
#include "hosting/text.hpp"

#include <algorithm>

namespace kith::hosting {

namespace {

constexpr std::uint32_t known_needs = KITH_NEED_EXEC | KITH_NEED_FS | KITH_NEED_NET | KITH_NEED_DIAL | KITH_NEED_SIGN;

Result<std::string> copy_text(kith_text text, std::size_t limit, const std::string& what) {
  if (!is_sound(text)) return bad_request(what + " is a null pointer with a size");
  if (text.size > limit) return bad_request(what + " is longer than " + std::to_string(limit) + " octets");
  if (!is_utf8(view(text))) return bad_request(what + " is not UTF-8");
  return std::string(view(text));
}

Result<Command> read_command(const kith_command* command, const std::string& where) {
  if (command == nullptr || command->struct_size < sizeof(kith_command)) return bad_request(where + ": a command is null or has a wrong struct_size");
  Command out;
  auto name = copy_text(command->name, max_name_size, where + ": a command's name");
  if (!name) return name.error();
  out.name = *name;
  if (auto ok = check_name(out.name, "command name"); !ok) return bad_request(where + ": " + ok.error().text);
  auto summary = copy_text(command->summary, max_summary_size, where + ": the summary of command " + out.name);
  if (!summary) return summary.error();
  out.summary = *summary;
  if (command->scope < KITH_SCOPE_LOCAL || command->scope > KITH_SCOPE_BOTH)
    return bad_request(where + ": command " + out.name + " has no valid scope");
  out.scope = static_cast<Scope>(command->scope - KITH_SCOPE_LOCAL);
  if (command->least_role < KITH_ROLE_PUBLIC || command->least_role > KITH_ROLE_OWNER)
    return bad_request(where + ": command " + out.name + " has no valid least role");
  out.least_role = static_cast<Role>(command->least_role - KITH_ROLE_PUBLIC);
  return out;
}

template <class T> Result<const T*> find_capability(const kith_protocol& protocol, std::string_view id, const std::string& where) {
  const auto* found = static_cast<const T*>(protocol.get_capability(to_abi(id)));
  if (found != nullptr && found->struct_size < sizeof(T)) return bad_request(where + ": " + std::string(id) + " has a wrong struct_size");
  return found;
}

Result<Capabilities> read_capabilities(const kith_protocol& protocol, const std::string& where) try {
  Capabilities out;
  auto stream = find_capability<kith_plugin_stream>(protocol, KITH_STREAM_ID, where);
  auto config = find_capability<kith_plugin_config>(protocol, KITH_CONFIG_ID, where);
  auto timer = find_capability<kith_plugin_timer>(protocol, KITH_TIMER_ID, where);
  auto storage = find_capability<kith_plugin_storage>(protocol, KITH_STORAGE_ID, where);
  auto peer = find_capability<kith_plugin_peer>(protocol, KITH_PEER_ID, where);
  auto dial = find_capability<kith_plugin_dial>(protocol, KITH_DIAL_ID, where);
  if (!stream) return stream.error();
  if (!config) return config.error();
  if (!timer) return timer.error();
  if (!storage) return storage.error();
  if (!peer) return peer.error();
  if (!dial) return dial.error();
  out = {*stream, *config, *timer, *storage, *peer, *dial};
  if (out.stream != nullptr && (out.stream->on_opened == nullptr || out.stream->on_readable == nullptr || out.stream->on_writable == nullptr ||
                                out.stream->on_closed == nullptr))
    return bad_request(where + ": " KITH_STREAM_ID " lacks a callback");
  if (out.config != nullptr && out.config->check == nullptr) return bad_request(where + ": " KITH_CONFIG_ID " lacks check");
  if (out.timer != nullptr && out.timer->on_timer == nullptr) return bad_request(where + ": " KITH_TIMER_ID " lacks on_timer");
  if (out.storage != nullptr && out.storage->on_completed == nullptr) return bad_request(where + ": " KITH_STORAGE_ID " lacks on_completed");
  if (out.peer != nullptr && out.peer->on_changed == nullptr) return bad_request(where + ": " KITH_PEER_ID " lacks on_changed");
  if (out.dial != nullptr && out.dial->on_replied == nullptr) return bad_request(where + ": " KITH_DIAL_ID " lacks on_replied");
  return out;
} catch (...) {
  return bad_request(where + ": get_capability threw an exception");
}

Result<void> read_texts(const kith_protocol& in, Protocol& out, const std::string& where) {
  struct Field {
    kith_text from;
    std::string* to;
    std::size_t limit;
    const char* what;
  };
  for (const Field& field : {Field{in.version, &out.version, max_name_size, "version"}, Field{in.summary, &out.summary, max_summary_size, "summary"},
                             Field{in.config_schema, &out.config_schema, max_schema_size, "config_schema"},
                             Field{in.cli_noun, &out.cli_noun, max_name_size, "cli_noun"}}) {
    auto text = copy_text(field.from, field.limit, where + ": " + field.what);
    if (!text) return text.error();
    *field.to = std::move(*text);
  }
  if (!out.cli_noun.empty()) {
    if (auto ok = check_name(out.cli_noun, "cli_noun"); !ok) return bad_request(where + ": " + ok.error().text);
    if (is_command_word(out.cli_noun)) return bad_request(where + ": cli_noun " + out.cli_noun + " is a command of kith's own: choose another");
  }
  return {};
}

Result<void> read_commands(const kith_protocol& in, Protocol& out, const std::string& where) {
  if (in.command_count > max_commands) return bad_request(where + ": more than " + std::to_string(max_commands) + " commands");
  if (in.command_count != 0 && in.commands == nullptr) return bad_request(where + ": commands is null");
  for (std::uint32_t i = 0; i < in.command_count; ++i) {
    auto command = read_command(in.commands[i], where);
    if (!command) return command.error();
    if (out.find_command(command->name) != nullptr) return bad_request(where + ": command " + command->name + " is there twice");
    out.commands.push_back(std::move(*command));
  }
  return {};
}

Result<Protocol> read_protocol(const kith_protocol* in, const std::string& file) {
  if (in == nullptr || in->struct_size < sizeof(kith_protocol)) return bad_request(file + ": a protocol is null or has a wrong struct_size");
  Protocol out;
  out.abi = in;
  auto name = copy_text(in->name, max_name_size, file + ": a protocol's name");
  if (!name) return name.error();
  out.name = *name;
  if (auto ok = check_name(out.name, "protocol name"); !ok) return bad_request(file + ": " + ok.error().text);
  if (out.name.starts_with(reserved_protocol_prefix))
    return bad_request(file + ": protocol " + out.name + ": names that begin with kith. are reserved");
  const std::string where = file + ": protocol " + out.name;
  if (auto ok = read_texts(*in, out, where); !ok) return ok.error();
  if (auto ok = read_commands(*in, out, where); !ok) return ok.error();
  if (in->default_access != KITH_ROLE_NONE) {
    if (in->default_access < KITH_ROLE_MEMBER || in->default_access > KITH_ROLE_OWNER)
      return bad_request(where + ": default_access must be NONE, MEMBER, ADMIN or OWNER: only the owner of an identity opens it wider");
    out.default_access = static_cast<Role>(in->default_access - KITH_ROLE_PUBLIC);
  }
  if ((in->needs & ~known_needs) != 0) return bad_request(where + ": needs names something that this version does not know");
  out.needs = in->needs;
  out.suggests_inline = (in->flags & KITH_PROTOCOL_SUGGEST_INLINE) != 0;
  out.shared_handover = (in->flags & KITH_PROTOCOL_SHARED) != 0;
  if (in->get_capability == nullptr || in->create == nullptr || in->configure == nullptr || in->start == nullptr || in->drain == nullptr ||
      in->stop == nullptr || in->destroy == nullptr)
    return bad_request(where + ": a function of kith_protocol is null");
  auto capabilities = read_capabilities(*in, where);
  if (!capabilities) return capabilities.error();
  out.capabilities = *capabilities;
  return out;
}

} // namespace

const Command* Protocol::find_command(std::string_view command) const noexcept {
  const auto found = std::ranges::find(commands, command, &Command::name);
  return found == commands.end() ? nullptr : &*found;
}

Result<void> Protocol::check_config(const std::string& config) const try {
  if (capabilities.config == nullptr) return {};
  std::string why;
  const auto note = [](void* context, kith_text text) {
    *static_cast<std::string*>(context) = is_sound(text) ? std::string(view(text)) : std::string{};
  };
  const kith_status status = capabilities.config->check(to_abi(config), &why, note);
  if (status == KITH_OK) return {};
  if (why.empty() || !is_utf8(why)) why = "the plugin refuses this config and does not say why";
  return bad_request(std::move(why));
} catch (...) {
  return Error{Code::plugin_failed, "protocol " + name + ": its config check threw an exception"};
}

const Protocol* Descriptor::find(std::string_view protocol) const noexcept {
  const auto found = std::ranges::find(protocols, protocol, &Protocol::name);
  return found == protocols.end() ? nullptr : &*found;
}

Result<Descriptor> read_descriptor(const kith_plugin* plugin, std::string_view file_name) {
  const std::string file(file_name);
  if (plugin == nullptr) return bad_request(file + ": no descriptor");
  // The two version fields have kept their place since 1.0: look at them before anything else.
  if (plugin->struct_size < offsetof(kith_plugin, name)) return bad_request(file + ": the descriptor's struct_size is wrong");
  if (plugin->abi_major != KITH_ABI_MAJOR)
    return Error{Code::unsupported_version, file + ": built for plugin ABI " + std::to_string(plugin->abi_major) + ", this kith has " +
                                                std::to_string(KITH_ABI_MAJOR) + ": rebuild the plugin with this version's headers"};
  if (plugin->abi_minor_needed > KITH_ABI_MINOR)
    return Error{Code::unsupported_version, file + ": needs plugin ABI " + std::to_string(KITH_ABI_MAJOR) + "." +
                                                std::to_string(plugin->abi_minor_needed) + ", this kith has 1." + std::to_string(KITH_ABI_MINOR) +
                                                ": update kith"};
  if (plugin->struct_size < sizeof(kith_plugin)) return bad_request(file + ": the descriptor's struct_size is wrong");
  Descriptor out;
  auto name = copy_text(plugin->name, max_name_size, file + ": the plugin's name");
  if (!name) return name.error();
  auto version = copy_text(plugin->version, max_name_size, file + ": the plugin's version");
  if (!version) return version.error();
  out.name = *name;
  out.version = *version;
  out.minor_needed = plugin->abi_minor_needed;
  if (plugin->protocol_count == 0 || plugin->protocol_count > max_protocols_in_file || plugin->protocols == nullptr)
    return bad_request(file + ": a plugin has 1 to " + std::to_string(max_protocols_in_file) + " protocols");
  for (std::uint32_t i = 0; i < plugin->protocol_count; ++i) {
    auto protocol = read_protocol(plugin->protocols[i], file);
    if (!protocol) return protocol.error();
    if (out.find(protocol->name) != nullptr) return bad_request(file + ": protocol " + protocol->name + " is there twice");
    out.protocols.push_back(std::move(*protocol));
  }
  return out;
}

} // namespace kith::hosting
